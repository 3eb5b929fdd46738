"""Recoveries of logins that wait for a review, as rows of a queue: they are no cases, and few.

Owns which they are, and when a review is due. Whether somebody may really review is asked again when
they do.
"""

from datetime import datetime, timedelta

from identities.models import User
from identities.permissions import groups
from reviews import recovering
from reviews.models import Recovery
from reviews.pages import look_backs

DOOR = "recovery"
DUE = timedelta(days=7)
# Filters of a queue that none of these passes: they are about no identity and have no items.
NONE_PASS = look_backs.NONE_PASS | {"identity", "system", "person"}


def for_user(user: User, *, now: datetime, **narrowed: object) -> list[Recovery]:
    """Those that this user may review now. `narrowed`: as of a queue (waiting.FILTERS)."""
    given = {name: value for name, value in narrowed.items() if value}
    if not NONE_PASS.isdisjoint(given) or given.get("seat", look_backs.KIND) != look_backs.KIND:
        return []
    # Most have no role that reviews: nothing is asked of the database for them.
    if groups(user).isdisjoint(recovering.REVIEWING):
        return []
    rows = recovering.waiting().filter(done_at__isnull=False)
    if given.get("due"):
        rows = rows.filter(done_at__lte=now - DUE)
    said = str(given.get("q", "")).lower()
    return [
        one
        for one in rows
        if said in f"{one.key} {title(one)}".lower()
        and recovering.why_not_review_recovery(user, one, now=now) is None
    ]


def title(row: Recovery) -> str:
    """What a queue calls it."""
    return f"The {row.lost} of the login {row.user.username} was recovered"
