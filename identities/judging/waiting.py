"""How much evidence is stored and not judged yet: "no evidence" may be said only beside it.

Owns the reading of what waits. Bounded: of more than MOST deposits it says that it is at least so much.
"""

from collections.abc import Sequence
from typing import NamedTuple

from django.db import connection

from evidence import links
from evidence.words import counted

from . import queue

MOST = 10_000
# What waits for its links waits for its judgement as well.
WAITING = """
SELECT count(*), coalesce(sum(d.records), 0)
FROM (SELECT DISTINCT deposit_id FROM evidence_progress
      WHERE consumer = ANY(%s) AND done_at IS NULL LIMIT %s) w
JOIN evidence_deposit d ON d.id = w.deposit_id
WHERE %s OR d.source_id = ANY(%s)
"""


class Waiting(NamedTuple):
    """Deposits and their records."""

    deposits: int = 0
    records: int = 0

    @property
    def words(self) -> str:
        """ "1,204 records are stored and not judged yet"; "" where nothing waits."""
        if not self.deposits:
            return ""
        least = "at least " if self.deposits >= MOST else ""
        verb = "is" if self.records == 1 else "are"
        return f"{least}{counted(self.records, 'record')} {verb} stored and not judged yet"


def of(sources: Sequence[int]) -> Waiting:
    """What waits from these sources; from all of them where none is named."""
    with connection.cursor() as cursor:
        names = [links.CONSUMER, queue.CONSUMER]
        cursor.execute(WAITING, [names, MOST, not sources, list(sources)])
        return Waiting(*map(int, cursor.fetchone()))
