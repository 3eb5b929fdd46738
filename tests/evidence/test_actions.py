"""Who may do what to sources, and what the ledger says of it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from evidence import actions, doors
from evidence.models import Gap, LedgerEntry, Source
from evidence.permissions import COMMAND, NotAllowed, NotPossible, Reader
from tests.evidence.conftest import NOW

type Act = Callable[[Source, Reader], Any]

INES = Reader("user:1", "Ines", None, frozenset(), None, None)
STRANGER = Reader("user:2", "Sam", None)

ACTS: list[tuple[str, Act]] = [
    ("source.added", lambda _, by: actions.add_source(name="new", by=by, now=NOW)),
    ("source.token_made", lambda row, by: actions.new_token(source=row, by=by, now=NOW)),
    (
        "source.declared_complete",
        lambda row, by: actions.declare_complete(
            source=row,
            through=NOW,
            reason="all files are there",
            by=by._replace(signed_by_two=True),
            now=NOW,
        ),
    ),
    (
        "source.was_silent",
        lambda row, by: actions.record_gap(
            source=row, begins=NOW - timedelta(hours=1), ends=NOW, reason="moved", by=by, now=NOW
        ),
    ),
]


@pytest.mark.parametrize(("act", "do"), ACTS, ids=[act for act, _ in ACTS])
def test_act_is_in_the_ledger_under_the_name_of_who_did_it(
    source: Callable[..., Source], act: str, do: Act
) -> None:
    do(source("trail"), INES)
    entry = LedgerEntry.objects.get()
    assert (entry.act, entry.by, entry.by_name, entry.at) == (act, "user:1", "Ines", NOW)


@pytest.mark.parametrize(("act", "do"), ACTS, ids=[act for act, _ in ACTS])
def test_act_of_somebody_who_may_not_changes_nothing(
    source: Callable[..., Source], act: str, do: Act
) -> None:
    row = source("trail")
    with pytest.raises(NotAllowed) as refused:
        do(row, STRANGER)
    row.refresh_from_db()
    assert str(refused.value) == "You may not administer sources."
    assert (row.token_digest, row.watermark) == (None, None)
    assert (Source.objects.count(), Gap.objects.count(), LedgerEntry.objects.count()) == (1, 0, 0)


def test_token_is_kept_as_a_digest_only(source: Callable[..., Source]) -> None:
    row, token = actions.new_token(
        source=source("trail"), by=COMMAND, now=NOW, lasts=timedelta(days=1)
    )
    assert row.token_digest == doors.digest_of(token)
    assert row.token_expires_at == NOW + timedelta(days=1)
    said = LedgerEntry.objects.get()
    assert token not in f"{said.words}{said.data}"
    assert said.data == {"hint": token[:8], "expires_at": "2026-11-25T12:00:00Z"}


@pytest.mark.parametrize("reason", ["", "  "])
def test_statement_needs_a_reason(source: Callable[..., Source], reason: str) -> None:
    with pytest.raises(NotPossible):
        actions.declare_complete(
            source=source("trail"), through=NOW, reason=reason, by=COMMAND, now=NOW
        )


def test_statement_wakes_who_waits_for_it(
    source: Callable[..., Source],
    nudges: list[str],
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        actions.declare_complete(
            source=source("trail"), through=NOW, reason="whole", by=COMMAND, now=NOW
        )
    assert sorted(nudges) == ["evidence.linked"]


@pytest.mark.parametrize(
    ("format_", "plane", "found"),
    [("otlp", "", "ai"), ("cloudtrail", "", "identity"), ("", "", "identity"), ("", "ai", "ai")],
)
def test_side_of_a_source_follows_its_format(
    db: None, format_: str, plane: str, found: str
) -> None:
    row = actions.add_source(name="new", by=COMMAND, now=NOW, format=format_, plane=plane)
    assert row.plane == found
