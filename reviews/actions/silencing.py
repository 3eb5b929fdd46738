"""What silence means for a case, and doing it: what nobody answered is cut, denied or left.

Owns the consequence; when it is due is deadlines.py. Nothing is cut where a scope only observes
or asks, where evidence is not fresh, nor on critical identities: there it is noted, or goes to a
named person (product.md, rules 5 and 8).
"""

from datetime import datetime

from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.models import Identity
from identities.permissions import NotPossible
from reviews.ladder import CUTS
from reviews.models import Case, Item
from reviews.permissions import SIGNING

from . import consequences, settling

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
        return "go_on"
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


def do(case: Case, chosen: str, *, at: datetime, now: datetime) -> str:
    """Cut or deny what is unanswered in a locked case; what was held with it, as words.

    `at`: the moment by which nobody had decided.
    """
    for item in case.items.select_for_update().filter(outcome__in=["", "conflict"]):
        item.case = case
        answered = item.decisions.filter(
            superseded_at__isnull=True, seat__kind__in=SIGNING
        ).exists()
        if answered and item.outcome == "":
            # One seat has spoken and the other is silent: the stricter stands.
            settling.settle(case, item, now=now, due=True)
            consequences.at_once(case, item, now=now)
            if item.outcome == "":
                # Its last stage was silent, whatever an earlier one said.
                _unanswered(case, item, chosen, now=now)
        elif not answered:
            _unanswered(case, item, chosen, now=now)
    unsettled = case.items.filter(outcome="").exists()
    if chosen == "suspend" and case.identity is not None and unsettled:
        return _suspend(case, case.identity, at=at, now=now)
    return ""


def _unanswered(case: Case, item: Item, chosen: str, *, now: datetime) -> None:
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
        item.save(update_fields=["outcome", "outcome_at"])
        consequences.at_once(case, item, now=now)


def _suspend(case: Case, identity: Identity, *, at: datetime, now: datetime) -> str:
    """Nothing of the identity works, at our door and, by holding its keys, at the target."""
    try:
        return revocations.suspend_with_keys(
            identity=identity,
            by=COUNTERSIGN,
            now=now,
            because=f"{case.key}: nobody decided by {at:%Y-%m-%d %H:%M} UTC",
            case=case.pk,
            case_key=case.key,
        )
    except NotPossible as problem:
        return str(problem)
