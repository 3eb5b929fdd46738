"""Records older than what is read of a source: kept in their bytes, counted apart, read when asked."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client

from evidence import custody, intake, rereading
from evidence.models import Deposit, Event, Reject, Source
from evidence.permissions import COMMAND
from tests.evidence.bodies import record, trail
from tests.evidence.conftest import NOW
from tests.evidence.readers import person, signed_in

__all__ = ["person", "signed_in"]

type Make = Callable[..., Source]
type SignIn = Callable[..., Client]
pytestmark = pytest.mark.django_db

LONG_AGO = NOW - timedelta(days=400)


def take(source: Source, body: bytes) -> Deposit:
    taken = intake.take(source=source, body=body, by="command", now=NOW)
    assert taken.records == taken.events + taken.duplicates + taken.rejects + taken.old
    return Deposit.objects.get(pk=taken.deposit)


def again(source: Source) -> None:
    wish = rereading.ask(by=COMMAND, now=NOW, source=source)
    wish = rereading.run(wish, clock=lambda: NOW, say=lambda _: None)
    assert (wish.failed, wish.problem) == (0, "")


def counts(row: Deposit) -> tuple[int, int, int, int, int]:
    return row.records, row.events, row.duplicates, row.rejects, row.old


def test_record_older_than_its_source_keeps_is_kept_as_old(source: Make) -> None:
    row = source(retention_days=30)
    body = trail(record(1), record(2, at=LONG_AGO), {"eventName": 7})
    deposit = take(row, body)
    assert (counts(deposit), deposit.old_from, deposit.old_to) == (
        (3, 1, 0, 1, 1),
        LONG_AGO,
        LONG_AGO,
    )
    old = Reject.objects.get(old_at=LONG_AGO)
    assert old.position == "Records[1]"
    assert old.reason == (
        "kept as old: its time 2025-10-20 12:00:00 UTC lies before the 30 days that this source is"
        " kept for"
    )
    repeat = intake.take(source=row, body=body, by="command", now=NOW)
    assert (repeat.repeat, repeat.known, repeat.rejects, repeat.old) == (True, 1, 1, 1)


def test_longer_period_and_reading_again_makes_it_an_event(source: Make) -> None:
    row = source(retention_days=30)
    deposit = take(row, trail(record(1), record(2, at=LONG_AGO)))
    again(row)
    deposit.refresh_from_db()
    assert counts(deposit) == (2, 1, 0, 0, 1)
    custody.set_retention(source=row, days=401, reason="an older case", by=COMMAND, now=NOW)
    again(row)
    deposit.refresh_from_db()
    assert (counts(deposit), deposit.old_from) == ((2, 2, 0, 0, 0), None)
    assert Event.objects.order_by("at").values_list("at", flat=True)[0] == LONG_AGO
    assert not Reject.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_each_reading_opens_so_many_more_months_until_none_is_left(source: Make) -> None:
    # Months that no other test of this run has opened.
    first = datetime.fromisoformat("2001-01-15T00:00:00+00:00")
    times = [first + timedelta(days=31 * number) for number in range(60)]
    row = source(retention_days=36_600)
    deposit = take(row, trail(*(record(number, at=at) for number, at in enumerate(times))))
    seen = [counts(deposit)]
    while deposit.old:
        again(row)
        deposit.refresh_from_db()
        seen.append(counts(deposit))
    assert seen == [(60, 24, 0, 0, 36), (60, 48, 0, 0, 12), (60, 60, 0, 0, 0)]


def test_ingest_says_what_is_kept_as_old_and_what_to_do(tmp_path: Path, source: Make) -> None:
    source(retention_days=30)
    (tmp_path / "one.json").write_bytes(trail(record(1), record(2, at=LONG_AGO)))
    asked = ["ingest", str(tmp_path), "--source", "trail", "--no-wait", "--strict"]
    out, documents = StringIO(), StringIO()
    call_command(*asked, stdout=out)
    call_command(*asked, "--json", stdout=documents)
    said = out.getvalue()
    assert said.startswith("trail: 1 file, 1 event, 0 duplicates, 0 rejects, 1 kept as old.\n")
    assert "`manage.py source retention trail 401 --reason …`" in said
    assert "run `manage.py reread --source trail`" in said
    document = json.loads(documents.getvalue())
    assert (document["rejects"], [one["position"] for one in document["old"]]) == (
        [],
        ["Records[1]"],
    )


def test_pages_of_source_and_deposit_say_so(signed_in: SignIn, source: Make) -> None:
    row = source(retention_days=30)
    deposit = take(row, trail(record(1), record(2, at=LONG_AGO)))
    client = signed_in("jonas", "administrator")
    for address in ("/sources/trail/", f"/deposits/{deposit.pk}/"):
        shown = client.get(address).content.decode()
        assert "1 record is kept as old, and nothing is concluded from it." in shown
        assert "manage.py reread --source trail" in shown
    listed = client.get("/sources/trail/?old=1").content.decode()
    assert (f"/deposits/{deposit.pk}/" in listed, "1 kept as old" in listed) == (True, True)
