"""Pinning evidence, and ending a case without a decision."""

from datetime import datetime

from django.db import IntegrityError, transaction

from evidence.models import Event, LedgerEntry
from identities.models import DelegationVersion, User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews import permissions
from reviews.models import Case, Conclusion, Item, Pinned

from . import disclosing, entries, holds

MOST_PINNED = 500


def pin(
    *,
    case: Case,
    at: datetime,
    event_id: int,
    by: User,
    now: datetime,
    item: Item | None = None,
    note: str = "",
) -> Pinned:
    """Pin an event to a case as evidence, for good; twice is once."""
    with transaction.atomic():
        case = entries.locked(case.pk)
        require(permissions.why_not_pin(by, case))
        if item is not None and item.case_id != case.pk:
            raise NotPossible("This item belongs to another case.")
        if not Event.objects.filter(at=at, id=event_id).exists():
            raise NotPossible("There is no such event.")
        known = case.pinned.filter(at=at, event_id=event_id).first()
        if known is not None:
            return known
        if case.pinned.count() >= MOST_PINNED:
            raise NotPossible(f"A case holds at most {MOST_PINNED} pinned events.")
        try:
            with transaction.atomic():
                row = Pinned.objects.create(
                    case=case,
                    item=item,
                    at=at,
                    event_id=event_id,
                    note=note.strip()[:500],
                    pinned_at=now,
                    pinned_by=by.ref,
                )
        except IntegrityError as clash:
            raise NotPossible("It is pinned already.") from clash
        entries.note(
            case,
            act="evidence.pinned",
            words=f"{by.called} pinned an event to {case.key}",
            by=by,
            now=now,
            data={
                "at": at.isoformat(),
                "event": str(event_id),
                "item": str(item.pk) if item else None,
            },
        )
        entries.changed(case)
    return row


def cancel(*, case: Case, by: User, now: datetime, reason: str) -> Case:
    """End a case without a decision; what it held is let go, what it proposed is not granted."""
    with transaction.atomic():
        case = entries.locked(case.pk)
        require(permissions.why_not_cancel(by, case, now=now))
        reason = reason_given(reason, what="why nothing has to be decided")
        to = entries.moved(case, "cancel")
        held = case.quarantines.filter(state="held").exists()
        if held or case.items.filter(carried_out_at__isnull=False).exists():
            raise NotPossible("Something of it has gone out already: it can only be decided.")
        joined = LedgerEntry.objects.filter(subject=case.key, act="incident.joined")
        reported = joined.exclude(by=case.opened_by).exists()
        if reported or case.alerts.exists() or case.automatic_holds.exists():
            raise NotPossible(
                f"An alert, an automatic hold or somebody else led to {case.key}: it ends through"
                " the gate of its room, which takes a second person."
            )
        concluded = Conclusion.objects.filter(question__room=case.pk).exists()
        if concluded or case.containment_steps.exists():
            raise NotPossible(
                f"Something was found out or stopped in {case.key}: it ends through the gate of its"
                " room, and not by a word."
            )
        for item in case.items.select_for_update():
            item.case = case
            if item.held or holds.STOPPED in item.snapshot:
                holds.release(case, item, now=now)
                item.held = item.outcome = ""
                item.save(update_fields=["held", "outcome", "snapshot"])
            if item.kind == "grant":
                DelegationVersion.objects.filter(
                    delegation=item.ref,
                    state="proposed",
                    superseded_at__isnull=True,
                    version=item.proposal.get("version"),
                ).update(superseded_at=now)
        disclosing.disclose(case, now=now)
        entries.note(
            case,
            act="case.cancelled",
            words=f"{by.called} cancelled {case.key}: {reason}",
            by=by,
            now=now,
            data={"reason": reason},
        )
        entries.changed(case, state=to, closed_at=now, closed_by=by.ref)
    return case
