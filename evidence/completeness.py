"""Stating that nothing is missing from a source: one person proposes it, a second one signs.

Owns the proposal. The statement itself is evidence/actions.py's; the command line makes it at once.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from evidence import actions, permissions, second_person
from evidence.models import Source
from evidence.permissions import Reader


class _Complete:
    """From then on a call without a run is a finding, where nothing said so before."""

    @staticmethod
    def lines(document: Mapping[str, Any]) -> list[tuple[str, str]]:
        row = second_person.source_of(document)
        through = datetime.fromisoformat(document["through"]).astimezone(UTC)
        words = (
            f"is complete to {through:%Y-%m-%d %H:%M:%S} UTC: findings are opened on what is missing"
            f" before that. How it is known: {document['reason']}"
        )
        return [(f"source {row.name}", words)]

    @staticmethod
    def apply(document: Mapping[str, Any], *, by: Reader, now: datetime) -> None:
        actions.declare_complete(
            source=second_person.source_of(document),
            through=datetime.fromisoformat(document["through"]),
            reason=document["reason"],
            by=by,
            now=now,
        )


second_person.ACTS["complete"] = _Complete()


def propose(*, source: Source, through: datetime, reason: str, by: Reader, now: datetime) -> str:
    """Ask a second person to state it too; the key of the proposal."""
    permissions.require(by.why_not_administer)
    said = {"through": through.isoformat(), "reason": reason.strip()}
    with transaction.atomic():
        # Everything that would be wrong is said now; nothing of it stays.
        both = by._replace(signed_by_two=True)
        actions.declare_complete(source=source, through=through, reason=reason, by=both, now=now)
        transaction.set_rollback(True)
    return second_person.propose(
        "complete",
        source.name,
        said,
        by=by,
        now=now,
        reason=reason,
        title=f"completeness of source {source.name}",
    )
