"""Ending it before its time: given back, or cut off; and asking once that it lasts longer.

Owns who may and that it is written down. What ends at our own door and at the target is
identities/actions/grants.
"""

from datetime import datetime

from django.db import transaction

from identities.acting import By, acting
from identities.actions import grants
from identities.models import Grant, User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews.actions import entries
from reviews.break_glass import rights, telling
from reviews.break_glass.answering import locked
from reviews.models import Case, Item


def give_back(*, case: Case, by: User, now: datetime, reason: str = "") -> Case:
    """The holder needs it no longer: a good ending."""
    with transaction.atomic():
        case, _ = locked(case)
        require(rights.why_not_give_back(by, case, now=now))
        said = reason.strip()[:1_000] or "not needed any more"
        _end(case, f"given back by {by.called}: {said}", by=by, now=now)
        words = f"{by.called} gave it back: {said}"
        entries.note(case, act="break_glass.given_back", words=words[:1_000], by=by, now=now)
        entries.changed(case)
    return case


def cut_off(*, case: Case, reason: str, by: By, now: datetime) -> Case:
    """End it at once. Countersign itself does so for what its bundle denies."""
    with transaction.atomic():
        case, _ = locked(case)
        who = acting(by)
        if who.user is not None:
            require(rights.why_not_cut_off(who.user, case, now=now))
        reason = reason_given(reason, what="why it ends now")
        _end(case, f"cut off by {who.name}: {reason}", by=by, now=now)
        words = f"{who.name} cut it off: {reason}"
        entries.note(case, act="break_glass.cut_off", words=words[:1_000], by=by, now=now)
        entries.changed(case)
        telling.asker(case, "cut off", f"{who.name} cut it off", "The case says why.", now=now)
    return case


def ask_longer(*, case: Case, minutes: int, reason: str, by: User, now: datetime) -> Case:
    """Ask once that it lasts longer. It ends as it was to end where nobody signs."""
    with transaction.atomic():
        case, glass = locked(case)
        require(rights.why_not_ask_longer(by, case, now=now))
        reason = reason_given(reason, what="what is not done yet")
        says = rights.document_of(glass.bundle)
        if not 1 <= minutes <= says.cap_minutes:
            raise NotPossible(f"It is given for 1 to {says.cap_minutes} minutes more.")
        glass.longer_minutes = minutes
        glass.save(update_fields=["longer_minutes"])
        Item.objects.create(
            case=case,
            position=1,
            kind="grant",
            title=f"{minutes} min longer",
            note=reason[:500],
            proposal={"minutes": minutes},
        )
        words = f"{by.called} asked for {minutes} min more: {reason}"
        entries.note(case, act="break_glass.longer_asked", words=words[:1_000], by=by, now=now)
        entries.changed(case)
        subject = f"{by.called} asks for {minutes} min more"
        those = telling.approvers(case, now=now)
        body = "It ends as it was to end where nobody signs."
        telling.some(case, those, "asked longer", subject, body, now=now)
    return case


def _end(case: Case, reason: str, *, by: By, now: datetime) -> None:
    live = list(Grant.objects.filter(case=case.pk, ending_at__isnull=True).exclude(state="ended"))
    if not live:
        raise NotPossible(f"{case.key} is being ended already.")
    for one in live:
        grants.end(one.pk, by=by, reason=reason[:2_000], now=now)
    # Nothing is asked for of what ends.
    case.items.filter(outcome="").update(outcome="deny", outcome_at=now, carried_out_at=now)


def name_ticket(*, case: Case, ticket: str, by: User, now: datetime) -> Case:
    """The ticket that was promised."""
    with transaction.atomic():
        case, glass = locked(case)
        require(rights.why_not_name_ticket(by, case, now=now))
        said = ticket.strip()[:100]
        if not said or "\0" in said:
            raise NotPossible("Name the ticket by its number.")
        due, glass.ticket, glass.ticket_due_at = glass.ticket_due_at, said, None
        if rights.document_of(glass.bundle).ticket.how == "checked":
            # Owed until its tracker has it (owed_tickets.py).
            glass.ticket_due_at, glass.ticket_look_at = due, now
        glass.save(update_fields=["ticket", "ticket_due_at", "ticket_look_at"])
        words = f"{by.called} named its ticket: {said}"
        entries.note(case, act="break_glass.ticket", words=words, by=by, now=now)
        entries.changed(case)
    return case
