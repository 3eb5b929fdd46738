"""Everything recorded, and every sample, read again by a version that reads alike: all stay."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.utils import timezone

from evidence import files, rereading
from evidence.formats import FORMATS
from evidence.models import Deposit, Event, PastReading, Reject, Source
from evidence.permissions import COMMAND
from tests.evidence.formats.conftest import DATA, SAMPLES

pytestmark = pytest.mark.django_db

KINDS = (".json", ".jsonl", ".gz", ".pb", ".csv", ".log", ".ndjson", ".zst")
# Each is read twice here; the larger recordings are read by their own tests.
LARGEST = 3 << 20


def found() -> list[Path]:
    every = [path for path in sorted(SAMPLES.iterdir()) if path.suffix in KINDS]
    if DATA.is_dir():
        every += [
            path
            for folder in sorted(DATA.iterdir())
            if folder.is_dir()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix in KINDS and path.stat().st_size < LARGEST
        ][::3]
    return every


@pytest.mark.parametrize("keep", [False, True], ids=["content dropped", "content kept"])
def test_reading_alike_keeps_every_event_as_it_is(
    source: Callable[..., Source], monkeypatch: pytest.MonkeyPatch, keep: bool
) -> None:
    row = source("all", keep_content=keep)
    given = (files.File(path.name, lambda path=path: path.open("rb")) for path in found())  # type: ignore[misc]  # mypy cannot see the default's type
    for _ in files.take_files(source=row, files=given, by="command", now=timezone.now):
        pass
    before = set(Event.objects.values_list("at", "id", "ordinal", "deposit_id"))
    # A body may open so many months at once; those that were too many may be opened now.
    months = Reject.objects.filter(reason__contains="newest months").count()
    for name, known in FORMATS.items():
        monkeypatch.setitem(FORMATS, name, known._replace(version=known.version + 1))
    wish = rereading.ask(by=COMMAND, now=timezone.now())
    wish = rereading.run(wish, clock=timezone.now, say=lambda _: None)
    assert (wish.done, wish.total) == (Deposit.objects.count(), Deposit.objects.count())
    assert (wish.problem, wish.failed) == ("", 0)
    odd = {name: wish.counts[name] for name in ("changed", "moved", "merged", "left")}
    assert odd == dict.fromkeys(odd, 0)
    assert (wish.counts["same"], wish.counts["added"]) == (len(before), months)
    now = set(Event.objects.values_list("at", "id", "ordinal", "deposit_id"))
    assert (before <= now, len(now)) == (True, len(before) + months)
    assert not PastReading.objects.filter(kind="event").exists()
