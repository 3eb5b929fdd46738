"""How far the clocks of logs and of traces are apart, by the calls that both have.

Owns the histogram of exactly linked calls (evidence_clock) and its middle; where no exact link
tells, what the calls themselves agree on is evidence/votes.py's. Must not know what the
difference is used for (evidence/inferred.py).
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, timedelta
from typing import Any, NamedTuple

from evidence import votes
from evidence.slices import Slice

# Clocks are taken to differ when so many calls say so, by so many seconds, up to a limit.
FEWEST_CALLS, LEAST_SECONDS, MOST_SECONDS = 20, 2.0, 900
DAY = timedelta(days=1)
# Of more days than this, those are asked for that have events.
MOST_DAYS = 62
# A log, traces, and a UTC day.
type Of = tuple[int, int, date]


class Apart(NamedTuple):
    """How far a log is ahead of traces in the events that it dates on one UTC day. `voted`: by
    what calls without exact links agree on."""

    log: int
    traces: int
    day: date
    seconds: float
    voted: bool = False


class Clocks(NamedTuple):
    """How far logs are ahead of traces: by what is known of them, and of that what exact links
    show and inference has not taken off yet."""

    apart: list[Apart]
    moved: list[Apart]


_TICKS = """
INSERT INTO evidence_clock (log_id, traces_id, day, seconds, calls)
SELECT log, traces, day, seconds, calls
FROM jsonb_to_recordset(%s::jsonb)
    AS t(log int, traces int, day date, seconds smallint, calls bigint)
ORDER BY 1, 2, 3, 4
ON CONFLICT (log_id, traces_id, day, seconds)
DO UPDATE SET calls = evidence_clock.calls + excluded.calls
"""


def learn(cursor: Any, ticks: str) -> None:
    """Count new links by request id: a JSON list of objects with log, traces, day, seconds (how
    long after) and calls (how many)."""
    if ticks != "[]":
        cursor.execute(_TICKS, [ticks])


def around(cursor: Any, slice_: Slice) -> Clocks:
    """How far logs are ahead of traces on the days of these links: as the exact links of a day and
    its neighbours show, else as its calls agree on, else as pulling them has measured."""
    first, last = (one.astimezone(UTC).date() for one in (slice_.since, slice_.until))
    days = [first + timedelta(days=more) for more in range(-1, (last - first).days + 2)]
    shown = _shown(cursor, days)
    measured = _measured(cursor, slice_)
    cursor.execute(
        "SELECT log_id, traces_id, day, seconds, voted FROM evidence_clocktaken"
        " WHERE day BETWEEN %s AND %s",
        [days[0], days[-1]],
    )
    taken = {
        (log, traces, day): (seconds, voted)
        for log, traces, day, seconds, voted in cursor.fetchall()
    }
    known: dict[Of, tuple[float, bool]] = {
        (*pair, day): (told, False) for pair, told in measured.items() for day in days
    }
    # What was voted on days of which nothing is new stands.
    asked = _asked(cursor, slice_)
    known |= {of: told for of, told in taken.items() if told[1] and of[2] not in asked}
    voted = votes.of_days(cursor, asked, {(traces, day) for _, traces, day in shown})
    known |= {of: (seconds, True) for of, seconds in voted.items()}
    known |= {of: (seconds, False) for of, seconds in shown.items()}
    believed = {*shown, *voted, *(of for of, (_, by_vote) in taken.items() if by_vote)}
    now = {of: known.get(of, (0.0, False)) for of in sorted(believed)}
    return Clocks(
        [Apart(*of, *told) for of, told in sorted(known.items()) if any(told)],
        [
            Apart(*of, *told)
            for of, told in now.items()
            if told != taken.get(of, (measured.get(of[:2], 0.0), False))
        ],
    )


def _asked(cursor: Any, slice_: Slice) -> list[date]:
    """The days of which these deposits may have brought calls or spans that vote."""
    first, last = (
        one.astimezone(UTC).date()
        for one in (slice_.first - votes.REACH, slice_.last + votes.REACH)
    )
    if (last - first).days <= MOST_DAYS:
        return [first + timedelta(days=more) for more in range((last - first).days + 1)]
    # Dates of a few records far apart would be decades of days.
    cursor.execute(
        "SELECT DISTINCT (at AT TIME ZONE 'UTC' + near)::date FROM evidence_event"
        " CROSS JOIN unnest(ARRAY[-%(reach)s, %(reach)s]) AS near"
        " WHERE deposit_id = ANY(%(deposits)s) AND at BETWEEN %(first)s AND %(last)s",
        slice_.facts() | {"reach": votes.REACH},
    )
    return sorted(day for (day,) in cursor.fetchall())


def take(cursor: Any, moved: Sequence[Apart]) -> None:
    """Calls of these days were inferred with these differences."""
    cursor.executemany(
        "INSERT INTO evidence_clocktaken (log_id, traces_id, day, seconds, voted)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (log_id, traces_id, day)"
        " DO UPDATE SET seconds = excluded.seconds, voted = excluded.voted",
        moved,
    )


def _shown(cursor: Any, days: Sequence[date]) -> dict[tuple[int, int, date], float]:
    """By log, traces and day: the middle of that day's exact links and its neighbours'."""
    cursor.execute(
        "SELECT log_id, traces_id, day, seconds, calls FROM evidence_clock"
        " WHERE day BETWEEN %s AND %s",
        [days[0] - DAY, days[-1] + DAY],
    )
    ticks: dict[tuple[int, int, date], Counter[int]] = {}
    for log, traces, day, seconds, calls in cursor.fetchall():
        for near in (day - DAY, day, day + DAY):
            if days[0] <= near <= days[-1]:
                ticks.setdefault((log, traces, near), Counter())[seconds] += calls
    middles = {of: middle(sorted(counted.items())) for of, counted in ticks.items()}
    return {of: _told(seconds) for of, seconds in middles.items() if seconds is not None}


def _measured(cursor: Any, slice_: Slice) -> dict[tuple[int, int], float]:
    """By log and traces: what pulling them has measured, where these deposits are theirs."""
    cursor.execute(
        "SELECT a.id, b.id, coalesce(x.skew_seconds, 0) - coalesce(y.skew_seconds, 0)"
        " FROM evidence_source a CROSS JOIN evidence_source b"
        " LEFT JOIN evidence_connection x ON x.source_id = a.id"
        " LEFT JOIN evidence_connection y ON y.source_id = b.id"
        " WHERE a.plane = 'identity' AND b.plane = 'ai' AND (a.id = ANY(%s) OR b.id = ANY(%s))"
        " AND (x.skew_seconds IS NOT NULL OR y.skew_seconds IS NOT NULL)",
        [list(slice_.sources)] * 2,
    )
    return {(log, traces): _told(float(seconds)) for log, traces, seconds in cursor.fetchall()}


def _told(seconds: float) -> float:
    """What is taken off: nothing of what two clocks that agree may show."""
    return 0.0 if abs(seconds) < LEAST_SECONDS else max(-MOST_SECONDS, min(seconds, MOST_SECONDS))


def middle(ticks: Sequence[tuple[int, int]]) -> float | None:
    """The median of a histogram of (seconds, calls), in order; None of too few calls."""
    calls = sum(many for _, many in ticks)
    if calls < FEWEST_CALLS:
        return None
    upto = 0
    for seconds, many in ticks:
        upto += many
        if 2 * upto >= calls:
            return float(seconds)
    return None
