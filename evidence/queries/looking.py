"""How a page of events is found: by the indexes at once, or by looking from the newest back.

Owns the SQL around conditions and how long it may take. Must not know what the conditions mean.
Where no index answers, windows of events are read one after the other, each wider than the one
before, until the page is full or its time is over; then it says how far it looked.
"""

from datetime import datetime
from time import monotonic
from typing import Any, NamedTuple

from django.db import OperationalError, connection, transaction

from evidence.queries import agents

# A page that takes longer says so; the reader narrows it by time, source or identity.
MOST_SECONDS = 4
# A first look without an index answers within this; who asks to look further back may wait.
FIRST_SECONDS = 1
# Events of the first window of such a look, how much wider each next one is, and the widest.
FIRST_WINDOW = 2_000
WIDER = 8
WIDEST = 500_000
NEWEST = "ORDER BY at DESC, id DESC LIMIT %s"

type Key = tuple[datetime, int]


class Found(NamedTuple):
    """One page of keys, newest first."""

    keys: list[Key]
    before: Key | None  # where the next page begins; None: there is none
    slow: bool = False
    looked_to: datetime | None = None  # the time was over here; what is older was not looked at


class Where:
    """Conditions and their parameters, in order."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.values: list[Any] = []

    def add(self, part: str, *values: Any) -> None:
        self.parts.append(part)
        self.values.extend(values)


class Matching(NamedTuple):
    """The events that are asked for, apart from when they were."""

    branches: list[tuple[str, list[Any]]]  # of these conditions one must hold
    common: Where  # and all of these
    limit: int  # of a page

    def rows(self, when: Where, seconds: float, *, rare: bool = False) -> list[Key]:
        """The newest of a stretch, one more than a page; OperationalError when it takes longer.

        What is rare is gathered and then sorted: walking in order of time would read all of the
        stretch one by one, and by one worker (measured: 1.2 s instead of 0.4 for 3 million).
        """
        newest, limited = ("OFFSET 0", []) if rare else (NEWEST, [self.limit + 1])
        parts = [*when.parts, *self.common.parts]
        values: list[Any] = []
        selects = []
        for condition, own in self.branches:
            where = " AND ".join([condition, *parts])
            events = (
                agents.EVENTS_ABOVE if condition.startswith(agents.ABOVE) else "evidence_event e"
            )
            select = f"SELECT at, id FROM {events} WHERE {where} {newest}"  # noqa: S608 - our own conditions; values are parameters
            if condition.endswith("= actor"):
                # One walk of the index for each actor: their newest, without sorting all they did.
                select = (
                    "SELECT e.at, e.id FROM unnest(%s::bigint[]) AS actor"  # noqa: S608 - as above
                    f" CROSS JOIN LATERAL ({select}) e"
                )
            selects.append(f"({select})")
            values += [*own, *when.values, *self.common.values, *limited]
        either = " UNION ".join(selects)
        sql = f"SELECT at, id FROM ({either}) u {NEWEST}"  # noqa: S608 - as above
        return [(at, number) for at, number in _asked(sql, [*values, self.limit + 1], seconds)]


def _asked(sql: str, values: list[Any], seconds: float) -> list[tuple[Any, ...]]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {max(1, int(seconds * 1000))}")
        cursor.execute(sql, values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        cursor.execute("SET LOCAL statement_timeout = 0")
        return found


def directly(
    matching: Matching, begins: datetime | None, ends: datetime | None, before: Key | None
) -> Found | None:
    """A page by the indexes; None when they do not answer in time."""
    try:
        rows = matching.rows(_when(begins, ends, before), MOST_SECONDS / 2)
    except OperationalError:
        return None
    keys = rows[: matching.limit]
    return Found(keys, keys[-1] if len(rows) > matching.limit else None)


def back(
    matching: Matching, begins: datetime | None, ends: datetime | None, before: Key | None
) -> Found:
    """Window by window from the newest back, each wider, until full or out of time."""
    over = monotonic() + (FIRST_SECONDS if before is None else MOST_SECONDS)
    keys: list[Key] = []
    most, floor = FIRST_WINDOW, None
    while True:
        left = over - monotonic()
        try:
            if left <= 0:
                raise OperationalError
            below = _floor(begins, ends, before, most, left)
            window = _when(below or begins, ends, before)
            found = matching.rows(window, left, rare=most > FIRST_WINDOW)
        except OperationalError:
            if floor is None:
                return Found([], None, slow=True)
            return Found(keys, (floor, 0), looked_to=floor)
        more = len(keys) + len(found) > matching.limit or below is not None
        keys += found[: matching.limit - len(keys)]
        if len(keys) == matching.limit:
            return Found(keys, keys[-1] if more else None)
        if below is None:
            return Found(keys, None)
        floor, ends, before, most = below, below, None, min(most * WIDER, WIDEST)


def _when(begins: datetime | None, ends: datetime | None, before: Key | None) -> Where:
    where = Where()
    if before is not None:
        # The first condition is what partitions and indexes understand.
        where.add("at <= %s AND (at, id) < (%s, %s)", before[0], *before)
    if begins is not None:
        where.add("at >= %s", begins)
    if ends is not None:
        where.add("at < %s", ends)
    return where


def _floor(
    begins: datetime | None, ends: datetime | None, before: Key | None, most: int, seconds: float
) -> datetime | None:
    """Where a window of so many events begins; None: there are not so many left."""
    where = _when(begins, ends, before)
    sql = (
        f"SELECT at FROM evidence_event WHERE {' AND '.join(where.parts or ['true'])}"  # noqa: S608 - as above
        " ORDER BY at DESC OFFSET %s LIMIT 1"
    )
    found = _asked(sql, [*where.values, most], seconds)
    return found[0][0] if found else None
