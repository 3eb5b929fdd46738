"""How far the clocks of logs and of traces are apart, by the calls that both have.

Owns the histogram of exactly linked calls (evidence_clock) and its middle. Must not know what the
difference is used for (evidence/inferred.py).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
from typing import Any, NamedTuple

from evidence.models import Deposit

# Clocks are taken to differ when so many calls say so, by so many seconds, up to a limit.
FEWEST_CALLS, LEAST_SECONDS, MOST_SECONDS = 20, 2.0, 900


class Clocks(NamedTuple):
    """How far logs are ahead of traces, in seconds: by log, by traces, and how far."""

    logs: list[int]
    traces: list[int]
    seconds: list[float]


_TICKS = f"""
INSERT INTO evidence_clock (log_id, traces_id, day, seconds, calls)
SELECT e.source_id, s.source_id, (e.at AT TIME ZONE 'UTC')::date,
       round(extract(epoch FROM e.at - s.at))::smallint, count(*)
FROM unnest(%(effects_at)s::timestamptz[], %(effects)s::bigint[], %(causes_at)s::timestamptz[],
            %(causes)s::bigint[]) AS l(ea, ei, ca, ci)
JOIN evidence_event e ON e.at = l.ea AND e.id = l.ei
JOIN evidence_event s ON s.at = l.ca AND s.id = l.ci
WHERE abs(extract(epoch FROM e.at - s.at)) <= {MOST_SECONDS}
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
ON CONFLICT (log_id, traces_id, day, seconds)
DO UPDATE SET calls = evidence_clock.calls + excluded.calls
"""  # noqa: S608 - our own number


def learn(cursor: Any, exact: Mapping[str, list[Any]]) -> None:
    """Count new links by request id: columns effects_at, effects, causes_at, causes."""
    cursor.execute(_TICKS, exact)


def around(cursor: Any, deposit: Deposit) -> Clocks:
    """How far logs are ahead of traces around the days of a deposit: as their exact links show,
    else as pulling them has measured. Those that agree are left out."""
    if deposit.first_at is None or deposit.last_at is None:
        return Clocks([], [], [])
    cursor.execute(
        "SELECT log_id, traces_id, seconds, sum(calls) FROM evidence_clock"
        " WHERE day BETWEEN %s AND %s GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        [
            deposit.first_at.astimezone(UTC).date() - timedelta(days=1),
            deposit.last_at.astimezone(UTC).date() + timedelta(days=1),
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
        " WHERE a.plane = 'identity' AND b.plane = 'ai' AND %s IN (a.id, b.id)"
        " AND (x.skew_seconds IS NOT NULL OR y.skew_seconds IS NOT NULL)",
        [deposit.source_id],
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
