"""Inferred links, set-based: rule 5 (evidence/inference.py) in SQL.

Owns the rows of strength inferred; what they rest on is learnt by evidence/acquaintances.py, how
far clocks are apart by evidence/clocks.py. They are only added to: what speaks against a row is
asked when it is shown (the view evidence_shownlink). Comes last in linking a deposit, under the
lock of links by issuance, so that of two jobs the later sees what the earlier found. Must not know
claims or runs' making (evidence/runs.py).
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from evidence import clocks
from evidence.acquaintances import ALWAYS, Near
from evidence.clocks import Clocks
from evidence.correlation import LONGEST_CALL_MICROS, SKEW_MICROS
from evidence.correlation import VERSION as DATED
from evidence.fitting import MEANT, TOKENED, WHOLE_SECOND, WITHOUT_IDS
from evidence.inference import LEAST_POINTS, SHORTEST_NAME
from evidence.queries import agents
from evidence.slices import Slice
from evidence.vocabulary import (
    BECAUSE_ADDRESS,
    BECAUSE_CLIENT,
    BECAUSE_KNOWN,
    BECAUSE_NAMED,
    BECAUSE_OPERATION,
    BECAUSE_SPAN,
    BECAUSE_WITHIN,
    INFERRED,
    KEY,
    PLANE_AI,
    PLANE_IDENTITY,
    POINTS,
    PROOF_CREDENTIAL,
    PROOF_INFERRED,
    PROOF_ISSUANCE,
    PROOF_REQUEST_ID,
    REASONS,
    TOOL_CALL,
)

SKEW = timedelta(microseconds=SKEW_MICROS)
LONGEST = timedelta(microseconds=LONGEST_CALL_MICROS)
# Where the calls themselves tell how far clocks are apart, to half a second (evidence/votes.py).
SKEW_OF_VOTES = timedelta(seconds=1)
# Of one tool call so many events of one caller are looked at, the first; of one event so many tool
# calls of one agent, the newest. More could not be told apart (not modelled in correlation.py).
MOST_TOOLS, MOST_EVENTS = 32, 200


# --- who may have made which call

# As evidence_explained, but part of the plan, and without request ids and keys that were issued:
# whether those are more than claims is asked whenever a link is shown.
_UNEXPLAINED = f"""NOT EXISTS (
    SELECT FROM evidence_link l
    JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id
    JOIN evidence_run r ON r.source_id = s.source_id AND r.trace = s.trace
    WHERE l.effect_at = p.ea AND l.effect_id = p.ei AND l.strength = {KEY}
      AND l.proof <> {PROOF_ISSUANCE} OFFSET 0)"""
_LASTED = """least(greatest(coalesce({0}.duration, 0), 0), %(longest_micros)s)
               * interval '1 microsecond'"""
# The moments around which tool calls are looked at: those of what is new, to the minute, those of
# tools whose agent is newly known, and the hours in which callers were newly known. Where nearly
# everything is new, the whole time; and then of the pairs those whose call is in it.
_MOMENTS = {
    False: (
        """SELECT tstzrange(minute, minute + interval '1 minute') AS around FROM (
            SELECT DISTINCT date_trunc('minute', at) AS minute FROM evidence_event
            WHERE deposit_id = ANY(%(deposits)s) AND at BETWEEN %(first)s AND %(last)s
            UNION SELECT unnest(%(minutes)s::timestamptz[])) new
        UNION ALL
        SELECT tstzrange(hour, hour + interval '1 hour')
        FROM unnest(%(hours)s::timestamptz[]) AS known(hour)""",
        "",
    ),
    True: (
        "SELECT tstzrange(%(since)s, %(until)s, '[]') AS around",
        "WHERE ea >= %(since)s AND ea < %(until)s",
    ),
}
# Everything begins from the tool calls of runs that show no calls of an SDK, and from calls of an
# SDK without ids: they are few; run_silent_short and run_silent_long, and event_call_without_id,
# find those of a time. Of them come the events of callers that
# are acquainted with the agent, and those that a span of the same service, in a trace that is no
# run, is linked to: some instrumentations lose the way from the tool to the SDK.
_SILENT = "r.api_calls = 0 AND r.tool_calls > 0 AND r.last_at - r.first_at"
_LIVED = "tstzrange(r.first_at, r.last_at, '[]') && (SELECT near FROM moment)"
_TOOLS = f"""
WITH moment AS MATERIALIZED (
    SELECT range_agg(around) AS near,
           range_agg(tstzrange(lower(around) - interval '1 hour', upper(around), '[]')) AS begun
    FROM (SELECT tstzrange(lower(around) - %(ahead)s - %(longest)s - %(skew)s,
                           upper(around) + %(behind)s + %(skew)s, '[]') AS around
          FROM ({{moments}}) any_of) wider
), silent AS (
    SELECT r.source_id, r.trace
    FROM (SELECT unnest(begun) AS of FROM moment) begun
    JOIN evidence_run r ON r.first_at BETWEEN lower(begun.of) AND upper(begun.of)
     AND {_SILENT} <= interval '1 hour' AND {_LIVED}
    UNION ALL
    SELECT r.source_id, r.trace FROM evidence_run r
    WHERE {_SILENT} > interval '1 hour' AND {_LIVED}
), tool AS MATERIALIZED (
    SELECT t.at, t.id, t.source_id, t.principal_id, {agents.of("t")} AS agent_id, t.action_id,
           {_LASTED.format("t")} AS lasted, false AS own,
           {TOKENED.format("t.credential_id")} AS tokened
    FROM silent r
    JOIN evidence_event t ON t.trace = r.trace AND t.source_id = r.source_id
     AND t.plane = {PLANE_AI} AND t.activity = {TOOL_CALL}
    WHERE t.at <@ (SELECT near FROM moment)
    UNION ALL
    SELECT t.at, t.id, t.source_id, t.principal_id, {agents.of("t")}, t.action_id,
           {_LASTED.format("t")}, true, t.credential_id IS NOT NULL
    FROM (SELECT unnest(near) AS of FROM moment) near
    JOIN evidence_event t ON t.at BETWEEN lower(near.of) AND upper(near.of) AND {WITHOUT_IDS}
    WHERE EXISTS (SELECT FROM evidence_run r
                  WHERE r.source_id = t.source_id AND r.trace = t.trace OFFSET 0)
), called AS MATERIALIZED (
    SELECT g.id, evidence_plain_name(g.value) AS name FROM evidence_actor g
    WHERE g.id IN (SELECT principal_id FROM tool UNION SELECT agent_id FROM tool)
)
"""  # noqa: S608 - our own words; values are parameters
# A call, and a tool call whose it may be, with all that is asked of both: nothing is looked up again.
_PAIR = """ea, ei, log, act, caller, address_id, user_agent_id, ta, ti, traces, tool, service, agent_id,
       lasted, own, tokened"""
_CALL = """e.at AS ea, e.id AS ei, e.source_id AS log, e.action_id AS act, e.principal_id AS caller,
           e.address_id, e.user_agent_id"""
_TOOL = """t.at AS ta, t.id AS ti, t.source_id AS traces, t.action_id AS tool,
           t.principal_id AS service, t.agent_id, t.lasted, t.own, t.tokened"""
_PAIRS = f"""
SELECT {_PAIR} FROM (
    SELECT {_CALL}, {_TOOL},
           row_number() OVER (PARTITION BY e.at, e.id, a.agent_id ORDER BY t.at DESC, t.id) AS newest
    FROM tool t
    CROSS JOIN LATERAL (SELECT DISTINCT k.agent_id, k.caller_id FROM evidence_acquaintance k
        WHERE k.agent_id IN (t.principal_id, t.agent_id)
          AND (k.hour = %(always)s OR k.hour BETWEEN
               date_bin('1 hour', t.at - %(behind)s - %(skew)s, 'epoch')
               AND t.at + t.lasted + %(ahead)s + %(skew)s)) a
    CROSS JOIN LATERAL (SELECT e.at, e.id, e.source_id, e.action_id, e.principal_id, e.address_id,
            e.user_agent_id FROM evidence_event e
        WHERE e.principal_id = a.caller_id AND e.plane = {PLANE_IDENTITY}
          AND e.at BETWEEN t.at - %(behind)s - %(skew)s AND t.at + t.lasted + %(ahead)s + %(skew)s
        ORDER BY e.at, e.id LIMIT {MOST_EVENTS}) e
) acquainted WHERE newest <= {MOST_TOOLS}
UNION
SELECT {_CALL}, {_TOOL}
FROM tool t
CROSS JOIN LATERAL (SELECT s.at, s.id FROM evidence_event s
    WHERE s.principal_id = t.principal_id AND s.plane = {PLANE_AI}
      AND (s.request_id IS NOT NULL OR s.credential_id IS NOT NULL)
      AND s.source_id = t.source_id AND s.at BETWEEN t.at AND t.at + t.lasted
      AND NOT EXISTS (SELECT FROM evidence_run r
                      WHERE r.source_id = s.source_id AND r.trace = s.trace)
    ORDER BY s.at, s.id LIMIT {MOST_EVENTS}) s
JOIN evidence_link l ON l.cause_at = s.at AND l.cause_id = s.id
 AND l.proof IN ({PROOF_REQUEST_ID}, {PROOF_CREDENTIAL})
 AND l.effect_at BETWEEN s.at - interval '1 day' AND s.at + interval '1 day'
CROSS JOIN LATERAL (SELECT e.at, e.id, e.source_id, e.action_id, e.principal_id, e.address_id,
        e.user_agent_id FROM evidence_event e WHERE e.at = l.effect_at AND e.id = l.effect_id
    OFFSET 0) e
"""  # noqa: S608 - our own words; values are parameters

# --- what of it holds

_BITS = " | ".join(
    f"CASE WHEN {when} THEN {bit} ELSE 0 END"
    for bit, when in (
        (BECAUSE_OPERATION, "p.same"),
        (
            BECAUSE_WITHIN,
            f"p.ea - o.apart <= p.ta + p.lasted AND p.ta <= p.ea - o.apart + {WHOLE_SECOND}",
        ),
        (BECAUSE_ADDRESS, "k.address"),
        (BECAUSE_CLIENT, "c.said"),
        (BECAUSE_NAMED, "k.named"),
        (BECAUSE_KNOWN, "k.known"),
        (BECAUSE_SPAN, "b.beside"),
    )
)
_POINTS = " + ".join(
    [str(POINTS), *(f"(bits / {bit} % 2) * {more}" for bit, (more, _) in REASONS.items())]
)
# OFFSET 0: what was found is asked once, not for every point that it gives. And pairs are found
# once, and looked at one by one: in this order whatever the planner takes the tables for. A table
# that was counted while it was empty, and filled since, is to it one of a single row; it found the
# pairs anew for each event then, and never ended. What an action and a tool may both mean is asked
# once for all pairs of the two, and nothing else of pairs that mean nothing in common.
_INSERT = f"""
{_TOOLS}, pair AS MATERIALIZED (SELECT {_PAIR} FROM ({_PAIRS}) any_of {{those}}
), {MEANT}
INSERT INTO evidence_link
    (effect_at, effect_id, cause_at, cause_id, proof, strength, recorded_at)
SELECT ea, ei, ta, ti, ({PROOF_INFERRED} + bits)::smallint, {INFERRED}, %(now)s FROM (
    SELECT p.ea, p.ei, p.ta, p.ti, {_BITS} AS bits
    FROM (SELECT p.*, (act, tool, own) IN (SELECT act, tool, own FROM meant WHERE same) AS same
          FROM pair p WHERE CASE WHEN (act, tool, own) IN (SELECT act, tool, own FROM meant)
              THEN true END OFFSET 0) p
    CROSS JOIN LATERAL (SELECT coalesce(sum(c.seconds), 0) * interval '1 second' AS apart,
            CASE WHEN bool_or(c.voted) THEN %(skew_of_votes)s ELSE %(skew)s END AS skew,
            CASE WHEN bool_or(c.voted) THEN {WHOLE_SECOND} ELSE interval '0' END AS more
        FROM unnest(%(logs)s::int[], %(traces)s::int[], %(days)s::date[], %(seconds)s::float8[],
                    %(voted)s::boolean[]) AS c(log, traces, day, seconds, voted)
        WHERE c.log = p.log AND c.traces = p.traces
          AND c.day = (p.ea AT TIME ZONE 'UTC')::date OFFSET 0) o
    CROSS JOIN LATERAL (SELECT
            coalesce(bool_or(q.hour <> %(always)s), false) AS known,
            coalesce(bool_or(q.hour = %(always)s), false) AS named,
            coalesce(bool_or(q.hour <> %(always)s AND q.address_id = p.address_id), false)
                AS address
        FROM evidence_acquaintance q
        WHERE q.caller_id = p.caller AND q.agent_id IN (p.service, p.agent_id)
          AND q.hour IN (%(always)s, date_bin('1 hour', p.ea, 'epoch'))) k
    CROSS JOIN LATERAL (SELECT EXISTS (
        SELECT FROM evidence_link l JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id
        WHERE l.effect_at = p.ea AND l.effect_id = p.ei
          AND l.proof IN ({PROOF_REQUEST_ID}, {PROOF_CREDENTIAL})
          AND s.source_id = p.traces AND s.principal_id = p.service
          AND s.at BETWEEN p.ta AND p.ta + p.lasted) AS beside OFFSET 0) b
    LEFT JOIN called one ON one.id = p.service AND length(one.name) >= {SHORTEST_NAME}
    LEFT JOIN called two ON two.id = p.agent_id AND length(two.name) >= {SHORTEST_NAME}
    LEFT JOIN evidence_term ua ON ua.id = p.user_agent_id
    CROSS JOIN LATERAL (SELECT lower(ua.value COLLATE "C") AS client) u
    CROSS JOIN LATERAL (SELECT coalesce(strpos(u.client, one.name) > 0, false)
        OR coalesce(strpos(u.client, two.name) > 0, false) AS said) c
    WHERE {_UNEXPLAINED} AND (k.known OR k.named OR b.beside)
      -- Where both name a token or a pod, rule 6 has said whether it is the same.
      AND NOT (p.tokened AND EXISTS (SELECT FROM evidence_event e
          WHERE e.at = p.ea AND e.id = p.ei AND {TOKENED.format("e.credential_id, e.agent_id")}))
      AND p.ea - o.apart <= p.ta + p.lasted + o.skew AND p.ea - o.apart + o.more >= p.ta - o.skew
    OFFSET 0) told
WHERE {_POINTS.replace("%", "%%")} >= {LEAST_POINTS}
ORDER BY 1, 2, 3, 4, 5
ON CONFLICT DO NOTHING
"""  # noqa: S608 - our own words; values are parameters
_INFER = {
    whole: _INSERT.replace("{moments}", moments).replace("{those}", those)
    for whole, (moments, those) in _MOMENTS.items()
}


def again(cursor: Any, slice_: Slice) -> Clocks:
    """How clocks differ around these deposits. Where exact links show by now that it is otherwise
    than what a day was inferred with, what was inferred of it goes, for `infer` to find again."""
    known = clocks.around(cursor, slice_)
    if known.moved:
        logs, traces, days, *_ = (list(column) for column in zip(*known.moved, strict=True))
        cursor.execute("SELECT countersign_infer_again(%s, %s, %s)", [logs, traces, days])
    return known


def infer(cursor: Any, slice_: Slice, near: Near, known: Clocks, *, now: datetime) -> int:
    """Rule 5 for these deposits, and `near` them; how many links are new. Where the whole time is
    read, for its calls and no others.

    `known`: the clocks as `again` gave them; days on which they have moved are inferred whole.
    """
    seconds = [one.seconds for one in known.apart]
    facts = slice_.facts() | {
        "now": now,
        "always": ALWAYS,
        "skew": SKEW,
        "skew_of_votes": SKEW_OF_VOTES,
        "version": DATED,
        "longest": LONGEST,
        "longest_micros": LONGEST_CALL_MICROS,
        "hours": [*near.hours, *_hours_of({one.day for one in known.moved})],
        "minutes": near.minutes,
        "logs": [one.log for one in known.apart],
        "traces": [one.traces for one in known.apart],
        "days": [one.day for one in known.apart],
        "seconds": seconds,
        "voted": [one.voted for one in known.apart],
        "ahead": timedelta(seconds=max([0.0, *seconds])),
        "behind": timedelta(seconds=-min([0.0, *seconds])),
    }
    cursor.execute(_INFER[slice_.whole], facts)
    return int(cursor.rowcount)


def _hours_of(days: Iterable[date]) -> list[datetime]:
    return [datetime.combine(day, time(hour), UTC) for day in sorted(days) for hour in range(24)]
