"""What the ledger says of answers that a blind stage must not read: a commitment, later all of it.

Owns both forms. An answer before a blind stage is bound when it is given and written out when
nobody has to be kept from it any more, so the record can be checked and tells nothing early.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import rfc8785

from identities.acting import COUNTERSIGN
from reviews import outcomes
from reviews.models import Case, Decision, Stage

from . import entries, stages


def commitment(row: Decision) -> str:
    """What the ledger carries of an answer that a later stage must not see: SHA-256 over its
    RFC 8785 form, whose `decision` is random enough that nobody guesses the rest."""
    return sha256(rfc8785.dumps(_content(row))).hexdigest()


def _content(row: Decision) -> dict[str, Any]:
    return {
        "decision": str(row.pk),
        "item": str(row.item_id),
        "seat": str(row.seat_id),
        "answer": row.answer,
        "reason": row.reason,
        "proposal": row.proposal,
    }


def _position(row: Decision, begun: Sequence[Stage]) -> int:
    """The place of the stage that was asked: of the tie-breaker, the one that ran then."""
    if row.seat.stage is not None:
        return row.seat.stage.position
    ran = [one.position for one in begun if one.begun_at is not None and one.begun_at <= row.at]
    return ran[-1] if ran else 0


def disclose(case: Case, *, now: datetime) -> None:
    """Write what was withheld from a blind stage into the ledger, once nobody is kept from it."""
    if not case.stage:
        return
    plan = stages.plan_of(case)
    if plan is None or not plan.blind:
        return
    rows = (
        Decision.objects.filter(item__case=case)
        .select_related("person", "item", "seat__stage")
        .order_by("at", "pk")
    )
    begun = list(case.stages.filter(begun_at__isnull=False).order_by("begun_at", "-position"))
    withheld = [row for row in rows if plan.blind_after(_position(row, begun))]
    if not withheld:
        return
    said = "; ".join(
        f"{row.person.name} {outcomes.WORDS[row.answer]} on {row.item.title}" for row in withheld
    )
    entries.note(
        case,
        act="case.answers_disclosed",
        words=f"What was answered in {case.key} before a blind stage: {said}"[:1_000],
        by=COUNTERSIGN,
        now=now,
        data={"answers": [_content(row) for row in withheld]},
    )
