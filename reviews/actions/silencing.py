"""What silence means for cases, and doing it: what nobody answered is cut, denied or left.

Owns the consequence; when it is due is deadlines.py. Many cases take as many statements as one,
and what cannot be cut in one of them keeps nothing from being cut in the others. Nothing is cut
where a scope only observes or asks, where evidence is not fresh, nor on critical identities: there
it is noted, or goes to a named person (product.md, rules 5 and 8).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from identities.acting import COUNTERSIGN
from identities.actions import revocations
from reviews.ladder import CUTS
from reviews.models import Case, Item
from reviews.permissions import SIGNING

from . import consequences, settling, stages
from .asked import Asked

WORDS = {
    "escalate": "it goes to the backups and the tie-breaker",
    "suspend": "{name} is suspended",
    "narrow": "what was not seen in evidence is narrowed away",
    "revoke": "what nobody answered is revoked",
    "deny": "the request is denied",
    "noted": "it is only noted: {name} is in observe mode",
    "go_on": "{stage} is asked",
    # What happens at a vendor is in no log of ours (docs/attestation.md).
    "integration": "nothing is cut, because our logs do not show all of an external integration: it"
    " goes to the backups and the tie-breaker",
}


def consequence(case: Case, *, does: str = "", doubt: str = "") -> str:
    """What silence will really do, softened by mode, criticality and doubt about the evidence.

    `does`: of a later rung; without it, when the answers are due.
    """
    if case.next_stage and not does:
        return "deny" if stages.silence_denies(case) else "go_on"
    identity, does = case.identity, does or case.silence
    if does == "deny" or identity is None:
        return does
    if identity.mode == "observe":
        return "noted"
    soft = doubt or identity.mode != "enforce" or identity.criticality == "critical"
    soft = soft or identity.kind == "integration"
    return "escalate" if does in CUTS and soft else does


def sentence(case: Case, *, does: str = "", doubt: str = "") -> str:
    """ "report-agent is suspended": what happens when nobody decides."""
    name = case.identity.name if case.identity is not None else case.title
    chosen = consequence(case, does=does, doubt=doubt)
    whole = case.identity is None or case.identity.kind != "integration"
    if chosen == "escalate" and (does or case.silence) in CUTS and not whole:
        chosen = "integration"
    return WORDS.get(chosen, WORDS["escalate"]).format(name=name, stage=case.next_stage)


class Cut(NamedTuple):
    """What silence does in a locked case (`consequence`), and by when nobody had decided."""

    case: Case
    chosen: str
    at: datetime


def do_all(cuts: Sequence[Cut], *, asked: Asked, now: datetime) -> dict[UUID, str]:
    """Cut or deny what is unanswered in these cases, each named once; what was held with it in
    each, as words."""
    of = {cut.case.pk: cut for cut in cuts}
    items = _unsettled(of)
    standing = settling.standing(items)
    reading = stages.Reading([cut.case for cut in cuts], now=now, asked=asked)
    changed = []
    for item in items:
        case, chosen, given = item.case, of[item.case_id].chosen, standing[item.pk]
        answered = any(row.seat.kind in SIGNING for row in given)
        if answered and item.outcome:
            continue  # a conflict: the tie-breaker settles it
        settled = answered and settling.add_up(
            # One seat has spoken and the other is silent: the stricter stands.
            case, item, given, asked.seats[case.pk], now=now, due=True, reading=reading
        )  # fmt: skip
        if not answered or item.outcome == "":
            # In a case with stages its last one was silent, whatever an earlier one said.
            settled = _unanswered(item, chosen, now=now) or settled
        if settled:
            changed.append((case, item))
    reading.save()
    settling.write([item for _, item in changed])
    consequences.at_once_all(changed, now=now)
    open_still = {item.case_id for item in items if item.outcome == ""}
    return _suspend([cut for cut in cuts if cut.case.pk in open_still], now=now)


def _unsettled(of: dict[UUID, Cut]) -> list[Item]:
    """What has no outcome in these cases, or one that is in conflict, locked; in their order."""
    rows = Item.objects.select_for_update().filter(case__in=of, outcome__in=stages.OPEN)
    found: dict[UUID, list[Item]] = {pk: [] for pk in of}
    for item in rows.order_by("case", "position"):
        item.case = of[item.case_id].case
        found[item.case_id].append(item)
    return [item for items in found.values() for item in items]


def _unanswered(item: Item, chosen: str, *, now: datetime) -> bool:
    outcome = ""
    if chosen == "deny" and item.kind in ("grant", "manifest"):
        outcome = "deny"
    elif chosen == "revoke" and item.kind in ("credential", "delegation"):
        outcome = "revoke"
    elif chosen == "narrow" and item.kind == "delegation":
        # Only what evidence has shown to be used can be told from what was not.
        seen = item.snapshot.get("evidence") and item.snapshot.get("seen")
        outcome = "narrow" if seen and item.proposal.get("actions") else ""
    if outcome:
        item.outcome, item.outcome_at = outcome, now
    return bool(outcome)


def _suspend(cuts: Sequence[Cut], *, now: datetime) -> dict[UUID, str]:
    """Nothing of the identities works, at our door and, by holding their keys, at the target."""
    asks = [
        revocations.Ask(
            cut.case.identity,
            "suspend",
            f"{cut.case.key}: nobody decided by {cut.at:%Y-%m-%d %H:%M} UTC",
            case=cut.case.pk,
            case_key=cut.case.key,
        )
        for cut in cuts
        if cut.chosen == "suspend" and cut.case.identity is not None
    ]
    if not asks:
        return {}
    said = revocations.suspend_all_with_keys(asks, by=COUNTERSIGN, now=now)
    return {ask.case: str(one) for ask, one in zip(asks, said, strict=True) if ask.case is not None}
