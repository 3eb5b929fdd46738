"""Deposits read again: nothing lost, nothing doubled, keys kept, everything that rests on them."""

from collections.abc import Callable
from datetime import timedelta
from threading import Event as Flag
from threading import Thread
from typing import Any

import pytest
from django.db import ProgrammingError, connection, transaction

from evidence import consumers, intake, rereading
from evidence.formats import FORMATS, mapping
from evidence.models import (
    Actor,
    Deposit,
    Event,
    MappingVersion,
    PastReading,
    Progress,
    Reading,
    Reject,
    Rereading,
    Source,
    Term,
)
from evidence.permissions import COMMAND
from tests.evidence.conftest import NOW

type Make = Callable[..., Source]
pytestmark = pytest.mark.django_db

FIRST = """
mapping: gateway
realm: "gateway:main"
at: ts
action: act
principal: {kind: user, path: who}
"""
GATEWAY = b"""{"ts":"2026-11-24T10:00:00Z","act":"open","who":"ann","key":"k1","id":"1"}
{"ts":"2026-11-24T10:01:00Z","act":"shut","who":"bob","key":"k2","id":"2"}
not json
{"nothing":"of use"}
{"ts":"2026-11-24T10:02:00Z","act":"open","who":"ann","key":"k1","id":"3"}
"""


def save(text: str) -> MappingVersion:
    made = mapping.of(text)
    return MappingVersion.objects.create(
        name=made.name,
        version=MappingVersion.objects.filter(name=made.name).count() + 1,
        title=made.title,
        plane=made.plane,
        text=text,
        made_at=NOW,
        made_by="command",
    )


def take(source: Source, body: bytes, format: str = "") -> Deposit:  # noqa: A002 - what it is called
    taken = intake.take(source=source, body=body, by="command", now=NOW, format=format)
    return Deposit.objects.get(pk=taken.deposit)


def again(**asked: Any) -> Rereading:
    wish = rereading.ask(by=COMMAND, now=NOW, **asked)
    return rereading.run(wish, clock=lambda: NOW, say=lambda _: None)


def shown(**wanted: Any) -> list[tuple[Any, ...]]:
    """(key, action, principal, credential) of events, in the order of their ordinals."""
    words = dict(Term.objects.values_list("pk", "value"))
    names = dict(Actor.objects.values_list("pk", "value"))
    return [
        (
            (one.at, one.id),
            words[one.action_id],
            names.get(one.principal_id or 0),
            names.get(one.credential_id or 0),
        )
        for one in Event.objects.filter(**wanted).order_by("ordinal")
    ]


def test_a_better_mapping_changes_events_in_place_and_keeps_how_they_were(source: Make) -> None:
    save(FIRST)
    row = source("gate", format="mapping:gateway")
    deposit = take(row, GATEWAY)
    assert (deposit.format, deposit.format_version) == ("mapping:gateway@1", 1)
    assert (deposit.records, deposit.events, deposit.rejects) == (5, 3, 2)
    before = shown()
    save(FIRST + "credential: {kind: api_key, path: key}\n")
    assert list(rereading.stale()) == [deposit]
    wish = again()
    assert (wish.state, wish.done, wish.total, wish.failed) == ("done", 1, 1, 0)
    assert {name: many for name, many in wish.counts.items() if many} == {"changed": 3}
    assert shown() == [(*one[:3], key) for one, key in zip(before, ("k1", "k2", "k1"), strict=True)]
    deposit.refresh_from_db()
    assert (deposit.format, deposit.format_version, deposit.events, deposit.rejects) == (
        "mapping:gateway@2",
        2,
        3,
        2,
    )
    assert PastReading.objects.filter(kind="event", now_at=None).count() == 3
    assert list(rereading.stale()) == []
    assert [one.position for one in Reject.objects.order_by("place")] == [
        "line 3 Records[0]",
        "line 4",
    ]
    assert Reading.objects.get().counts["changed"] == 3


def test_the_same_reading_again_changes_nothing(source: Make) -> None:
    save(FIRST)
    deposit = take(source("gate", format="mapping:gateway"), GATEWAY)
    before = list(Event.objects.order_by("at", "id").values())
    wish = again(deposit=deposit, to_format="mapping:gateway")
    assert {name: many for name, many in wish.counts.items() if many} == {"same": 3}
    assert list(Event.objects.order_by("at", "id").values()) == before
    assert not PastReading.objects.exists()


def test_what_was_rejected_is_read_and_ordinals_follow(source: Make) -> None:
    save(FIRST)
    deposit = take(source("gate", format="mapping:gateway"), GATEWAY)
    before = shown()
    save(FIRST.replace("action: act", "action: [act, nothing]"))
    wish = again()
    assert {name: many for name, many in wish.counts.items() if many} == {"same": 3, "added": 1}
    now = shown()
    assert [one[0] for one in now if one[1] != "of use"] == [one[0] for one in before]
    assert [one[1] for one in now] == ["open", "shut", "of use", "open"]
    deposit.refresh_from_db()
    assert (deposit.events, deposit.rejects) == (4, 1)
    # The third reading pairs them all again.
    save(FIRST.replace("action: act", "action: [act, nothing]") + "session: id\n")
    wish = again()
    assert wish.counts["changed"] == 3
    assert [one[0] for one in shown()] == [one[0] for one in now]


def test_what_is_read_no_longer_stays_as_it_was(source: Make) -> None:
    save(FIRST.replace("action: act", "action: [act, nothing]"))
    deposit = take(source("gate", format="mapping:gateway"), GATEWAY)
    before = shown()
    save(FIRST)
    wish = again()
    assert wish.counts["left"] == 1
    assert {one[:2] for one in shown()} == {one[:2] for one in before}
    deposit.refresh_from_db()
    assert (deposit.events, deposit.rejects) == (4, 2)
    save(FIRST.replace("action: act", "action: [act, nothing]") + "session: id\n")
    again()
    assert [one[:2] for one in shown()] == [one[:2] for one in before]


def test_a_new_identity_moves_events_and_the_same_record_later_is_known(source: Make) -> None:
    save(FIRST)
    row = source("gate", format="mapping:gateway")
    take(row, GATEWAY)
    before = {one[0] for one in shown()}
    save(FIRST.replace("gateway:main", "gateway:other") + "id: id\n")
    wish = again()
    assert wish.counts["moved"] == 3
    moved = {one[0] for one in shown()}
    assert not moved & before
    assert set(PastReading.objects.filter(kind="event").values_list("now_at", "now_id")) == moved
    # An overlap delivers one of them once more.
    later = take(row, GATEWAY.splitlines()[0])
    assert (later.events, later.duplicates) == (0, 1)
    assert Event.objects.count() == 3


def test_two_deposits_of_the_same_records_stay_one_event_each(source: Make) -> None:
    save(FIRST)
    row = source("gate", format="mapping:gateway")
    take(row, GATEWAY)
    take(row, GATEWAY + b"\n")
    save(
        FIRST.replace("gateway:main", "gateway:other").replace(
            "action: act", "action: [act, nothing]"
        )
    )
    wish = again()
    assert (wish.done, wish.counts["moved"], wish.counts["added"]) == (2, 3, 1)
    assert wish.counts["duplicates"] == 4
    assert Event.objects.count() == 4


def test_a_wrong_guess_is_corrected(source: Make) -> None:
    body = b'{"event_id":"e1","time":"2026-11-24T09:00:00Z","action":"open","user":"ann"}'
    save(
        'mapping: own\nrealm: "own:x"\nat: time\naction: action\n'
        "principal: {kind: user, path: user}\nid: event_id\n"
    )
    row = source("guess")
    deposit = take(row, body, "okta")
    assert Event.objects.get().time_basis == 2
    wish = again(deposit=deposit, to_format="mapping:own")
    assert wish.problem == ""
    ((key, action, principal, _),) = shown()
    assert (action, principal, key[0].isoformat()) == ("open", "ann", "2026-11-24T09:00:00+00:00")
    deposit.refresh_from_db()
    assert deposit.format == "mapping:own@1"
    assert (deposit.first_at, deposit.last_at) == (key[0], key[0])
    assert Reading.objects.get().forced


def test_an_improved_format_of_the_house_is_found_stale(
    source: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.evidence.bodies import record, trail

    deposit = take(source("trail"), trail(record(1), record(2)))
    assert list(rereading.stale()) == []
    now = FORMATS["cloudtrail"].version
    monkeypatch.setitem(FORMATS, "cloudtrail", FORMATS["cloudtrail"]._replace(version=now + 1))
    assert list(rereading.stale()) == [deposit]
    wish = again()
    assert wish.counts["same"] == 2
    deposit.refresh_from_db()
    assert deposit.format_version == now + 1
    # What is read alike stays as it was written.
    assert set(Event.objects.values_list("reading", flat=True)) == {now}


def test_a_trial_changes_nothing(source: Make) -> None:
    save(FIRST)
    deposit = take(source("gate", format="mapping:gateway"), GATEWAY)
    save(FIRST + "credential: {kind: api_key, path: key}\n")
    before = list(Event.objects.order_by("at", "id").values())
    (outcome,) = rereading.try_out([deposit.pk], to_format="", now=NOW)
    assert outcome.counts["changed"] == 3
    assert list(Event.objects.order_by("at", "id").values()) == before
    assert not Reading.objects.exists()
    assert not PastReading.objects.exists()


def test_changed_deposits_wait_again_for_their_consumers(source: Make) -> None:
    save(FIRST)
    deposit = take(source("gate", format="mapping:gateway"), GATEWAY)
    Progress.objects.filter(deposit=deposit).update(done_at=NOW)
    assert Progress.objects.filter(deposit=deposit, consumer="judging", done_at=None).exists()
    save(FIRST + "credential: {kind: api_key, path: key}\n")
    again()
    waiting = Progress.objects.filter(deposit=deposit, done_at=None)
    assert sorted(waiting.values_list("consumer", flat=True)) == [
        "credentials",
        "links",
        "sealed",
    ]


def test_the_app_cannot_change_what_was_read_by_itself(source: Make) -> None:
    save(FIRST)
    take(source("gate", format="mapping:gateway"), GATEWAY)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('countersign.letting_go', 'on', false)")
        for statement in (
            "UPDATE evidence_event SET outcome = 1",
            "UPDATE evidence_deposit SET format = 'x'",
            "DELETE FROM evidence_pastreading",
            "UPDATE evidence_mappingversion SET text = ''",
        ):
            with pytest.raises(ProgrammingError, match="denied"), transaction.atomic():
                cursor.execute(statement)
        cursor.execute("SELECT set_config('countersign.letting_go', '', false)")


def test_time_that_cannot_be_leaves_the_event_and_its_number(source: Make) -> None:
    save(FIRST)
    deposit = take(source("gate", format="mapping:gateway"), GATEWAY)
    before = shown()
    # Everything is said to have happened in 2040, which the door would not take.
    save(FIRST.replace("at: ts", "at: [far, {always: '2040-01-01T00:00:00Z'}]"))
    wish = again()
    assert {name: many for name, many in wish.counts.items() if many} == {"left": 3}
    assert shown() == before
    save(FIRST.replace("action: act", "action: [act, nothing]") + "session: id\n")
    wish = again(deposit=deposit)
    assert (wish.counts["changed"], wish.counts["added"]) == (3, 1)
    assert {one[0] for one in before} < {one[0] for one in shown()}


def test_what_was_redacted_keeps_its_key_under_another_identity(source: Make) -> None:
    body = (
        b'{"ts":"2026-11-24T10:00:00Z","act":"open","who":"ann","x":"AKIAIOSFODNN7EXAMPLE",'
        b'"auth":"Bearer abcdefghijklmnopqrstuvwxyz0123456789"}\n'
        b'{"ts":"2026-11-24T10:01:00Z","act":"shut","who":"bob"}\n'
    )
    save(FIRST)
    row = source("gate", format="mapping:gateway")
    deposit = take(row, body)
    assert deposit.redactions["kinds"]
    before = shown()
    save(FIRST.replace("gateway:main", "gateway:other"))
    wish = again()
    assert (wish.counts["changed"], wish.counts["moved"]) == (1, 1)
    now = shown()
    assert now[0][0] == before[0][0]
    assert now[1][0] != before[1][0]


@pytest.mark.django_db(transaction=True)
def test_erased_deposits_stay_and_their_earlier_readings_are_forgotten(
    source: Make, as_owner: Callable[..., list[tuple[Any, ...]]]
) -> None:
    save(FIRST)
    deposit = take(source("gate", format="mapping:gateway"), GATEWAY)
    save(FIRST + "session: id\n")
    again()
    assert PastReading.objects.exclude(row={}).exists()
    as_owner("SELECT set_config('countersign.letting_go', 'on', false)")
    as_owner(
        "INSERT INTO evidence_tombstone (deposit_id, ordinal, cause, why, asked_by, asked_name,"
        " confirmed_by, confirmed_name, at, gone_digest, gone_bytes) VALUES"
        " (%s, NULL, 'retention', 'test', '', '', '', '', now(), '', 0)",
        [deposit.pk],
    )
    as_owner("SELECT set_config('countersign.letting_go', '', false)")
    assert not PastReading.objects.exclude(row={}).exists()
    assert PastReading.objects.filter(kind="event").count() == 3
    wish = again(deposit=deposit, to_format="okta")
    assert (wish.failed, wish.counts.get("changed", 0)) == (1, 0)
    assert "was erased or let go of" in wish.problem


@pytest.mark.django_db(transaction=True)
def test_a_reading_waits_until_nobody_works_on_deposits(source: Make) -> None:
    save(FIRST)
    take(source("gate", format="mapping:gateway"), GATEWAY)
    save(FIRST + "session: id\n")
    rereading.ask(by=COMMAND, now=NOW)
    at_work, enough, done = Flag(), Flag(), Flag()

    def work() -> None:
        def wait(_: Progress) -> None:
            at_work.set()
            enough.wait(20)

        consumers.handle_next("links", wait, lease=timedelta(minutes=1), now=NOW)
        connection.close()

    def read_again() -> None:
        rereading.run_next(now=NOW)
        done.set()
        connection.close()

    threads = [Thread(target=work), Thread(target=read_again)]
    threads[0].start()
    assert at_work.wait(20)
    threads[1].start()
    assert not done.wait(0.5)
    enough.set()
    assert done.wait(20)
    for thread in threads:
        thread.join()
    assert Rereading.objects.get().counts["changed"] == 3
