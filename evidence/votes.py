"""How far a log's clock is from that of traces, where no exact link tells: by the calls themselves.

Owns the sample of spans that calls are inferred from, and the count. Each span and each call that
it may have made allow a range of differences; the difference that most of them allow is taken where
it is clearly ahead of every other. Must not know what it is used for (evidence/clocks.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from evidence.correlation import LONGEST_CALL_MICROS
from evidence.correlation import VERSION as DATED
from evidence.fitting import MEANT, WHOLE_SECOND, WITHOUT_IDS
from evidence.models import Acquaintance
from evidence.queries import agents
from evidence.vocabulary import PLANE_AI, PLANE_IDENTITY, TOOL_CALL

# So many spans, and as many calls, have to agree.
FEWEST = 10
# Differences further apart than this are different ones, and any other may have at most half of the
# votes: agents that call at regular times would fit a whole turn away almost as well.
APART_MICROS, AHEAD_TIMES = 2_500_000, 2
# The result is rounded to this, so that it does not change with every call that comes.
STEP_MICROS = 500_000
# Of one day the first spans are asked. A span does not vote whose caller made more calls than this
# around it: not all of them would be looked at.
MOST_SPANS, MOST_CALLS = 200, 500
REACH = timedelta(seconds=900)


class Fit(NamedTuple):
    """The differences, in microseconds, with which this span may have made this call."""

    span: object
    call: object
    least: int
    most: int


# Of each day, spans from which calls are inferred; of those, calls of callers that are acquainted
# with the agent. Where exact links tell of the traces' clock that day, nothing is asked.
_FITS = f"""
WITH day AS (
    SELECT day, day::timestamp AT TIME ZONE 'UTC' AS begins,
           (day + 1)::timestamp AT TIME ZONE 'UTC' AS ends
    FROM unnest(%(days)s::date[]) AS d(day)
), told AS MATERIALIZED (
    SELECT * FROM unnest(%(told)s::int[], %(told_days)s::date[]) AS t(traces, day)
), span AS MATERIALIZED (
    SELECT d.day, t.* FROM day d CROSS JOIN LATERAL (
        SELECT * FROM (
            (SELECT t.at, t.id, t.source_id, t.principal_id, {agents.of("t")} AS agent_id,
                    t.action_id, t.duration, true AS own
             FROM evidence_event t
             WHERE {WITHOUT_IDS} AND t.at >= d.begins AND t.at < d.ends
               AND (t.source_id, d.day) NOT IN (SELECT traces, day FROM told)
               AND EXISTS (SELECT FROM evidence_run r
                           WHERE r.source_id = t.source_id AND r.trace = t.trace OFFSET 0)
             ORDER BY t.at, t.id LIMIT {MOST_SPANS})
            UNION ALL
            (SELECT t.at, t.id, t.source_id, t.principal_id, {agents.of("t")}, t.action_id,
                    t.duration, false
             FROM evidence_run r
             JOIN evidence_event t ON t.trace = r.trace AND t.source_id = r.source_id
              AND t.plane = {PLANE_AI} AND t.activity = {TOOL_CALL}
             WHERE r.api_calls = 0 AND r.tool_calls > 0
               AND r.last_at - r.first_at <= interval '1 hour'
               AND r.first_at >= d.begins - interval '1 hour' AND r.first_at < d.ends
               AND (t.source_id, d.day) NOT IN (SELECT traces, day FROM told)
               AND t.at >= d.begins AND t.at < d.ends
             ORDER BY t.at, t.id LIMIT {MOST_SPANS})) either
        ORDER BY at, id LIMIT {MOST_SPANS}) t
), pair AS MATERIALIZED (
    SELECT s.day, s.at AS ta, s.id AS ti, s.source_id AS traces, s.action_id AS tool, s.own,
           least(greatest(coalesce(s.duration, 0), 0), {LONGEST_CALL_MICROS})
               * interval '1 microsecond' AS lasted,
           e.at AS ea, e.id AS ei, e.source_id AS log, e.action_id AS act, e.many
    FROM span s
    CROSS JOIN LATERAL (SELECT DISTINCT k.caller_id FROM evidence_acquaintance k
        WHERE k.agent_id IN (s.principal_id, s.agent_id)
          AND (k.hour = %(always)s
               OR k.hour BETWEEN s.at - interval '2 hours' AND s.at + interval '1 hour')) a
    CROSS JOIN LATERAL (SELECT e.*, count(*) OVER () AS many FROM (
        SELECT e.at, e.id, e.source_id, e.action_id FROM evidence_event e
        WHERE e.principal_id = a.caller_id AND e.plane = {PLANE_IDENTITY}
          AND e.at BETWEEN s.at - %(reach)s AND s.at + %(reach)s
        ORDER BY e.at, e.id LIMIT {MOST_CALLS} + 1) e) e
), {MEANT}
SELECT log, traces, day, (ta, ti)::text, (ea, ei)::text,
       (extract(epoch FROM ea - ta - lasted) * 1000000)::bigint,
       (extract(epoch FROM ea + {WHOLE_SECOND} - ta) * 1000000)::bigint
FROM pair p
WHERE many <= {MOST_CALLS} AND (act, tool, own) IN (SELECT act, tool, own FROM meant)
"""  # noqa: S608 - our own words; values are parameters


def of_days(
    cursor: Any, days: Sequence[date], told: Iterable[tuple[int, date]]
) -> Mapping[tuple[int, int, date], float]:
    """By log, traces and day: the seconds that its calls agree on, where they do. `told`: traces,
    and days on which exact links tell of their clock."""
    known = [*told]
    cursor.execute(
        _FITS,
        {
            "days": [*days],
            "told": [traces for traces, _ in known],
            "told_days": [day for _, day in known],
            "always": Acquaintance.ALWAYS,
            "reach": REACH,
            "version": DATED,
        },
    )
    fits: dict[tuple[int, int, date], list[Fit]] = {}
    for log, traces, day, *fit in cursor.fetchall():
        fits.setdefault((log, traces, day), []).append(Fit(*fit))
    agreed = {of: agreed_on(some) for of, some in fits.items()}
    return {of: micros / 1_000_000 for of, micros in agreed.items() if micros is not None}


def agreed_on(fits: Iterable[Fit]) -> int | None:
    """The difference on which most spans and calls agree; None where that is not clear."""
    fits = [*fits]
    support = _support(fits)
    most = max((votes for _, _, votes in support), default=0)
    if most < FEWEST:
        return None
    least = min(begins for begins, _, votes in support if votes == most)
    last = max(ends for _, ends, votes in support if votes == most)
    others = (
        votes
        for begins, ends, votes in support
        if begins < least - APART_MICROS or ends > last + APART_MICROS
    )
    if last - least > APART_MICROS or AHEAD_TIMES * max(others, default=0) > most:
        return None
    if least <= 0 <= last:
        return 0
    return round((least + last) / 2 / STEP_MICROS) * STEP_MICROS


def _support(fits: Sequence[Fit]) -> list[tuple[int, int, int]]:
    """Ranges of differences without a gap, and how many spans, or calls where these are fewer,
    allow each: one call is made by one span."""
    spans = _steps((one.span, one.least, one.most) for one in fits)
    calls = _steps((one.call, one.least, one.most) for one in fits)
    support, of_spans, of_calls = [], 0, 0
    for here, then in pairwise(sorted(spans.keys() | calls.keys())):
        of_spans += spans.get(here, 0)
        of_calls += calls.get(here, 0)
        support.append((here, then - 1, min(of_spans, of_calls)))
    return support


def _steps(ranges: Iterable[tuple[object, int, int]]) -> dict[int, int]:
    """Where the number of those whose ranges hold a difference changes, and by how much."""
    of: dict[object, list[tuple[int, int]]] = {}
    for whose, least, most in ranges:
        of.setdefault(whose, []).append((least, most))
    steps: dict[int, int] = {}
    for some in of.values():
        reached: int | None = None
        for least, most in sorted(some):
            if reached is None or least > reached + 1:
                if reached is not None:
                    steps[reached + 1] = steps.get(reached + 1, 0) - 1
                steps[least] = steps.get(least, 0) + 1
                reached = most
            reached = max(reached, most)
        if reached is not None:
            steps[reached + 1] = steps.get(reached + 1, 0) - 1
    return steps
