"""Custody on the command line: period, keep-filter and holds, with what each says."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from evidence import actions
from evidence.models import LedgerEntry, LegalHold, Source
from evidence.permissions import COMMAND

pytestmark = pytest.mark.django_db


def said(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue().strip()


def test_period_is_changed_and_the_grace_is_said(source: Callable[..., Source]) -> None:
    source()
    assert said("source", "retention", "trail", "30").startswith(
        "trail is kept for 30 days; the shorter period counts from 20"
    )
    assert said("source", "retention", "trail", "4000") == "trail is kept for 4,000 days."
    with pytest.raises(CommandError, match="between 1 and 36600 days"):
        said("source", "retention", "trail", "0")


def test_new_source_has_the_period_of_the_settings(settings: Any) -> None:
    settings.RETENTION_DAYS = 400
    row = actions.add_source(name="new", by=COMMAND, now=timezone.now())
    other = actions.add_source(name="two", by=COMMAND, now=timezone.now(), retention_days=9)
    assert (row.retention_days, other.retention_days) == (400, 9)


def test_keep_filter_is_read_from_a_file(source: Callable[..., Source], tmp_path: Path) -> None:
    source()
    assert said("source", "keep", "trail") == "Every record is kept."
    rules = tmp_path / "rules"
    rules.write_text("drop action s3:Get*\n", "utf-8")
    assert said("source", "keep", "trail", "--rules", str(rules)) == "drop action s3:Get*"
    rules.write_text("drop everything\n", "utf-8")
    with pytest.raises(CommandError, match="Line 1 is no rule"):
        said("source", "keep", "trail", "--rules", str(rules))


def test_hold_is_placed_listed_and_released(source: Callable[..., Source]) -> None:
    source()
    placed = said("hold", "place", "case 9", "--source", "trail", "--from", "2026-01-01")
    row = LegalHold.objects.get()
    assert placed == f"hold {row.pk}: source trail, from 2026-01-01 00:00 UTC: case 9"
    assert said("hold", "list") == f"{placed}\n1 hold."
    (document,) = json.loads(said("hold", "release", str(row.pk), "over", "--json"))
    assert (document["hold"], document["released_at"] is not None) == (row.pk, True)
    assert said("hold", "list") == "0 holds."
    acts = list(LedgerEntry.objects.order_by("pk").values_list("act", flat=True))
    assert acts == ["hold.placed", "hold.released"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("place", "r"), "Say what is held"),
        (("place", " ", "--source", "trail"), "what the evidence is held for"),
        (("place", "r", "--actor", "nobody"), "No evidence names nobody"),
        (("place", "r", "--deposit", "9"), "There is no deposit 9"),
        (("place", "r", "--from", "2026-02-01", "--to", "2026-01-01"), "ends after it begins"),
        (("release", "9", "r"), "There is no hold 9"),
    ],
)
def test_hold_that_makes_no_sense_is_refused(
    source: Callable[..., Source], words: tuple[str, ...], sentence: str
) -> None:
    source()
    with pytest.raises(CommandError, match=sentence):
        said("hold", *words)
