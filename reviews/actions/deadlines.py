"""Deadlines of cases: reminders before, and what silence means, done once, one case at a time.

Owns the consequence. A stored moment decides, so the ledger carries the deadline's own time
whenever the sweep runs; clock.py moves it by the time that did not count. Nothing is cut where a
scope only observes or asks, where evidence is not fresh, nor on critical identities: there it is
noted, or goes to a named person (product.md, rules 5 and 8).
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.models import Credential, Identity
from identities.permissions import NotPossible
from reviews.models import Case, Item, Notice
from reviews.permissions import SIGNING

from . import clock, consequences, entries, reminders, settling

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
        case = entries.locked(pk)
        if not clock.keep(case, now=now):
            _silence(case, now=now)
    return True


def remind_due(*, now: datetime, most: int = 500) -> int:
    """Write the reminders and escalations whose time has come; for how many it was.

    Only the newest reminder that has passed is written, so that a sweep that was away for a day
    does not send three at once.
    """
    cases = (
        Case.objects.filter(state="open", deadline_at__gt=now, policy__isnull=False)
        .filter(deadline_at__lte=now + timedelta(days=31))
        .select_related("policy")
        .order_by("deadline_at")[:most]
    )
    known = set(
        Notice.objects.filter(case__in=[case.pk for case in cases]).values_list(
            "occasion", flat=True
        )
    )
    return sum(_remind(case.pk, now=now) for case in cases if _due(case, known, now=now))


def _due(case: Case, known: set[str], *, now: datetime) -> list[tuple[str, str]]:
    """[(kind, occasion)] of what is to be written now: a reminder, the escalation."""
    if case.policy is None:
        return []
    # A deadline that has moved reminds anew.
    moved = f" before {case.deadline_at:%Y-%m-%d %H:%M}" if case.not_counted else ""

    def passed(hours: int) -> bool:
        return case.opened_at < case.deadline_at - timedelta(hours=hours) <= now

    found = []
    hours = min(filter(passed, case.policy.remind_before_hours), default=None)
    if hours is not None:
        found.append(("reminder", f"reminder {hours} h{moved}"))
    if passed(case.policy.escalate_before_hours):
        found.append(("escalation", f"escalation{moved}"))
    return [one for one in found if f"{case.key} {one[1]}" not in known]


def _remind(pk: UUID, *, now: datetime) -> int:
    with transaction.atomic():
        case = entries.locked(pk)
        # Nobody is told a date that will not hold; the moved one reminds at its own time.
        if case.state != "open" or clock.keep(case, now=now):
            return 0
        due = f"{case.deadline_at:%Y-%m-%d %H:%M} UTC"
        wanted = _due(case, set(), now=now)
        for kind, occasion in wanted:
            reminder = kind == "reminder"
            reminders.tell(
                case,
                (reminders.waiting_for if reminder else reminders.above)(case, now=now),
                occasion=occasion,
                subject="decide soon" if reminder else "nobody has decided yet",
                body=f"Your answers are due on {due}."
                if reminder
                else f"It is due on {due} and answers are missing.",
                now=now,
            )
    return len(wanted)


def consequence(case: Case, *, doubt: str = "") -> str:
    """What silence will really do, softened by mode, criticality and doubt about the evidence."""
    identity = case.identity
    if case.silence == "deny" or identity is None:
        return case.silence
    if identity.mode == "observe":
        return "noted"
    soft = doubt or identity.mode != "enforce" or identity.criticality == "critical"
    if case.silence in CUTS and soft:
        return "escalate"
    return case.silence


def sentence(case: Case, *, doubt: str = "") -> str:
    """ "report-agent is suspended": what happens when nobody decides."""
    name = case.identity.name if case.identity is not None else case.title
    return WORDS.get(consequence(case, doubt=doubt), WORDS["escalate"]).format(name=name)


def _silence(case: Case, *, now: datetime) -> None:
    doubt = clock.doubt(case, clock.read(case, now=now), now=now)
    chosen, said = consequence(case, doubt=doubt), sentence(case, doubt=doubt)
    if doubt and chosen != consequence(case):
        said = f"{said}; nothing is cut: {doubt}"
    above = reminders.above(case, now=now)
    if chosen == "escalate":
        names = ", ".join(person.name for person in above[:10])
        said = f"{said}: {names or 'nobody is there, name a tie-breaker'}"
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
        f" {said}{''.join(f'; {one}' for one in done)}"[:1_000],
        by=COUNTERSIGN,
        now=now,
        at=case.deadline_at,
        data={"silence": case.silence, "done": chosen, "doubt": doubt},
    )
    entries.changed(case, silence_done_at=now)
    if settling.finish(case, now=now):
        return
    reminders.tell(
        case,
        [*above, *reminders.waiting_for(case, now=now)],
        occasion="overdue",
        subject="the deadline has passed",
        body=f"Nobody decided by {case.deadline_at:%Y-%m-%d %H:%M} UTC: {sentence(case, doubt=doubt)}.",
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
