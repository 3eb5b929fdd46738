"""What one identity did, from its daily sums: by action and family of resources. One query.

Never counts events by scanning. What is in no evidence is not here; that it was not done does
not follow.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection

from evidence.vocabulary import PLANE_IDENTITY
from identities.models import Identity

LATELY = timedelta(days=90)
MOST = 2_000
OF_ONE = """
SELECT t.value, u.family, u.plane, sum(u.count)::bigint, sum(u.inside)::bigint,
  coalesce(sum(u.inside) FILTER (WHERE u.day >= %s), 0)::bigint, min(u.first_at), max(u.last_at)
FROM identities_usageday u JOIN evidence_term t ON t.id = u.action_id
WHERE u.identity_no = %s AND u.day <= %s GROUP BY 1, 2, 3 ORDER BY max(u.last_at) DESC, 1, 2 LIMIT %s
"""


class Use(NamedTuple):
    """One action on one family of resources. `lately`: calls inside authority in 90 days."""

    action: str
    family: str
    plane: int
    calls: int
    inside: int
    lately: int
    first: datetime
    last: datetime

    @property
    def called(self) -> bool:
        """A call at a target, not a step of an agent."""
        return self.plane == PLANE_IDENTITY


class Sum(NamedTuple):
    """Several uses together."""

    calls: int
    resources: int  # families
    first: datetime
    last: datetime


def of(identity: Identity, *, now: datetime) -> list[Use]:
    """What it did up to the day of `now`, the latest first, at most MOST rows."""
    with connection.cursor() as cursor:
        cursor.execute(OF_ONE, [(now - LATELY).date(), identity.number, now.date(), MOST])
        return [Use(*row) for row in cursor.fetchall()]


def together(uses: list[Use]) -> Sum | None:
    """Count, families, first and last of these; None where there are none."""
    if not uses:
        return None
    return Sum(
        sum(one.calls for one in uses),
        len({one.family for one in uses} - {""}),
        min(one.first for one in uses),
        max(one.last for one in uses),
    )
