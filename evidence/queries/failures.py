"""Deposits that a consumer could not process: how many, since when, and why.

Read by the page of sources, by doctor and by `manage.py ingest`. Must not know what a consumer does.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from evidence.words import counted

REMEDY = (
    "each is tried again automatically, less often each time; when it keeps failing, report the"
    " error: nothing that was sent is lost, but what this consumer concludes from it is missing"
)
# progress_failed serves it: a backlog that waits and never failed is not read. What failed before
# its time was kept (migration 0031) has the time of its receipt.
FAILED = """
SELECT f.consumer, f.deposits, f.since, f.next_try, p.deposit_id, s.name, p.failed_why
FROM (
    SELECT q.consumer, count(*) AS deposits, min(q.deposit_id) AS first,
           min(coalesce(q.failed_since, d.received_at)) AS since, min(q.leased_until) AS next_try
    FROM evidence_progress q JOIN evidence_deposit d ON d.id = q.deposit_id
    WHERE q.done_at IS NULL AND NOT q.failed_why = '' AND {among} GROUP BY q.consumer
) f
JOIN evidence_progress p ON p.consumer = f.consumer AND p.deposit_id = f.first
JOIN evidence_deposit d ON d.id = p.deposit_id
JOIN evidence_source s ON s.id = d.source_id
ORDER BY f.consumer
"""


class Failure(NamedTuple):
    """What one consumer could not process, with the first deposit of it."""

    consumer: str
    deposits: int
    since: datetime
    next_try: datetime | None
    first: int  # a deposit's id
    source: str  # the source of that deposit
    error: str  # as the consumer raised it for that deposit; may quote evidence

    @property
    def words(self) -> str:
        return f"{self.consumer} could not process {counted(self.deposits, 'deposit')}"


def failed(deposits: Sequence[int] | None = None) -> list[Failure]:
    """The failures of every consumer, by its name; with `deposits`, only of these."""
    among, facts = "true", dict[str, Any]()
    if deposits is not None:
        among, facts = "q.deposit_id = ANY(%(deposits)s)", {"deposits": list(deposits)}
    with connection.cursor() as cursor:
        cursor.execute(FAILED.format(among=among), facts)
        return [Failure(*row) for row in cursor.fetchall()]
