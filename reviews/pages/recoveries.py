"""Recoveries of logins as a page: what is announced, what waits for a review, what was.

Owns the context of templates/recoveries.html. Constant queries.
"""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from evidence.parameters import understood
from identities.models import User
from identities.permissions import READERS, groups
from reviews import recovering
from reviews.models import Recovery
from reviews.models.recoveries import VERDICTS
from reviews.pages.lists import PAGES, page_of

LEAD = (
    "A login that lost its second factor or its password is recovered by a command on the host:"
    " announced here and by mail, carried out after the delay, and reviewed by another person. The"
    " first second factor of a login is announced in the same way, and counts after the delay."
)


def visible(user: User) -> QuerySet[Recovery]:
    """All of them to who decides or audits, their own to everybody."""
    rows = Recovery.objects.select_related("user__person")
    if user.is_active and not (READERS | recovering.DECIDING).isdisjoint(groups(user)):
        return rows
    return rows.filter(user=user)


def context(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/recoveries.html."""
    asked, left_out = understood(asked, PAGES)
    mine = visible(user)
    waits = mine.filter(recovering.WAITS)
    over = mine.exclude(pk__in=waits.values("pk"))
    shown, page = page_of(over.order_by("-asked_at", "-pk"), asked, recovering.PATH)
    rows = list(waits.order_by("due_at", "pk"))
    return {
        "section": "break_glass_accounts",
        "now": now,
        "title": "Login recoveries",
        "lead": LEAD,
        "left_out": left_out,
        "pending": [
            {
                "row": one,
                "why_not": recovering.why_not_cancel_recovery(user, one, now=now) or "",
                "url": f"{recovering.PATH}{one.pk}/cancel/",
            }
            for one in rows
            if one.done_at is None
        ],
        "done": [
            {
                "row": one,
                "why_not": recovering.why_not_review_recovery(user, one, now=now) or "",
                "url": f"{recovering.PATH}{one.pk}/review/",
            }
            for one in rows
            if one.done_at is not None
        ],
        "verdicts": VERDICTS,
        "over": shown,
        "page": page,
    }
