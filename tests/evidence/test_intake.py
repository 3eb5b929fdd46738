"""From a body to rows: once, whole, in time, and nothing lost around what is broken."""

import json
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import orjson
import pytest
from django.db import OperationalError, connection

from evidence import intake
from evidence.formats.record import ActorName, Issued, Parsed, Record
from evidence.intake import NotTaken, Taken
from evidence.models import Actor, Deposit, Event, Issuance, Reject, Sighting, Source, Term
from evidence.stores import bodies
from evidence.vocabulary import OUTCOME_OK, PLANE_IDENTITY, TIME_RECEIVED, USE
from tests.evidence.bodies import record, trail
from tests.evidence.conftest import NOW

type Make = Callable[..., Source]


def take(source: Source, body: bytes) -> Taken:
    return intake.take(source=source, body=body, by="command", now=NOW)


def at_micros(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000


def read(number: int, **said: Any) -> Record:
    """A record as a format reads it, for what no real format can be made to yield."""
    plain: dict[str, Any] = {
        "position": f"Records[{number}]",
        "digest": number.to_bytes(16, "little"),
        "at": at_micros(NOW) - number,
        "realm": "aws:123456789012",
        "plane": PLANE_IDENTITY,
        "activity": USE,
        "outcome": OUTCOME_OK,
        "action": "s3:GetObject",
    }
    return Record(**plain | said)


def put(source: Source, *records: Record, now: datetime = NOW, digest: bytes = b"") -> Taken:
    """Store records as if a format had read them."""
    return intake.store(
        source=source,
        parsed=Parsed(b"{}", list(records), [], []),
        digest=digest or os.urandom(32),
        received=2,
        by="command",
        now=now,
        format="cloudtrail",
    )


def counts(taken: Taken) -> tuple[int, int, int, int]:
    return taken.records, taken.events, taken.duplicates, taken.rejects


def test_same_bytes_are_stored_once_and_answered_alike(source: Make) -> None:
    row, body = source(), trail(record(1), {"eventName": 7})
    first, again = take(row, body), take(row, body)
    assert (first.repeat, again.repeat) == (False, True)
    assert (again.deposit, counts(again), again.reasons) == (
        first.deposit,
        counts(first),
        first.reasons,
    )
    assert (Deposit.objects.count(), Event.objects.count(), Reject.objects.count()) == (1, 1, 1)


def test_same_record_in_other_bytes_is_a_duplicate(source: Make) -> None:
    row = source()
    take(row, trail(record(1), record(2)))
    spaced = orjson.dumps({"Records": [record(3), record(1)]}, option=orjson.OPT_INDENT_2)
    assert counts(take(row, spaced)) == (2, 1, 1, 0)
    assert Event.objects.count() == 3


def test_same_record_in_another_source_is_one_event_and_a_sighting(source: Make) -> None:
    first, second = source("first"), source("second")
    one = take(first, trail(record(1)))
    two = take(second, trail(record(1), record(2)))
    assert counts(two) == (2, 1, 1, 0)
    seen = Sighting.objects.get()
    assert (seen.source_id, seen.deposit_id) == (second.pk, two.deposit)
    assert Event.objects.get(at=seen.at, id=seen.event_id).deposit_id == one.deposit


def test_record_that_a_body_repeats_is_stored_once(source: Make) -> None:
    assert counts(take(source(), trail(record(1), record(1), record(2)))) == (3, 2, 1, 0)


def test_same_vendor_id_with_other_content_keeps_both(source: Make) -> None:
    row = source()
    take(row, trail(record(1)))
    taken = take(row, trail(record(1, sourceIPAddress="203.0.113.9")))
    assert (taken.events, Event.objects.count()) == (1, 2)


def test_record_whose_id_is_taken_is_a_reject_and_overwrites_nothing(source: Make) -> None:
    row = source()
    at = at_micros(NOW) - 5
    put(row, read(1, at=at, digest=b"A" * 8 + b"1" * 8))
    taken = put(
        row,
        read(2, at=at, digest=b"A" * 8 + b"2" * 8),
        read(3, at=at, digest=b"B" * 8 + b"3" * 8),
        read(4, at=at, digest=b"B" * 8 + b"4" * 8),
    )
    assert counts(taken) == (3, 1, 0, 2)
    assert sorted(reject.position for reject in taken.reasons) == ["Records[2]", "Records[4]"]
    assert {event.digest.bytes for event in Event.objects.all()} == {
        b"A" * 8 + b"1" * 8,
        b"B" * 8 + b"3" * 8,
    }


def test_record_that_collides_issues_no_credential(source: Make) -> None:
    row = source()
    at = at_micros(NOW) - 5
    put(row, read(1, at=at, digest=b"A" * 8 + b"1" * 8))
    key = ActorName("aws", "access_key", "AKIAFORGED")
    forged = read(2, at=at, digest=b"A" * 8 + b"2" * 8, issued=Issued(key, None, True, None))
    put(row, forged)
    assert Issuance.objects.count() == 0


@pytest.mark.parametrize(
    ("away", "reason"),
    [
        (timedelta(days=1, seconds=1), "lies a day ahead"),
        (timedelta(days=40_000), "lies a day ahead"),
    ],
)
def test_record_of_an_impossible_time_is_a_reject(
    source: Make, away: timedelta, reason: str
) -> None:
    row = source(retention_days=30)
    taken = put(row, read(1, at=at_micros(NOW + away)), read(2))
    assert counts(taken) == (2, 1, 0, 1)
    assert taken.reasons[0].position == "Records[1]"
    assert taken.reasons[0].reason == f"its time {NOW + away:%Y-%m-%d %H:%M:%S} UTC {reason}"


def test_record_a_little_ahead_of_our_clock_is_stored(source: Make) -> None:
    assert counts(take(source(), trail(record(1, at=NOW + timedelta(hours=23))))) == (1, 1, 0, 0)


@pytest.mark.django_db(transaction=True)
def test_body_opens_so_many_new_months_and_the_newest_win(source: Make) -> None:
    # Months that no other test of this run has opened.
    first = datetime.fromisoformat("1991-01-15T00:00:00+00:00")
    months = [first + timedelta(days=31 * number) for number in range(26)]
    row = source(retention_days=36_600)
    old = [read(number, at=at_micros(at)) for number, at in enumerate(months)]
    taken = put(row, *old)
    assert (counts(taken), taken.old) == ((26, 24, 0, 0), 2)
    assert [reject.position for reject in taken.reasons] == ["Records[0]", "Records[1]"]
    assert counts(put(row, *old[:2])) == (2, 2, 0, 0)


def test_record_without_a_time_has_the_time_of_its_first_sight(source: Make) -> None:
    row = source()
    put(row, read(1, at=None))
    again = put(row, read(1, at=None), read(2), now=NOW + timedelta(hours=1))
    assert counts(again) == (2, 1, 1, 0)
    event = Event.objects.get(time_basis=TIME_RECEIVED)
    assert (event.at, event.received_at) == (NOW, NOW)


@pytest.mark.parametrize(
    "text", ["a\0b", "tab\tline\nend\r", "back\\slash \\N \\.", "half \ud800 pair", "é😀", "\\"]
)
def test_text_of_any_kind_goes_in_and_comes_out(source: Make, text: str) -> None:
    one = read(
        1, action=f"s3:{text}", resource=text, request_id=text, error=text,
        principal=ActorName("aws:1", "arn", text),
    )  # fmt: skip
    assert counts(put(source(), one)) == (1, 1, 0, 0)
    kept = text.replace("\0", r"\u0000").replace("\ud800", r"\ud800")
    event = Event.objects.get()
    assert event.request_id == kept
    assert Actor.objects.get().value == kept
    assert event.principal_id == Actor.objects.get().pk
    assert set(Term.objects.values_list("value", flat=True)) == {kept, f"s3:{kept}"}


def test_names_that_differ_in_what_no_database_holds_stay_different(source: Make) -> None:
    names = ["GetObject", "Get\0Object", r"Get\u0000Object", "Get\ud83dObject"]
    body = json.dumps({"Records": [record(n, eventName=name) for n, name in enumerate(names)]})
    taken = take(source(), body.encode())
    assert (taken.events, taken.rejects) == (4, 0)
    shown = ["GetObject", r"Get\u0000Object", r"Get\\u0000Object", r"Get\ud83dObject"]
    actions = Term.objects.filter(pk__in=Event.objects.values("action_id"))
    assert set(actions.values_list("value", flat=True)) == {f"s3:{name}" for name in shown}


def test_nul_in_a_real_record_costs_nothing_around_it(source: Make) -> None:
    broken = record(1, eventName="Get\0Object", requestID="REQ\0")
    taken = take(source(), trail(broken, record(2)))
    assert (taken.records, taken.events + taken.rejects) == (2, 2)
    assert Event.objects.filter(request_id=record(2)["requestID"]).count() == 1


def test_broken_record_is_a_reject_and_its_neighbours_are_stored(source: Make) -> None:
    body = trail(record(1), record(2)).replace(b'"eventVersion"', b'"eventVersion', 1)
    taken = take(source(), body)
    assert (taken.events, taken.rejects) == (1, 1)
    assert Reject.objects.get().deposit_id == taken.deposit


def test_deposit_over_one_mebibyte_lies_in_a_file_and_reads_back(
    source: Make, tmp_path: Path
) -> None:
    noise = [record(number, noise=os.urandom(2000).hex()) for number in range(600)]
    taken = take(source(), trail(*noise))
    row = Deposit.objects.get()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert counts(taken) == (600, 600, 0, 0)
    assert [f"file:{path.stem}" for path in files] == [row.place]
    assert files[0].stat().st_size > bodies.IN_ROW
    kept = bodies.unpack(row)
    assert (len(kept), orjson.loads(kept)["Records"][599]["eventID"]) == (
        row.kept_bytes,
        noise[599]["eventID"],
    )


def test_kept_bytes_are_read_again_to_the_same_events(source: Make) -> None:
    first = source("first")
    take(first, trail(record(1), record(2)))
    kept = bodies.unpack(Deposit.objects.get())
    assert counts(take(source("second"), kept)) == (2, 0, 2, 0)


def test_body_that_no_format_reads_is_not_taken(source: Make) -> None:
    with pytest.raises(NotTaken) as refused:
        take(source(), b"hello")
    assert str(refused.value) == (
        "no format recognises this: it looks like plain text, and none is near it: describe it by"
        " a mapping (docs/mapping.md); docs/formats.md lists the formats"
    )
    assert Deposit.objects.count() == 0


def in_threads(*works: Callable[[], Taken]) -> list[Taken]:
    """All at once, each on a connection of its own."""
    start = Barrier(len(works))
    taken: list[Taken] = []

    def go(work: Callable[[], Taken]) -> None:
        try:
            start.wait(60)
            taken.append(work())
        finally:
            connection.close()

    threads = [Thread(target=go, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(taken) == len(works)
    return taken


@pytest.mark.django_db(transaction=True)
def test_same_body_from_many_senders_at_once_is_one_deposit(source: Make) -> None:
    row = source()
    body = trail(*(record(number) for number in range(500)))
    taken = in_threads(*[lambda: take(row, body)] * 6)
    assert {one.deposit for one in taken} == {Deposit.objects.get().pk}
    assert sorted(one.repeat for one in taken) == [False, *[True] * 5]
    assert Event.objects.count() == 500


def renamed(one: dict[str, Any], turn: int) -> dict[str, Any]:
    """The record with one of fifty new names, so that names are made in races as well."""
    number = int(one["requestID"][3:])
    arn = f"arn:aws:iam::123456789012:user/turn-{turn}-{number % 50}"
    return one | {"turn": turn, "userIdentity": one["userIdentity"] | {"arn": arn}}


@pytest.mark.django_db(transaction=True)
def test_overlapping_bodies_at_once_wait_in_no_circle_and_store_each_record_once(
    source: Make,
) -> None:
    rows = [source("first"), source("second")]
    records = [record(number) for number in range(400)]
    orders = [records, records[::-1], records[200:] + records[:200], records[100:300][::-1]]
    for turn in range(3):
        in_threads(
            *(
                partial(take, rows[number % 2], trail(*(renamed(one, turn) for one in order)))
                for number, order in enumerate(orders)
            )
        )
    assert Event.objects.count() == 3 * 400
    assert sum(Deposit.objects.values_list("events", flat=True)) == 3 * 400
    assert sum(Deposit.objects.values_list("duplicates", flat=True)) == 3 * 1000


@pytest.mark.django_db(transaction=True)
def test_what_fails_half_way_leaves_nothing(source: Make) -> None:
    row = source()
    put(row, read(1), digest=b"d" * 32)
    # No check of ours, but the column's own size.
    with pytest.raises(OperationalError):
        put(row, read(2, trace_id=b"too short"))
    assert (Deposit.objects.count(), Event.objects.count()) == (1, 1)
