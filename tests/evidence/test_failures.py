"""What consumers could not handle is said on Sources, by doctor and by ingest."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from evidence import checks, consumers, links
from evidence.models import Progress, Source
from tests.evidence.bodies import record, trail
from tests.evidence.readers import person, recent, signed_in, take

__all__ = ["person", "signed_in"]

pytestmark = pytest.mark.django_db

LEASE = timedelta(minutes=10)


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    cache.clear()


def broken(_held: Progress) -> None:
    """What the database says of a range whose bounds are the wrong way around."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT tstzrange(now(), now() - interval '1 day')")


def fail(consumer: str) -> None:
    assert consumers.handle_next(consumer, broken, lease=LEASE, now=timezone.now())


def test_failure_keeps_its_first_time_until_it_is_done(source: Callable[..., Source]) -> None:
    take(source(), recent(1))
    began = timezone.now()
    for later in (began, began + timedelta(hours=1)):
        consumers.handle_next("links", broken, lease=LEASE, now=later)
        assert Progress.objects.get(consumer="links").failed_since == began
    while links.link_next(now=began + timedelta(days=2)):
        pass
    row = Progress.objects.get(consumer="links")
    assert (row.failed_why, row.failed_since) == ("", None)


def test_sources_page_says_which_consumer_failed(
    source: Callable[..., Source], signed_in: Callable[..., Client]
) -> None:
    first, second = take(source(), recent(1)), take(source("other"), recent(2))
    fail("credentials")
    fail("credentials")
    page = signed_in("jonas", "administrator").get("/sources/")
    (row,) = page.context["failures"]
    assert (row.consumer, row.deposits, row.first) == (
        "credentials",
        2,
        first.deposit,
    )
    assert row.since <= timezone.now()
    text = page.content.decode()
    assert "credentials could not process 2 deposits" in text
    assert "range lower bound must be less than or equal to range upper bound" in text
    assert f"/deposits/{first.deposit}/" in text
    assert second.deposit != first.deposit


def test_error_text_is_for_administrators(
    source: Callable[..., Source], signed_in: Callable[..., Client]
) -> None:
    take(source(), recent(1))
    fail("credentials")
    text = signed_in("ines", "reviewer").get("/sources/").content.decode()
    assert "credentials could not process 1 deposit" in text
    assert "range lower bound" not in text


def test_error_text_is_escaped(
    source: Callable[..., Source], signed_in: Callable[..., Client]
) -> None:
    take(source(), recent(1))
    Progress.objects.filter(consumer="links").update(failed_why="<script>x</script>")
    text = signed_in("jonas", "administrator").get("/sources/").content.decode()
    assert "&lt;script&gt;x" in text
    assert "<script>x" not in text


def test_sources_page_says_nothing_when_nothing_failed(
    source: Callable[..., Source], signed_in: Callable[..., Client]
) -> None:
    take(source(), recent(1))
    page = signed_in("jonas", "administrator").get("/sources/")
    assert list(page.context["failures"]) == []
    assert "could not process" not in page.content.decode()


def test_doctor_fails_for_each_consumer_that_failed(source: Callable[..., Source]) -> None:
    taken = take(source(), recent(1))
    fail("credentials")
    fail("links")
    name, ok, said, remedy = next(one for one in checks.doctor() if one[0] == "deposits that wait")
    assert (name, ok) == ("deposits that wait", False)
    for consumer in ("credentials", "links"):
        assert f"{consumer} could not process 1 deposit, the first is {taken.deposit}" in said
    assert "range lower bound" in said
    assert "tried again" in remedy


def test_ingest_says_that_a_consumer_failed_and_exits_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.json").write_bytes(trail(record(1)))
    call_command("ingest", str(tmp_path), "--source", "trail", "--no-wait")
    fail("credentials")
    # The same bytes again: what became of their deposit is what this command is asked.
    with pytest.raises(SystemExit) as ended:
        call_command("ingest", str(tmp_path), "--source", "trail")
    assert ended.value.code == 1
    shown = capsys.readouterr()
    assert "1 duplicate" in shown.out
    assert "credentials could not process 1 deposit" in shown.err
    assert "range lower bound" in shown.err


def test_ingest_is_not_blamed_for_what_others_brought(
    tmp_path: Path, source: Callable[..., Source]
) -> None:
    take(source("other"), recent(7))
    fail("credentials")
    (tmp_path / "one.json").write_bytes(trail(record(1)))
    call_command("ingest", str(tmp_path), "--source", "trail")
    assert Progress.objects.filter(done_at=None).exclude(failed_why="").count() == 1
