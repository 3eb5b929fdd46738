"""Tickets that were named while their tracker was down: asked for again until it answers.

Owns what its answer leads to. A ticket that it does not know is owed as a promised one: who asked
is told, and names another.
"""

from datetime import datetime, timedelta

from django.db import transaction

from identities.acting import COUNTERSIGN
from reviews.actions import entries
from reviews.break_glass import answering, rights, telling
from reviews.models import BreakGlass, Case
from reviews.notices import tickets
from reviews.notices.failures import Permanent, Temporary

EVERY = timedelta(minutes=2)
OVER = ("closed", "cancelled")


def look_next(*, now: datetime) -> bool:
    """Ask for one ticket that is due; False when none is. Its next time is moved on first: two
    workers ask once, and one that dies is followed by the next time."""
    with transaction.atomic():
        due = BreakGlass.objects.filter(ticket_look_at__lte=now).exclude(case__state__in=OVER)
        glass = due.select_for_update(of=("self",), skip_locked=True).order_by("pk").first()
        if glass is None:
            return False
        glass.ticket_look_at = now + EVERY
        glass.save(update_fields=["ticket_look_at"])
    hook, number = rights.document_of(glass.bundle).ticket.hook, glass.ticket
    try:
        said, there = tickets.look_up(hook, number), True
    except Permanent as problem:
        said, there = str(problem), False
    except Temporary:
        return True
    _answered(glass.case, number, said, there=there, now=now)
    return True


def _answered(case: Case, number: str, said: str, *, there: bool, now: datetime) -> None:
    """Its tracker has said yes or no, of the ticket that is still the one that is named."""
    with transaction.atomic():
        case, glass = answering.locked(case)
        if glass.ticket_look_at is None or glass.ticket != number:
            return
        glass.ticket_look_at = None
        if there:
            glass.ticket_due_at = None
        else:
            glass.ticket = ""
        glass.save(update_fields=["ticket", "ticket_due_at", "ticket_look_at"])
        words = f"Its tracker answers again: ticket {number} is {said}"
        if not there:
            words = f"The ticket {number} is not taken, and owed: {said}"
        act = "break_glass.ticket_looked_up"
        entries.note(case, act=act, words=words[:1_000], by=COUNTERSIGN, now=now)
        entries.changed(case)
        if not there:
            subject = "its ticket is not there: name another"
            telling.asker(case, f"ticket {number} refused", subject, f"{words}.", now=now)
