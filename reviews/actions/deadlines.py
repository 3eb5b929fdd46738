"""Deadlines of cases: what silence means, done once, one case at a time.

Owns the consequence. A stored moment decides, so the ledger carries the deadline's own time
whenever the sweep runs. Nothing is cut where a scope only observes or asks, nor on critical
identities: there it is noted, or goes to a named person (product.md, rules 5 and 8).
"""

from datetime import datetime

from django.db import transaction

from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.models import Credential, Identity
from identities.permissions import NotPossible
from reviews.models import Case, Item
from reviews.permissions import SIGNING

from . import consequences, entries, reminders, settling

CUTS = frozenset({"suspend", "narrow", "revoke"})
WORDS = {
    "escalate": "it goes to the backups and the tie-breaker",
    "suspend": "{name} is suspended",
    "narrow": "what was not seen in evidence is narrowed away",
    "revoke": "what nobody answered is revoked",
    "deny": "the request is denied",
    "noted": "it is only noted: {name} is in observe mode",
}


def deadlines_next(*, now: datetime) -> bool:
    """Do the consequence of one case whose deadline has passed; False when none is due."""
    with transaction.atomic():
        pk = (
            Case.objects.select_for_update(of=("self",), skip_locked=True)
            .filter(state="open", silence_done_at__isnull=True, deadline_at__lte=now)
            .order_by("deadline_at", "pk")
            .values_list("pk", flat=True)
            .first()
        )
        if pk is None:
            return False
        _silence(entries.locked(pk), now=now)
    return True


def consequence(case: Case) -> str:
    """What silence will really do, softened by mode and criticality."""
    identity = case.identity
    if case.silence == "deny" or identity is None:
        return case.silence
    if identity.mode == "observe":
        return "noted"
    if case.silence in CUTS and (identity.mode != "enforce" or identity.criticality == "critical"):
        return "escalate"
    return case.silence


def sentence(case: Case) -> str:
    """ "report-agent is suspended": what happens when nobody decides."""
    name = case.identity.name if case.identity is not None else case.title
    return WORDS.get(consequence(case), WORDS["escalate"]).format(name=name)


def _silence(case: Case, *, now: datetime) -> None:
    chosen = consequence(case)
    done: list[str] = []
    cutting = chosen in CUTS or chosen == "deny"
    for item in case.items.select_for_update().filter(outcome__in=["", "conflict"]):
        item.case = case
        answered = item.decisions.filter(
            superseded_at__isnull=True, seat__kind__in=SIGNING
        ).exists()
        if answered and cutting and item.outcome == "":
            # One seat has spoken and the other is silent: the stricter stands.
            settling.settle(case, item, now=now, due=True)
            consequences.at_once(case, item, now=now)
        elif not answered:
            _unanswered(case, item, chosen, now=now)
    if chosen == "suspend" and case.identity is not None and not _all_settled(case):
        done.append(_suspend(case, case.identity, now=now))
    entries.note(
        case,
        act="case.silence",
        words=f"Nobody decided {case.key} by {case.deadline_at:%Y-%m-%d %H:%M} UTC:"
        f" {sentence(case)}{''.join(f'; {one}' for one in done)}",
        by=COUNTERSIGN,
        now=now,
        at=case.deadline_at,
        data={"silence": case.silence, "done": chosen},
    )
    entries.changed(case, silence_done_at=now)
    if settling.finish(case, now=now):
        return
    reminders.tell(
        case,
        [*reminders.above(case, now=now), *reminders.waiting_for(case, now=now)],
        occasion="overdue",
        subject="the deadline has passed",
        body=f"Nobody decided by {case.deadline_at:%Y-%m-%d %H:%M} UTC: {sentence(case)}.",
        now=now,
    )


def _all_settled(case: Case) -> bool:
    return not case.items.filter(outcome="").exists()


def _unanswered(case: Case, item: Item, chosen: str, *, now: datetime) -> None:
    outcome = ""
    if chosen == "deny" and item.kind == "grant":
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


def _suspend(case: Case, identity: Identity, *, now: datetime) -> str:
    """Nothing of the identity works, at our door and, by holding its keys, at the target."""
    because = f"{case.key}: nobody decided by {case.deadline_at:%Y-%m-%d %H:%M} UTC"
    said = []
    try:
        revocations.request(
            identity=identity,
            step="suspend",
            by=COUNTERSIGN,
            now=now,
            because=because,
            case=case.pk,
            case_key=case.key,
        )
    except NotPossible as problem:
        return str(problem)
    for credential in Credential.objects.filter(
        identity=identity, standing=True, state="active"
    ).select_related("actor")[:200]:
        try:
            made = revocations.request(
                identity=identity,
                credential=credential,
                step="hold",
                by=COUNTERSIGN,
                now=now,
                because=because,
                case=case.pk,
                case_key=case.key,
            )
        except NotPossible as problem:
            said.append(f"{credential.short} could not be held: {problem}")
        else:
            said.append(made[0].key)
    return f"held: {', '.join(said)}" if said else "its keys: none"
