"""Carrying out what is decided: the sweep over decided cases, plans and cases that can close.

Owns when outcomes go out; what each does is consequences.py. A case closes when everything it
asked for is effective; what could not be done waits for a person, with the reason.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from identities.acting import COUNTERSIGN, By, acting
from identities.actions import revocations
from identities.models import Revocation
from identities.permissions import NotPossible, require
from reviews import outcome_brakes, permissions
from reviews.models import Case, Decision, Item, Provisional, Quarantine

from . import consequences, entries, quarantining, reminders, settling

# Asked for and not effective yet; what failed waits for a person.
UNFINISHED = ("requested", "sending", "sent", "confirmed", "failed")
PLAN_AGAIN = timedelta(days=1)
# Answers given too fast to be read wait for a second look (actions/attention.py).
PROVISIONAL = Provisional.objects.filter(case=OuterRef("pk"), settled_at__isnull=True)


def carry_out_next(*, now: datetime) -> bool:
    """One decided case, one plan whose date has come, or one case that can close."""
    return _decided_next(now) or _plan_next(now) or _quarantine_next(now) or _close_next(now)


def _kept_back(now: datetime) -> Q:
    """Decided in a campaign whose outcomes go out together at its end, where its brake lets them;
    what is replaced by a date is not kept back, so that the date is not missed, and what is
    revoked has gone out already."""
    ends = Item.objects.filter(case=OuterRef("pk"), outcome="replace", carried_out_at__isnull=True)
    kept = outcome_brakes.kept_back(now=now)
    return Q(campaign__in=list(kept.values_list("pk", flat=True))) & Q(~Exists(ends))


def _decided_next(now: datetime) -> bool:
    with transaction.atomic():
        # An answer that can still be taken back has not gone out.
        waits = Decision.objects.filter(
            item__case=OuterRef("pk"), superseded_at__isnull=True, not_before__gt=now
        )
        pk = (
            Case.objects.select_for_update(of=("self",), skip_locked=True)
            .filter(~_kept_back(now), ~Exists(waits), ~Exists(PROVISIONAL), state="decided")
            .order_by("decided_at")
            .values_list("pk", flat=True)
            .first()
        )
        if pk is None:
            return False
        case = entries.locked(pk)
        entries.changed(case, state=entries.moved(case, "carry_out"))
        _carry(case, by=COUNTERSIGN, now=now)
        _resume(case, now=now)
    return True


def _plan_next(now: datetime) -> bool:
    """The date of a replacement has come: the old credential ends."""
    with transaction.atomic():
        item = (
            Item.objects.select_for_update(of=("self",), skip_locked=True)
            .filter(
                outcome="replace",
                carried_out_at__isnull=True,
                due_at__lte=now,
                case__state="carrying_out",
            )
            .order_by("due_at")
            .first()
        )
        if item is None:
            return False
        case = entries.locked(item.case_id)
        item.case = case
        due = item.due_at
        if case.identity is not None and case.identity.criticality == "critical":
            # Never cut by a clock: a named person is asked, every day until somebody acts.
            item.due_at = now + PLAN_AGAIN
            item.carried_words = "its date has come; critical, so a person has to end it"
            item.save(update_fields=["due_at", "carried_words"])
            reminders.tell(
                case,
                reminders.above(case, now=now),
                occasion=f"plan {item.pk} {now:%Y-%m-%d}",
                subject="a replacement is due",
                body="The date of a replacement has passed. It is critical: end the old one.",
                now=now,
            )
        else:
            # Asked for once a day when the target refuses, so that it is not forgotten.
            item.due_at = now + PLAN_AGAIN
            item.save(update_fields=["due_at"])
            consequences.carry(case, item, by=COUNTERSIGN, now=now, end_it=True)
        entries.note(
            case,
            act="item.plan_due",
            words=f"{item.title}: {item.carried_words}",
            by=COUNTERSIGN,
            now=now,
            at=due,
            data={"item": str(item.pk)},
        )
        entries.changed(case)
    return True


def _quarantine_next(now: datetime) -> bool:
    """The time in which something could be restored is over: it is revoked for good."""
    due = Quarantine.objects.filter(
        state="held",
        until__lte=now,
        item__outcome="revoke",
        case__state__in=["open", "decided", "carrying_out"],
    )
    with transaction.atomic():
        found = (
            Case.objects.select_for_update(of=("self",), skip_locked=True)
            .filter(pk__in=due.values("case"))
            .order_by("decided_at", "pk")
            .values_list("pk", flat=True)
            .first()
        )
        if found is None:
            return False
        case = entries.locked(found)
        for row in due.filter(case=case).select_related("item").order_by("until", "pk"):
            row.item.case = case
            quarantining.end_due(row, now=now)
            consequences.carry(case, row.item, by=COUNTERSIGN, now=now)
        entries.changed(case)
    return True


def _close_next(now: datetime) -> bool:
    with transaction.atomic():
        pk = (
            Case.objects.select_for_update(of=("self",), skip_locked=True)
            .filter(
                ~Exists(Revocation.objects.filter(state__in=UNFINISHED, case=OuterRef("pk"))),
                ~Exists(Item.objects.filter(case=OuterRef("pk"), carried_out_at__isnull=True)),
                ~Exists(PROVISIONAL),
                state="carrying_out",
                door__in=["access_review", "access_request"],
            )
            .order_by("decided_at")
            .values_list("pk", flat=True)
            .first()
        )
        if pk is None:
            return False
        case = entries.locked(pk)
        entries.changed(
            case, state=entries.moved(case, "carried_out"), closed_at=now, closed_by=COUNTERSIGN.ref
        )
        entries.note(
            case,
            act="case.closed",
            words=f"{case.key} is closed: {settling.summary(case)}",
            by=COUNTERSIGN,
            now=now,
        )
    return True


def carry_again(*, case: Case, by: By, now: datetime) -> Case:
    """Try again what could not be carried out, after whoever had to act has acted."""
    with transaction.atomic():
        case = entries.locked(case.pk)
        user = acting(by).user
        if user is not None:
            require(permissions.why_not_close(user, case, now=now))
        if case.state != "carrying_out":
            raise NotPossible(f"{case.key} is {case.state.replace('_', ' ')}: nothing is stuck.")
        entries.note(
            case,
            act="case.carried_again",
            words=f"{acting(by).name} had {case.key} carried out again",
            by=by,
            now=now,
        )
        _carry(case, by=COUNTERSIGN, now=now, ended_by_person=True)
        entries.changed(case)
    return case


def _carry(case: Case, *, by: By, now: datetime, ended_by_person: bool = False) -> None:
    rows = case.items.select_for_update().filter(carried_out_at__isnull=True).order_by("position")
    for item in rows:
        item.case = case
        late = item.outcome == "replace" and (consequences.plan_of(item) or now) <= now
        consequences.carry(case, item, by=by, now=now, end_it=ended_by_person and late)


def _silenced(case: Case) -> bool:
    """Whether silence has suspended its identity: when the answers were due, or later."""
    if case.silence == "suspend" and case.silence_done_at is not None:
        return True
    return case.rungs.filter(does="suspend", state="done").exists()


def _resume(case: Case, *, now: datetime) -> None:
    """What silence suspended works again, once the seats have decided to keep something."""
    identity = case.identity
    if (
        identity is None
        or not _silenced(case)
        or identity.state != "suspended"
        or not case.items.filter(outcome__in=["keep", "narrow", "replace"]).exists()
        or case.items.filter(kind="entitlement", outcome="revoke").exists()
    ):
        return
    revocations.request(
        identity=identity,
        step="resume",
        by=COUNTERSIGN,
        now=now,
        because=f"decided in {case.key}",
        case=case.pk,
        case_key=case.key,
    )
