"""Who sees a grant, who takes a credential of it, who has it tried again: the sentences why not.

Owns those rules, written once for actions, pages and API. Who may ask for one, end or extend it is
its case's (reviews/break_glass).
"""

from datetime import datetime

from django.db.models import QuerySet

from identities import visible
from identities.acting import By, acting
from identities.models import Grant, User
from identities.permissions import AUDITOR, INACTIVE, groups

from . import systems

RETRYING = frozenset({"reviewer", "responder", "administrator"})


def visible_to(user: User) -> QuerySet[Grant]:
    """The grants that this user holds, or all where they see everything."""
    rows = Grant.objects.select_related("delegation__grantee", "holder")
    if visible.sees_all(user):
        return rows
    return rows.filter(person=user.username) if user.is_active else rows.none()


def why_not_take(user: User, row: Grant, *, now: datetime) -> str | None:
    """Take a credential of a grant: its holder alone, while it may be used."""
    if not user.is_active:
        return INACTIVE
    if "auditor" in groups(user):
        return AUDITOR
    if not row.person or row.person != user.username:
        return f"{row.key} was given to {row.person or 'nobody who signs in'}: only they take it."
    about = systems.kind_of(row.system, row.kind)
    if about is None or not about.mints:
        return f"Nothing is handed out of {row.key}: what it gives is used as it is."
    if row.ends_at <= now or row.state in ("ending", "ended") or row.ending_at is not None:
        return f"{row.key} has ended."
    if row.state != "usable":
        why = (row.failed_why or "the target does not show it").rstrip(".")
        return f"{row.key} is not usable yet: {why}."
    return None


def why_not_retry(by: By, row: Grant) -> str | None:
    """Have what failed tried again: whoever holds it, or may act on all of them."""
    user = acting(by).user
    if user is None:
        return None
    if not user.is_active:
        return INACTIVE
    mine = groups(user)
    if "auditor" in mine:
        return AUDITOR
    if mine.isdisjoint(RETRYING) and row.person != user.username:
        return "Only its holder, a reviewer, a responder or an administrator has it tried again."
    if row.state != "failed":
        return f"{row.key} has not failed."
    return None
