"""Runs of traces, and links to the tool calls in them, set-based: rule 3 of evidence/correlation.py.

Owns which traces have to be walked again, the rows of evidence_run, and the walk upwards from the
spans that are linked. Comes after the links that lie in spans themselves (evidence/links.py,
evidence/key_links.py); must not know how those are found.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from evidence import together
from evidence.correlation import DEEPEST, LONGEST_SPAN_MICROS
from evidence.slices import Slice
from evidence.vocabulary import (
    AGENT_RUN,
    API_CALL,
    MODEL_CALL,
    OUTCOME_OK,
    PLANE_AI,
    PLANE_IDENTITY,
    PROOF_CREDENTIAL,
    PROOF_CREDENTIAL_PARENT,
    PROOF_PARENT,
    PROOF_REQUEST_ID,
    PROOF_TOKEN,
    PROOF_TOKEN_PARENT,
    TOOL_CALL,
)

# Runs of one source are derived one job at a time; the first number names the kind of lock.
LOCK = 7_305_442
# Proofs that lie in a span itself; tool calls above it follow.
DIRECT = [PROOF_REQUEST_ID, PROOF_CREDENTIAL, PROOF_TOKEN]

# The traces whose parentage may have grown, by source: those of new spans, whose runs have grown
# too, and those of the spans that new API events were just linked to. As text: they are only
# handed back.
_TOUCHED = """
SELECT source_id, share, array_agg(trace) FILTER (WHERE own)::text,
       array_agg(trace) FILTER (WHERE NOT own)::text
FROM (
    SELECT source_id, trace, bool_or(own) AS own,
           get_byte(uuid_send(trace), 15) %% %(shares)s AS share
    FROM (
        SELECT DISTINCT source_id, trace, true AS own FROM evidence_event
        WHERE at BETWEEN %(first)s AND %(last)s AND deposit_id = ANY(%(deposits)s)
          AND trace IS NOT NULL AND plane = %(ai)s
        UNION ALL
        SELECT DISTINCT s.source_id, s.trace, false
        FROM evidence_event n
        JOIN evidence_link l ON l.effect_at = n.at AND l.effect_id = n.id
         AND l.proof = ANY(%(direct)s) AND l.effect_at BETWEEN %(first)s AND %(last)s
        JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id
         AND s.at BETWEEN %(first)s - interval '1 day' AND %(last)s + interval '1 day'
        WHERE n.at BETWEEN %(first)s AND %(last)s AND n.deposit_id = ANY(%(deposits)s)
          AND n.plane = %(identity)s AND s.trace IS NOT NULL
          -- Those of new spans are known by now.
          AND NOT s.deposit_id = ANY(%(deposits)s) {unless}
    ) either GROUP BY 1, 2
) touched GROUP BY 1, 2 ORDER BY 1, 2
"""
# Asked once, where all spans would be read for it: without older deposits there are no others.
_OLDER = """AND EXISTS (SELECT FROM evidence_deposit d
              WHERE NOT d.id = ANY(%(deposits)s) AND d.first_at <= %(last)s + interval '1 day'
                AND d.last_at >= %(first)s - interval '1 day')"""
TOUCHED = {whole: _TOUCHED.format(unless=_OLDER if whole else "") for whole in (False, True)}

# Links that lie in a span, looked up by link_cause. Fenced: span by span, however many links there
# are.
_LOOKED_UP = """
    SELECT s.trace, s.parent_span, l.effect_at, l.effect_id, l.proof, l.strength
    FROM span s CROSS JOIN LATERAL (
        SELECT l.effect_at, l.effect_id, l.proof, l.strength FROM evidence_link l
        WHERE l.cause_at = s.at AND l.cause_id = s.id AND l.proof = ANY(%(direct)s)
          AND l.effect_at BETWEEN s.at - interval '1 day' AND s.at + interval '1 day' OFFSET 0) l
    WHERE s.says AND s.parent_span IS NOT NULL"""
# The same of spans of a time of which nearly all links are asked for; others are looked up.
_READ_THROUGH = f"""
    SELECT s.trace, s.parent_span, l.effect_at, l.effect_id, l.proof, l.strength
    FROM span s JOIN evidence_link l ON l.cause_at = s.at AND l.cause_id = s.id
     AND l.proof = ANY(%(direct)s)
     AND l.effect_at BETWEEN s.at - interval '1 day' AND s.at + interval '1 day'
     AND l.effect_at BETWEEN %(since)s AND %(until)s
    WHERE s.says AND s.parent_span IS NOT NULL AND s.at BETWEEN %(first)s AND %(last)s
    UNION ALL {_LOOKED_UP} AND NOT s.at BETWEEN %(first)s AND %(last)s"""  # noqa: S608 - our own words; values are parameters
_NOT_THERE = """WHERE NOT EXISTS (SELECT FROM evidence_link l
    WHERE l.effect_at = f.effect_at AND l.effect_id = f.effect_id AND l.cause_at = f.at
      AND l.cause_id = f.id AND l.proof = f.proof
      AND l.effect_at BETWEEN %(since)s - interval '1 day' AND %(until)s + interval '1 day')"""

# The tool calls above linked spans, and the runs of the traces that have new spans; one reading of
# the spans. A span that claims to have lasted for years must not break the arithmetic of its run.
# Which of several names a run goes by is asked only of runs that have several: sorting all spans
# for it was a sixth of the time.
_GROWN = """
WITH RECURSIVE span AS MATERIALIZED (
    SELECT e.source_id, e.trace, e.span, e.parent_span, e.activity, e.at, e.id, e.duration,
           e.outcome, e.agent_id, e.principal_id, e.on_behalf_id, e.conversation_id, e.task_id,
           e.release_id, e.request_id IS NOT NULL OR e.credential_id IS NOT NULL AS says
    FROM evidence_event e
    WHERE e.trace = ANY(%(every)s::uuid[]) AND e.plane = %(ai)s AND e.source_id = %(source)s
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
           count(*) AS spans,
           count(*) FILTER (WHERE activity = %(tool)s) AS tool_calls,
           count(*) FILTER (WHERE activity = %(model)s) AS model_calls,
           count(*) FILTER (WHERE activity = %(api)s) AS api_calls,
           count(*) FILTER (WHERE outcome NOT IN (0, %(ok)s)) AS failed,
           bool_or(parent_span IS NULL) AS ended
    FROM span WHERE NOT trace = ANY(%(others)s::uuid[])
    GROUP BY trace
    HAVING bool_or(activity IN (%(run)s, %(tool)s, %(model)s))
), earliest AS (
    SELECT trace,
           coalesce(
             (array_agg(agent_id ORDER BY at, id)
                FILTER (WHERE activity = %(run)s AND agent_id IS NOT NULL))[1],
             (array_agg(agent_id ORDER BY at, id) FILTER (WHERE agent_id IS NOT NULL))[1]
           ) AS agent_id,
           (array_agg(principal_id ORDER BY at, id)
                FILTER (WHERE principal_id IS NOT NULL))[1] AS service_id,
           (array_agg(on_behalf_id ORDER BY at, id)
                FILTER (WHERE on_behalf_id IS NOT NULL))[1] AS on_behalf_id,
           (array_agg(conversation_id ORDER BY at, id)
                FILTER (WHERE conversation_id IS NOT NULL))[1] AS conversation_id,
           (array_agg(task_id ORDER BY at, id) FILTER (WHERE task_id IS NOT NULL))[1] AS task_id,
           (array_agg(release_id ORDER BY at, id)
                FILTER (WHERE release_id IS NOT NULL))[1] AS release_id
    FROM span WHERE trace IN (SELECT trace FROM summed WHERE several)
    GROUP BY trace
), run AS (
    INSERT INTO evidence_run (source_id, trace, first_at, last_at, agent_id, service_id,
        on_behalf_id, conversation_id, task_id, release_id, spans, tool_calls, model_calls,
        api_calls, failed, ended)
    SELECT %(source)s, s.trace, s.first_at, s.last_at, coalesce(n.agent_id, s.agent_id),
           coalesce(n.service_id, s.service_id), coalesce(n.on_behalf_id, s.on_behalf_id),
           coalesce(n.conversation_id, s.conversation_id), coalesce(n.task_id, s.task_id),
           coalesce(n.release_id, s.release_id), s.spans, s.tool_calls, s.model_calls,
           s.api_calls, s.failed, s.ended
    FROM summed s LEFT JOIN earliest n ON n.trace = s.trace
    ORDER BY s.trace
    ON CONFLICT (source_id, trace) DO UPDATE SET
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
           excluded.api_calls, excluded.failed, excluded.ended)
), linked AS MATERIALIZED ({linked}
), above AS MATERIALIZED (
    -- The spans right above linked ones: mostly the tool calls, and nothing is left to walk.
    SELECT l.*, p.at, p.id, p.activity = %(tool)s AS tool, p.parent_span AS further
    FROM linked l JOIN span p ON p.trace = l.trace AND p.span = l.parent_span
), up AS (
    -- Walked from each distinct parent, not from each link; UNION drops what was met before.
    SELECT DISTINCT trace, parent_span AS start, further AS here, 1 AS depth
    FROM above WHERE NOT tool AND further IS NOT NULL
    UNION
    SELECT up.trace, up.start, p.parent_span, up.depth + 1
    FROM up JOIN span p ON p.trace = up.trace AND p.span = up.here
    WHERE p.activity <> %(tool)s AND p.parent_span IS NOT NULL AND up.depth < %(deepest)s - 1
), found AS (
    SELECT DISTINCT effect_at, effect_id, at, id,
           CASE proof WHEN %(request)s THEN %(parent)s WHEN %(token)s THEN %(by_token)s
                ELSE %(by_key)s END::smallint AS proof, strength
    FROM (
        SELECT effect_at, effect_id, at, id, proof, strength FROM above WHERE tool
        UNION ALL
        SELECT l.effect_at, l.effect_id, t.at, t.id, l.proof, l.strength
        FROM up
        JOIN span t ON t.trace = up.trace AND t.span = up.here AND t.activity = %(tool)s
        JOIN linked l ON l.trace = up.trace AND l.parent_span = up.start
    ) either
)
INSERT INTO evidence_link
    (effect_at, effect_id, cause_at, cause_id, proof, strength, recorded_at)
SELECT effect_at, effect_id, at, id, proof, strength, %(now)s::timestamptz FROM found f
{unless}
ORDER BY 1, 2, 3, 4, 5
{else_}
"""
_CAREFUL = "ON CONFLICT DO NOTHING"
GROWN = _GROWN.format(linked=_LOOKED_UP, unless="", else_=_CAREFUL)
GROWN_TOGETHER = together.Insert(
    plain=_GROWN.format(linked=_READ_THROUGH, unless=_NOT_THERE, else_=""),
    careful=_GROWN.format(linked=_READ_THROUGH, unless="", else_=_CAREFUL),
)


class Grown(NamedTuple):
    """Traces of one source, as the database writes arrays: with new spans, and with new links."""

    source: int
    own: str
    others: str

    @property
    def every(self) -> str:
        return f"{{{','.join(filter(None, (one.strip('{}') for one in self[1:])))}}}"


def touched(cursor: Any, slice_: Slice, shares: int = 1) -> list[Grown]:
    """The traces to be walked, in so many shares a source at most."""
    facts = {"identity": PLANE_IDENTITY, "ai": PLANE_AI, "direct": DIRECT, "shares": shares}
    with together.reading(cursor, slice_):
        cursor.execute(TOUCHED[slice_.whole], slice_.facts() | facts)
        return [Grown(source, own or "{}", others or "{}") for source, _, own, others in cursor]


def lock(cursor: Any, grown: Iterable[Grown]) -> None:
    """Alone with the runs of these sources, until the transaction is over."""
    for source in sorted({one.source for one in grown}):
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK, source])


def grow(cursor: Any, slice_: Slice, grown: Grown, *, now: datetime) -> int:
    """Runs of these traces, and links to the tool calls in them; how many links are new."""
    facts = slice_.facts() | {
        "source": grown.source,
        "others": grown.others,
        "every": grown.every,
        "ai": PLANE_AI,
        "run": AGENT_RUN,
        "tool": TOOL_CALL,
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
        "deepest": DEEPEST,
        "longest": LONGEST_SPAN_MICROS,
    }
    # What is joined here are spans that were read already, of which the planner knows no numbers:
    # one trace of 40,000 spans, joined row by row, would not end.
    cursor.execute("SET LOCAL enable_nestloop = off")
    if slice_.whole:
        together.write(cursor, GROWN_TOGETHER, facts)
    else:
        cursor.execute(GROWN, facts)
    made = int(cursor.rowcount)
    cursor.execute("SET LOCAL enable_nestloop = on")
    return made
