"""The signatures on many targets that there are, and how far each is.

Reads only; a constant number of queries, whatever a batch holds.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from identities import visible
from identities.models import Batch, User

# One revocation may stand for several targets.
FAR = """
SELECT b.batch_id, count(*), count(*) FILTER (WHERE b.failed_why <> ''),
    coalesce(sum(r.asked), 0), coalesce(sum(r.effective), 0)
FROM identities_batchrow b
LEFT JOIN LATERAL (
    SELECT count(*) AS asked, count(*) FILTER (WHERE v.state = 'effective') AS effective
    FROM identities_revocation v WHERE v.id = ANY(b.revocations)) r ON true
WHERE b.batch_id = ANY(%s) GROUP BY b.batch_id
"""


class Far(NamedTuple):
    """How many targets were named, how many were refused, and of the changes that were asked for
    (counted with each target) how many are effective."""

    targets: int = 0
    refused: int = 0
    asked: int = 0
    effective: int = 0


def seen_by(user: User) -> QuerySet[Batch]:
    """Those that this user signed; all of them for who sees everything. The newest first."""
    rows = Batch.objects.select_related("root").order_by("-number")
    return rows if visible.sees_all(user) else rows.filter(by=user.ref)


def far(batches: Sequence[Batch]) -> dict[UUID, Far]:
    """How far each of these is."""
    with connection.cursor() as cursor:
        cursor.execute(FAR, [[one.pk for one in batches]])
        return {row[0]: Far(*(int(n) for n in row[1:])) for row in cursor.fetchall()}
