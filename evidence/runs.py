"""Runs of traces, and links to the tool calls in them, set-based: rule 3 of evidence/correlation.py.

Owns the rows of evidence_run, and the walk upwards from the spans that are linked; the same reading
of the spans finds their agents (evidence/above.py) and which tool calls are told more than once
(evidence/retold.py). Which traces are read is evidence/touched.py's. Comes after the links that lie
in spans themselves (evidence/links.py, evidence/key_links.py); must not know how those are found.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from evidence import above, locks, retold, together
from evidence.correlation import DEEPEST, LONGEST_SPAN_MICROS
from evidence.locks import Lock
from evidence.slices import NO_KEYS, Keys, Slice
from evidence.touched import DIRECT, Grown, joined
from evidence.vocabulary import (
    AGENT_RUN,
    API_CALL,
    MODEL_CALL,
    OUTCOME_OK,
    PLANE_AI,
    PLANE_IDENTITY,
    PROOF_CREDENTIAL_PARENT,
    PROOF_PARENT,
    PROOF_REQUEST_ID,
    PROOF_TOKEN,
    PROOF_TOKEN_PARENT,
    STEP,
    TOOL_CALL,
)

# Links that lie in a span, looked up by link_cause: of new spans, and of those whose way upwards
# leads over a new one. Fenced: span by span, however many links there are.
_OF_SPANS = """
    SELECT s.trace, s.parent_span, l.effect_at, l.effect_id, l.proof, l.strength
    FROM span s CROSS JOIN LATERAL (
        SELECT l.effect_at, l.effect_id, l.proof, l.strength FROM evidence_link l
        WHERE l.cause_at = s.at AND l.cause_id = s.id AND l.proof = ANY(%(direct)s)
          AND l.effect_at BETWEEN s.at - interval '1 day' AND s.at + interval '1 day' OFFSET 0) l
    WHERE s.says AND s.parent_span IS NOT NULL"""
# And those of new API events, looked up by them.
_LOOKED_UP = f"""{_OF_SPANS} AND (s.new OR CASE WHEN (s.trace, s.span) IN (
        SELECT trace, span FROM below) THEN true END)
    UNION
    SELECT s.trace, s.parent_span, l.effect_at, l.effect_id, l.proof, l.strength
    FROM (SELECT at, id FROM evidence_event WHERE deposit_id = ANY(%(deposits)s)
            AND at BETWEEN %(first)s AND %(last)s AND plane = %(identity)s OFFSET 0) n
    CROSS JOIN LATERAL (
        SELECT l.effect_at, l.effect_id, l.cause_at, l.cause_id, l.proof, l.strength
        FROM evidence_link l WHERE l.effect_at = n.at AND l.effect_id = n.id
          AND l.proof = ANY(%(direct)s) OFFSET 0) l
    CROSS JOIN LATERAL (
        SELECT s.trace, s.parent_span FROM evidence_event s
        WHERE s.at = l.cause_at AND s.id = l.cause_id AND s.source_id = %(source)s
          AND s.parent_span IS NOT NULL OFFSET 0) s"""  # noqa: S608 - our own words; values are parameters
# Of spans of a time of which nearly all links are asked for, all; others are looked up.
_READ_THROUGH = f"""
    SELECT s.trace, s.parent_span, l.effect_at, l.effect_id, l.proof, l.strength
    FROM span s JOIN evidence_link l ON l.cause_at = s.at AND l.cause_id = s.id
     AND l.proof = ANY(%(direct)s)
     AND l.effect_at BETWEEN s.at - interval '1 day' AND s.at + interval '1 day'
     AND l.effect_at BETWEEN %(since)s AND %(until)s
    WHERE s.says AND s.parent_span IS NOT NULL AND s.at BETWEEN %(first)s AND %(last)s
    UNION ALL {_OF_SPANS} AND NOT s.at BETWEEN %(first)s AND %(last)s"""  # noqa: S608 - our own words; values are parameters
# Of these, nobody walks further up than to a tool call.
_BELOW = """, below AS (
    SELECT c.trace, c.span, c.activity <> %(tool)s AS further
    FROM span n JOIN reached c ON c.trace = n.trace AND c.parent_span = n.span
    WHERE n.new
    UNION
    SELECT c.trace, c.span, c.activity <> %(tool)s
    FROM below b JOIN reached c ON c.trace = b.trace AND c.parent_span = b.span
    WHERE b.further
)"""
# The spans right above linked ones, found in passing all spans instead of making a table of them.
_RIGHT_ABOVE = """(SELECT * FROM span WHERE CASE WHEN (trace, span) IN (
        SELECT trace, parent_span FROM linked) THEN true END OFFSET 0)"""
_NOT_THERE = """WHERE NOT EXISTS (SELECT FROM evidence_link l
    WHERE l.effect_at = f.effect_at AND l.effect_id = f.effect_id AND l.cause_at = f.at
      AND l.cause_id = f.id AND l.proof = f.proof AND l.proof = ANY(%(above)s)
      AND l.effect_at BETWEEN %(since)s - interval '1 day' AND %(until)s + interval '1 day')"""

# A run that is there already is written over, where it has become another.
_RUN = """{name} AS (
    INSERT INTO evidence_run (source_id, trace, first_at, last_at, agent_id, service_id,
        on_behalf_id, conversation_id, task_id, release_id, spans, tool_calls, model_calls,
        api_calls, failed, ended, issued)
    SELECT %(source)s, s.trace, s.first_at, s.last_at, coalesce(n.agent_id, s.agent_id),
           coalesce(n.service_id, s.service_id), coalesce(n.on_behalf_id, s.on_behalf_id),
           coalesce(n.conversation_id, s.conversation_id), coalesce(n.task_id, s.task_id),
           coalesce(n.release_id, s.release_id), s.spans,
           -- One at least, where spans claim to be above one another in a circle.
           greatest(s.tool_calls - coalesce(o.many, 0), least(s.tool_calls, 1)), s.model_calls,
           s.api_calls, s.failed, s.ended, false
    FROM summed s LEFT JOIN earliest n ON n.trace = s.trace
    LEFT JOIN (SELECT trace, count(DISTINCT (at, id)) AS many FROM retold GROUP BY 1) o
      ON o.trace = s.trace
    WHERE s.is_run {which}
    ORDER BY s.trace {else_}
)"""
_OR_GROWN = """ON CONFLICT (source_id, trace) DO UPDATE SET
        first_at = excluded.first_at, last_at = excluded.last_at, agent_id = excluded.agent_id,
        service_id = excluded.service_id, on_behalf_id = excluded.on_behalf_id,
        conversation_id = excluded.conversation_id, task_id = excluded.task_id,
        release_id = excluded.release_id, spans = excluded.spans,
        tool_calls = excluded.tool_calls, model_calls = excluded.model_calls,
        api_calls = excluded.api_calls, failed = excluded.failed, ended = excluded.ended
    WHERE (evidence_run.first_at, evidence_run.last_at, evidence_run.agent_id,
           evidence_run.service_id, evidence_run.on_behalf_id, evidence_run.conversation_id,
           evidence_run.task_id, evidence_run.release_id, evidence_run.spans,
           evidence_run.tool_calls, evidence_run.model_calls, evidence_run.api_calls,
           evidence_run.failed, evidence_run.ended)
        IS DISTINCT FROM
          (excluded.first_at, excluded.last_at, excluded.agent_id, excluded.service_id,
           excluded.on_behalf_id, excluded.conversation_id, excluded.task_id,
           excluded.release_id, excluded.spans, excluded.tool_calls, excluded.model_calls,
           excluded.api_calls, excluded.failed, excluded.ended)"""
# Alone with the runs of this source, one can tell beforehand which are there; and of which of them
# tools may have been issued keys (evidence/key_links.py).
_THERE = """there AS MATERIALIZED (
    SELECT trace, issued IS NOT FALSE AS issued FROM evidence_run
    WHERE source_id = %(source)s AND trace = ANY((SELECT traces FROM grew)::uuid[])
)"""
_IS_THERE = "AND {}EXISTS (SELECT FROM there t WHERE t.trace = s.trace)"
_RUNS_CAREFUL = f"{_THERE}, {_RUN.format(name='run', which='', else_=_OR_GROWN)}"
_RUNS_PLAIN = ", ".join(
    (
        _THERE,
        _RUN.format(name="run", which=_IS_THERE.format("NOT "), else_=""),
        _RUN.format(name="grown", which=_IS_THERE.format(""), else_=_OR_GROWN),
    )
)

# The tool calls above linked spans, the runs of the traces that have new spans, and the agents of
# spans; one reading of the spans. A span that claims to have lasted for years must not break the
# arithmetic of its run. Which of several names a run goes by is asked only of runs that have
# several: sorting all spans for it was a sixth of the time.
_GROWN = """
WITH RECURSIVE grew AS MATERIALIZED (
    -- Not a list in the statement: the planner would weigh each of thousands, for every month.
    SELECT %(every)s::uuid[] AS traces
), span AS MATERIALIZED (
    -- What is asked most comes first: a row is read as far as the last thing that is asked of it.
    SELECT e.deposit_id = ANY(%(deposits)s) AS new, e.activity,
           e.request_id IS NOT NULL OR e.credential_id IS NOT NULL AS says,
           e.trace, e.span, e.parent_span, e.at, e.id, e.agent_id, e.action_id, e.duration,
           e.outcome, e.principal_id, e.on_behalf_id, e.conversation_id, e.task_id, e.release_id
    FROM evidence_event e
    WHERE e.trace = ANY((SELECT traces FROM grew)::uuid[]) AND e.plane = %(ai)s AND e.source_id = %(source)s
), summed AS MATERIALIZED (
    SELECT trace, min(at) AS first_at,
           max(at + least(greatest(coalesce(duration, 0), 0), %(longest)s)
               * interval '1 microsecond') AS last_at,
           min(agent_id) AS agent_id, min(principal_id) AS service_id,
           min(on_behalf_id) AS on_behalf_id, min(conversation_id) AS conversation_id,
           min(task_id) AS task_id, min(release_id) AS release_id,
           min(agent_id) < max(agent_id) OR min(principal_id) < max(principal_id)
               OR min(on_behalf_id) < max(on_behalf_id)
               OR min(conversation_id) < max(conversation_id)
               OR min(task_id) < max(task_id) OR min(release_id) < max(release_id) AS several,
           count(agent_id) > 0 AND count(agent_id) < count(*) AS unnamed,
           count(*) AS spans,
           count(*) FILTER (WHERE activity = %(tool)s) AS tool_calls,
           count(*) FILTER (WHERE activity = %(model)s) AS model_calls,
           count(*) FILTER (WHERE activity = %(api)s) AS api_calls,
           count(*) FILTER (WHERE outcome NOT IN (0, %(ok)s)) AS failed,
           bool_or(parent_span IS NULL) AS ended,
           bool_or(activity IN (%(run)s, %(tool)s, %(model)s)) AS is_run
    FROM span WHERE NOT trace = ANY(%(others)s::uuid[])
    GROUP BY trace
), reached AS (
    -- Older spans whose way upwards leads over a new one.
    SELECT trace, span, parent_span, at, id, agent_id, activity FROM span
    WHERE NOT new AND CASE WHEN (trace, parent_span) IN (SELECT trace, span FROM span WHERE new)
        THEN true END
    UNION
    SELECT c.trace, c.span, c.parent_span, c.at, c.id, c.agent_id, c.activity
    FROM reached r JOIN span c ON c.trace = r.trace AND c.parent_span = r.span AND NOT c.new
), {beside}, earliest AS (
    SELECT s.trace,
           coalesce(
             (array_agg(s.agent_id ORDER BY s.at, s.id)
                FILTER (WHERE s.activity = %(run)s AND s.agent_id IS NOT NULL))[1],
             (array_agg(s.agent_id ORDER BY s.at, s.id) FILTER (WHERE s.agent_id IS NOT NULL))[1]
           ) AS agent_id,
           (array_agg(s.principal_id ORDER BY s.at, s.id)
                FILTER (WHERE s.principal_id IS NOT NULL))[1] AS service_id,
           (array_agg(s.on_behalf_id ORDER BY s.at, s.id)
                FILTER (WHERE s.on_behalf_id IS NOT NULL))[1] AS on_behalf_id,
           (array_agg(s.conversation_id ORDER BY s.at, s.id)
                FILTER (WHERE s.conversation_id IS NOT NULL))[1] AS conversation_id,
           (array_agg(s.task_id ORDER BY s.at, s.id)
                FILTER (WHERE s.task_id IS NOT NULL))[1] AS task_id,
           (array_agg(s.release_id ORDER BY s.at, s.id)
                FILTER (WHERE s.release_id IS NOT NULL))[1] AS release_id
    FROM (
        SELECT at, id, trace, activity, principal_id, on_behalf_id, conversation_id, task_id,
               release_id, coalesce(agent_id,
                   (SELECT n.agent_id FROM agents n WHERE n.at = o.at AND n.id = o.id),
                   (SELECT a.agent_id FROM evidence_agentabove a WHERE a.at = o.at AND a.id = o.id)
               ) AS agent_id
        FROM span o WHERE trace IN (SELECT trace FROM summed WHERE several)) s
    GROUP BY s.trace
), doers AS (
    -- Whose tool calls these are; of runs that name several, all of them.
    SELECT agent_id AS id FROM summed WHERE tool_calls > 0
    UNION SELECT service_id FROM summed WHERE tool_calls > 0
    UNION SELECT unnest(ARRAY[agent_id, principal_id]) FROM span
    WHERE (SELECT true FROM summed WHERE several LIMIT 1)
      AND trace IN (SELECT trace FROM summed WHERE several AND tool_calls > 0)
), {runs}{below}, linked AS MATERIALIZED ({linked}
), above AS MATERIALIZED (
    -- The spans right above linked ones: mostly the tool calls, and nothing is left to walk.
    SELECT l.*, p.at, p.id, p.activity = %(tool)s AS tool, p.parent_span AS further
    FROM linked l JOIN {right_above} p ON p.trace = l.trace AND p.span = l.parent_span
), up AS (
    -- Walked from each distinct parent, not from each link; UNION drops what was met before.
    SELECT DISTINCT trace, parent_span AS start, further AS here, 1 AS depth
    FROM above WHERE NOT tool AND further IS NOT NULL
    UNION
    SELECT up.trace, up.start, p.parent_span, up.depth + 1
    FROM up JOIN span p ON p.trace = up.trace AND p.span = up.here
    WHERE p.activity <> %(tool)s AND p.parent_span IS NOT NULL AND up.depth < %(deepest)s - 1
), found AS MATERIALIZED (
    SELECT DISTINCT effect_at, effect_id, at, id,
           CASE proof WHEN %(request)s THEN %(parent)s WHEN %(token)s THEN %(by_token)s
                ELSE %(by_key)s END::smallint AS proof, strength, trace
    FROM (
        SELECT trace, effect_at, effect_id, at, id, proof, strength FROM above WHERE tool
        UNION ALL
        SELECT l.trace, l.effect_at, l.effect_id, t.at, t.id, l.proof, l.strength
        FROM up
        JOIN span t ON t.trace = up.trace AND t.span = up.here AND t.activity = %(tool)s
        JOIN linked l ON l.trace = up.trace AND l.parent_span = up.start
    ) either
), made AS (
    INSERT INTO evidence_link
        (effect_at, effect_id, cause_at, cause_id, proof, strength, recorded_at)
    SELECT effect_at, effect_id, at, id, proof, strength, %(now)s::timestamptz FROM found f
    {unless}
    ORDER BY 1, 2, 3, 4, 5
    {else_}
    RETURNING 1
)
SELECT (SELECT count(*) FROM made),
       (SELECT array_agg(at)::text FROM taken), (SELECT array_agg(id)::text FROM taken),
       (SELECT array_agg(DISTINCT trace)::text FROM found
        WHERE proof = %(parent)s AND (SELECT true FROM evidence_issuance i
            WHERE i.at = effect_at AND i.event_id = effect_id AND NOT i.standing LIMIT 1)),
       (SELECT array_agg(trace)::text FROM there WHERE issued),
       (SELECT array_agg(id) FROM doers WHERE id IS NOT NULL)
"""
_CAREFUL = "ON CONFLICT DO NOTHING"
_BESIDE = f"{above.AGENTS}, {retold.RETOLD}"
GROWN = _GROWN.format(
    beside=_BESIDE, runs=_RUNS_CAREFUL, below=_BELOW, linked=_LOOKED_UP, right_above=_RIGHT_ABOVE,
    unless="", else_=_CAREFUL,
)  # fmt: skip
_TOGETHER = {"beside": _BESIDE, "below": "", "linked": _READ_THROUGH, "right_above": "span"}
GROWN_TOGETHER = together.Insert(
    plain=_GROWN.format(**_TOGETHER, runs=_RUNS_PLAIN, unless=_NOT_THERE, else_=""),
    careful=_GROWN.format(**_TOGETHER, runs=_RUNS_CAREFUL, unless="", else_=_CAREFUL),
)
# Tools of these runs were issued keys.
ISSUED = """
UPDATE evidence_run SET issued = true
WHERE source_id = %s AND trace = ANY(%s::uuid[]) AND issued IS NOT TRUE
"""


def lock(cursor: Any, grown: Iterable[Grown]) -> None:
    """Alone with the runs of these sources, until the transaction is over."""
    for source in sorted({one.source for one in grown}):
        locks.take(cursor, Lock.RUNS, source)


class Grew(NamedTuple):
    """What became of the runs of one source: how many links are new, the spans that were given an
    agent from above them, the traces whose tools may have been issued keys, and the services and
    agents whose tool calls they show."""

    made: int
    named: Keys
    issued: str
    doers: list[int]


def issued(grew: Iterable[Grew]) -> str | None:
    """The traces whose tools may have been issued keys, as the database writes arrays; None without
    any."""
    traces = joined(*(one.issued for one in grew))
    return None if traces == "{}" else traces


def grow(cursor: Any, slice_: Slice, grown: Grown, *, now: datetime) -> Grew:
    """Runs of these traces, links to the tool calls in them, and agents of their spans."""
    facts = slice_.facts() | {
        "source": grown.source,
        "others": grown.others,
        "every": joined(grown.own, grown.others),
        "identity": PLANE_IDENTITY,
        "ai": PLANE_AI,
        "run": AGENT_RUN,
        "tool": TOOL_CALL,
        "step": STEP,
        "model": MODEL_CALL,
        "api": API_CALL,
        "ok": OUTCOME_OK,
        "now": now,
        "direct": DIRECT,
        "request": PROOF_REQUEST_ID,
        "parent": PROOF_PARENT,
        "by_key": PROOF_CREDENTIAL_PARENT,
        "token": PROOF_TOKEN,
        "by_token": PROOF_TOKEN_PARENT,
        "above": [PROOF_PARENT, PROOF_CREDENTIAL_PARENT, PROOF_TOKEN_PARENT],
        "deepest": DEEPEST,
        "longest": LONGEST_SPAN_MICROS,
    }
    # What is joined here are spans that were read already, of which the planner knows no numbers:
    # one trace of 40,000 spans, joined row by row, would not end.
    with together.reading(cursor, slice_):
        cursor.execute("SET LOCAL enable_nestloop = off")
        if slice_.whole:
            together.write(cursor, GROWN_TOGETHER, facts)
        else:
            cursor.execute(GROWN, facts)
        made, ats, ids, now_issued, may_be, doers = cursor.fetchone()
        cursor.execute("SET LOCAL enable_nestloop = on")
    if now_issued:
        cursor.execute(ISSUED, [grown.source, now_issued])
    named = Keys(ats, ids) if ats else NO_KEYS
    return Grew(int(made), named, joined(now_issued, may_be), doers or [])
