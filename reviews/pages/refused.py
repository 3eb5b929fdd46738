"""Whether somebody may sign what a form carries, asked before they are asked who they are.

Owns no rule: it finds what the form names and asks reviews/permissions.py. A form that names
nothing is refused where it is read.
"""

from datetime import datetime
from typing import cast
from uuid import UUID

from django.http import HttpRequest

from identities.models import User
from reviews import permissions
from reviews.models import Case


def why_not_decide(request: HttpRequest, case: Case, *, now: datetime) -> str | None:
    """Of an answer in a seat."""
    named = _named(request, "seat")
    seat = case.seats.filter(pk=named).first() if named is not None else None
    if seat is None:
        return None
    return permissions.why_not_decide(_user(request), case, seat, None, now=now)


def why_not_settle(request: HttpRequest, case: Case, *, now: datetime) -> str | None:
    """The same of breaking a tie."""
    seat = case.seats.filter(kind="tie_breaker").first()
    named = _named(request, "item")
    item = case.items.filter(pk=named).first() if named is not None else None
    if seat is None or item is None:
        return None
    return permissions.why_not_settle(_user(request), case, seat, item, now=now)


def _user(request: HttpRequest) -> User:
    return cast("User", request.user)


def _named(request: HttpRequest, field: str) -> UUID | None:
    try:
        return UUID(request.POST.get(field, ""))
    except ValueError:
        return None
