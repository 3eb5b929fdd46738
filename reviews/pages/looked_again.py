"""The list of the second looks that wait for somebody, a stretch at a time.

Owns how its rows are read: as one condition over all cases, what a blind stage hides costs a walk
through every item there is, and with another plan of the database seconds. Whose second look a
case waits for is reviews/actions/second_looks.py.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import batched, islice
from typing import Any

from django.db.models import QuerySet

from identities.models import User
from reviews.actions import second_looks
from reviews.models import Case


class Rows:
    """The cases of `rows`, newest first, that this user may look at again: sliced and walked
    like the query they come from. `every`: the rows are narrowed by nothing else."""

    def __init__(self, rows: QuerySet[Case], user: User, *, every: bool, now: datetime) -> None:
        self.rows, self.every = rows, every
        self.looks = second_looks.Looks(user, now=now)

    def _ids(self) -> Iterator[Any]:
        # Whoever may look at a case again sees it: where nothing else narrows them, that is enough.
        return self.looks.newest(Case.objects.all() if self.every else self.rows)

    def _of(self, ids: list[Any]) -> list[Case]:
        return list(self.rows.filter(pk__in=ids)) if ids else []

    def __getitem__(self, which: slice) -> list[Case]:
        return self._of(list(islice(self._ids(), which.start, which.stop)))

    def iterator(self, chunk_size: int) -> Iterator[Case]:
        for some in batched(self._ids(), chunk_size):
            yield from self._of(list(some))


def total(rows: Rows) -> dict[str, int | None]:
    """How many there are in all, for the pager; beyond the bound only that there are more."""
    most = second_looks.MOST_COUNTED
    found = rows.looks.count(most + 1)
    return {"total": None, "over": most} if found > most else {"total": found}
