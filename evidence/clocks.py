"""How far the clocks of logs and of traces are apart, by the calls that both have.

Owns the histogram of exactly linked calls (evidence_clock) and its middle. Must not know what the
difference is used for (evidence/inferred.py).
"""

from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Any, NamedTuple

from evidence.slices import Slice

# Clocks are taken to differ when so many calls say so, by so many seconds, up to a limit.
FEWEST_CALLS, LEAST_SECONDS, MOST_SECONDS = 20, 2.0, 900


class Clocks(NamedTuple):
    """How far logs are ahead of traces, in seconds: by log, by traces, and how far."""

    logs: list[int]
    traces: list[int]
    seconds: list[float]


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
    """How far logs are ahead of traces around the days of these deposits: as their exact links
    show, else as pulling them has measured. Those that agree are left out."""
    cursor.execute(
        "SELECT log_id, traces_id, seconds, sum(calls) FROM evidence_clock"
        " WHERE day BETWEEN %s AND %s GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        [
            slice_.first.astimezone(UTC).date() - timedelta(days=1),
            slice_.last.astimezone(UTC).date() + timedelta(days=1),
        ],
    )
    seen: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for log, traces, seconds, calls in cursor.fetchall():
        seen.setdefault((log, traces), []).append((seconds, int(calls)))
    found = {pair: middle(ticks) for pair, ticks in seen.items()}
    cursor.execute(
        "SELECT a.id, b.id, coalesce(x.skew_seconds, 0) - coalesce(y.skew_seconds, 0)"
        " FROM evidence_source a CROSS JOIN evidence_source b"
        " LEFT JOIN evidence_connection x ON x.source_id = a.id"
        " LEFT JOIN evidence_connection y ON y.source_id = b.id"
        " WHERE a.plane = 'identity' AND b.plane = 'ai' AND (a.id = ANY(%s) OR b.id = ANY(%s))"
        " AND (x.skew_seconds IS NOT NULL OR y.skew_seconds IS NOT NULL)",
        [list(slice_.sources)] * 2,
    )
    apart = {(log, traces): float(seconds) for log, traces, seconds in cursor.fetchall()}
    apart |= {pair: seconds for pair, seconds in found.items() if seconds is not None}
    told = {
        pair: max(-MOST_SECONDS, min(seconds, MOST_SECONDS))
        for pair, seconds in sorted(apart.items())
        if abs(seconds) >= LEAST_SECONDS
    }
    return Clocks(
        [log for log, _ in told], [traces for _, traces in told], [float(s) for s in told.values()]
    )


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
