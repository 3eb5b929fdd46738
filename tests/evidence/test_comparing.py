"""An event that no longer says what its deposit says is found and named; what went by rule is not."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import orjson
import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence import emptying, erasing, files, intake, keeping, known, retention
from evidence.formats import FORMATS
from evidence.models import Deposit, Event, Source
from evidence.permissions import COMMAND
from evidence.rereading import comparing
from evidence.rereading.comparing import Compared
from tests.evidence.bodies import export, record, trail
from tests.evidence.formats.conftest import SAMPLES
from tests.evidence.test_erasing import ANNA, BEN
from tests.evidence.test_retention import old, short

__all__ = ["short"]
type AsOwner = Callable[..., list[tuple[Any, ...]]]
type Make = Callable[..., Source]


def take(source: Source, body: bytes, **said: Any) -> Deposit:
    taken = intake.take(source=source, body=body, by="command", now=timezone.now(), **said)
    return Deposit.objects.get(pk=taken.deposit)


def numbered(*numbers: int, **said: Any) -> bytes:
    """Records of the last hours, one a minute."""
    last = timezone.now().replace(microsecond=0) - timedelta(hours=1)
    return trail(*(record(one, at=last - timedelta(minutes=one), **said) for one in numbers))


def compared(**said: Any) -> Compared:
    (found,) = comparing.compare(**said)
    return found


def run(*more: str) -> tuple[int, str]:
    """(exit code, what it says)."""
    out = StringIO()
    try:
        call_command("verify_deposits", *more, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


# What is changed in the second event of three; and what is said of it.
TERM = "(SELECT id FROM evidence_term WHERE value = '{}')"
ACTOR = "(SELECT id FROM evidence_actor WHERE value = 'svc-other')"
CHANGED = {
    "action": (TERM.format("s3:PutObject"), "its action is 's3:PutObject', and its record says"),
    "resource": (TERM.format("invoices/9.json"), "its resource is 'invoices/9.json', and its rec"),
    "address": (TERM.format("10.0.3.99"), "its address is '10.0.3.99', and its record says '10."),
    "principal": (ACTOR, "its actor is 'test actor svc-other', and its record says"),
    "outcome": ("outcome + 1", "its outcome is "),
    "at": ("at + interval '1 second'", "its time is "),
    "received_at": ("received_at + interval '1 second'", "its received at is "),
    "request_id": ("'REQ9'", "its request id is 'REQ9', and its record says 'REQ0000000000002'"),
    "trace": ("'00000000-0000-0000-0000-000000000001'", "its trace is 00000000-0000-0000-0000-"),
    "digest": ("'00000000-0000-0000-0000-000000000001'", "its id is "),
    "ordinal": ("ordinal + 7", "comes from no record of its deposit"),
}
TWIN = (
    "INSERT INTO evidence_event SELECT (jsonb_populate_record(e, {})).* FROM evidence_event e"
    " WHERE id = {}"
)


@pytest.mark.django_db(transaction=True)
def test_each_way_of_changing_an_event_is_named(source: Make, as_owner: AsOwner) -> None:
    deposit = take(source(), numbered(1, 2, 3))
    take(source("other"), numbered(9, eventName="PutObject", sourceIPAddress="10.0.3.99"))
    as_owner(
        "INSERT INTO evidence_actor (key, realm, kind, value, created_at)"
        " VALUES (gen_random_uuid(), 'test', 'actor', 'svc-other', now())"
    )
    rows = Event.objects.filter(deposit_id=deposit.pk).order_by("at")
    at, number = rows.values_list("at", "id")[1]
    named = f"trail, deposit {deposit.pk}, event {at.isoformat()} {number}: "

    def faults(statement: str) -> list[str]:
        """What is found after it; then it is taken back."""
        as_owner("CREATE TABLE kept_events AS SELECT * FROM evidence_event")
        as_owner(f"SET countersign.letting_go = 'on'; {statement}")
        try:
            return compared(source="trail").faults
        finally:
            as_owner(
                "DELETE FROM evidence_event; INSERT INTO evidence_event SELECT * FROM kept_events;"
                " DROP TABLE kept_events; RESET countersign.letting_go"
            )

    assert compared(source="trail") == Compared("trail", deposits=1, events=3)
    for name, (value, says) in CHANGED.items():
        column = name if hasattr(Event, name) else f"{name}_id"
        first, *more = faults(f"UPDATE evidence_event SET {column} = {value} WHERE id = {number}")
        where = named if name != "at" else named.replace(at.isoformat(), _later(at))
        assert first.startswith(f"{where}was changed: {says}") or (
            name == "ordinal" and f"{where}{says}" in (first, *more)
        ), (name, first)
    # Gone; put in beside another; put in from nowhere; cut to another time.
    gone = faults(f"DELETE FROM evidence_event WHERE id = {number}")
    lost = f"its event is missing ('s3:GetObject', {at.isoformat()})"
    assert gone == [f"trail, deposit {deposit.pk}, record 'Records[1]': {lost}"]
    twin = faults(TWIN.format("'{\"id\": 7}'", number))
    taken = "comes from no record of its deposit: another event has its place"
    assert twin == [f"{named.replace(str(number), '7')}{taken}"]
    other = faults(TWIN.format('\'{"id": 7, "deposit_id": 99999}\'', number))
    assert [one.partition(": ")[2] for one in other] == [
        "comes from no record; no such deposit holds anything of this time"
    ]
    away = faults(f"UPDATE evidence_event SET at = at + interval '1 hour' WHERE id = {number}")
    assert [one.rpartition(": ")[2].split(" (")[0] for one in away] == [
        "its event is missing",
        "comes from no record; no such deposit holds anything of this time",
    ]
    assert compared(source="trail").faults == []
    # The command says the same, and how it ended.
    assert run("--source", "trail")[0] == 0
    as_owner(
        f"SET countersign.letting_go = 'on'; DELETE FROM evidence_event WHERE id = {number};"
        " RESET countersign.letting_go"
    )
    code, text = run("--source", "trail")
    assert (code, gone[0] in text.splitlines()) == (1, True)
    assert "NOT OK: trail: 2 events compared with their deposits" in text
    assert run("--source", "trail", "--no-events")[0] == 0
    code, text = run("--source", "trail", "--json")
    assert (code, orjson.loads(text)[1]["faults"]) == (1, gone)


def _later(at: Any) -> str:
    return str((at + timedelta(seconds=1)).isoformat())


@pytest.mark.django_db
def test_nothing_is_wrong_with_any_format(source: Make) -> None:
    """Every sample, with content dropped, read once more; and twice in two sources."""
    for name in ("one", "two"):
        given = (
            files.File(path.name, lambda path=path: path.open("rb"))  # type: ignore[misc]  # mypy cannot see the default's type
            for path in sorted(SAMPLES.iterdir())[::2]
            if path.is_file()
        )
        for _ in files.take_files(source=source(name), files=given, by="command", now=timezone.now):
            pass
    found = list(comparing.compare())
    assert [one.faults for one in found] == [[], []]
    assert [one.left for one in found] == [{}, {}]
    assert sum(one.deposits for one in found) == Deposit.objects.count()
    assert sum(one.events for one in found) == Event.objects.count() > 0


@pytest.mark.django_db
def test_what_came_before_was_refused_or_left_out_is_no_fault(source: Make) -> None:
    row = source()
    early = timezone.now() - timedelta(days=9_000)
    take(row, numbered(1, 2))
    # Of two sources, again in one, twice in a body, refused for its time, no record at all.
    for other in (row, source("second")):
        body = orjson.loads(numbered(2, 1, 3, 3))["Records"]
        take(other, trail(*body, record(4, at=early), {"nothing": other.name}))
    keeping.change(source=row, text="drop action s3:Put*", by=COMMAND, now=timezone.now())
    mixed = [
        *orjson.loads(numbered(5))["Records"],
        *orjson.loads(numbered(6, eventName="PutObject"))["Records"],
    ]
    deposit = take(Source.objects.get(pk=row.pk), trail(*mixed))
    assert deposit.events == 1
    # Content that was taken out leaves no way to the digest of a record that came again.
    secret = {"authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghijklmnop"}
    for body in (
        numbered(7, 8, requestParameters=secret),
        numbered(8, 7, requestParameters=secret),
    ):
        take(source(f"s{len(Source.objects.all())}"), body)
    found = list(comparing.compare())
    assert [(one.faults, dict(one.left)) for one in found] == [([], {})] * len(found)


@pytest.mark.django_db
def test_what_cannot_be_compared_is_counted_with_why(
    source: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    whole, one, asked = (
        take(source(), numbered(n, n + 1))
        if n == 1
        else take(Source.objects.get(name="trail"), numbered(n, n + 1))
        for n in (1, 3, 5)
    )
    for deposit, ordinal in ((whole, None), (one, 1), (asked, 0)):
        row = erasing.ask(
            deposit=deposit, ordinal=ordinal, names=False, reason="r", by=ANNA, now=now
        )
        if deposit is not asked:
            erasing.confirm(erasure=row, by=BEN, now=now)
    emptying.carry_out_all(now=now)
    spans = take(source("spans"), export({"name": "x"}, at=now).SerializeToString())
    other = FORMATS[known.plain(spans.format)]
    monkeypatch.setitem(FORMATS, other.name, other._replace(version=other.version + 1))
    found = {row.source: row for row in comparing.compare()}
    assert {name: (row.faults, dict(row.left)) for name, row in found.items()} == {
        "trail": ([], {comparing.ERASED: 3}),
        "spans": ([], {comparing.OTHER_VERSION: 1}),
    }
    code, text = run("--no-bodies")
    assert (code, "not compared" in text) == (0, False)


@pytest.mark.django_db
def test_cost_of_a_deposit_does_not_grow_and_faults_end(source: Make) -> None:
    row = source()
    few, more = take(row, numbered(*range(1, 4))), take(row, numbered(*range(10, 90)))
    asked = []
    for deposit in (few, more):
        with CaptureQueriesContext(connection) as seen:
            comparing._compare(deposit, Compared("trail"))
        asked.append(len(seen))
    assert asked[0] == asked[1] <= 9
    heard: list[int] = []
    assert compared(say=heard.append).events == 83
    assert heard == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_month_that_retention_let_go_of_is_not_missing(
    short: Callable[..., Source], as_owner: AsOwner
) -> None:
    """One deposit of two months, the older of which went."""
    both = [*orjson.loads(old(1, 2))["Records"], *orjson.loads(numbered(3, 4))["Records"]]
    short("trail", trail(*both), old(5))
    assert retention.prune(now=timezone.now()).events == 3
    found = compared()
    assert (found.faults, found.events, found.deposits) == ([], 2, 1)
    assert dict(found.left) == {comparing.ERASED: 1}
    as_owner("SET countersign.letting_go = 'on'; DELETE FROM evidence_event; RESET ALL")
    assert [one.partition(" (")[0] for one in compared().faults] == [
        f"trail, deposit {Deposit.objects.order_by('pk')[0].pk}, record 'Records[{n}]': its event"
        " is missing"
        for n in (2, 3)
    ]


def test_hostile_values_are_escaped_and_cut() -> None:
    assert comparing.shown("\x1b[2J\u202eevil") == "'\\x1b[2J\\u202eevil'"
    assert len(comparing.shown("x" * 5_000)) == comparing.LONGEST_VALUE + 1
    assert comparing.shown(None) == "None"
