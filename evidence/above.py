"""Which agent is above a span that names none: the rows of evidence_agentabove.

Owns how they are found, as a part of the statement that reads the spans of traces that have grown
(evidence/runs.py), and when they go again. Must not know what they are asked for
(evidence/queries/agents.py).
"""

from typing import Any

# The agent of a span that names none is the nearest above it, of whichever body that came in (in
# one body its format has walked already). Walked down from what is new, and of what was there
# before only from what is right above it: everything else has its agent by now. Of a span that was
# sent twice, what names its agent speaks for those below.
AGENTS = """named AS MATERIALIZED (
    SELECT n.trace, n.span, n.agent_id, n.new FROM span n
    WHERE n.agent_id IS NOT NULL AND n.trace IN (SELECT trace FROM summed WHERE unnamed)
), loose AS MATERIALIZED (
    SELECT trace, span, parent_span, at, id, true AS new FROM span
    WHERE new AND agent_id IS NULL AND trace IN (SELECT trace FROM summed WHERE unnamed)
    UNION ALL
    SELECT trace, span, parent_span, at, id, false FROM reached
    WHERE agent_id IS NULL AND trace IN (SELECT trace FROM summed WHERE unnamed)
), over AS MATERIALIZED (
    SELECT p.trace, p.span, coalesce(p.agent_id, (SELECT a.agent_id FROM evidence_agentabove a
        WHERE a.at = p.at AND a.id = p.id)) AS agent_id
    FROM (SELECT DISTINCT trace, parent_span FROM loose WHERE new) l
    JOIN span p ON p.trace = l.trace AND p.span = l.parent_span
    -- Asked once: without any, no span is looked at for it.
    WHERE (SELECT true FROM loose LIMIT 1) AND NOT p.new
      AND (p.agent_id IS NOT NULL OR NOT EXISTS (
        SELECT FROM named n WHERE n.trace = p.trace AND n.span = p.span))
), down AS (
    SELECT c.trace, c.span, c.at, c.id, k.agent_id, 1 AS depth
    FROM (SELECT trace, span, agent_id, true AS new FROM named WHERE new
          UNION ALL SELECT trace, span, agent_id, false FROM over WHERE agent_id IS NOT NULL) k
    JOIN loose c ON c.trace = k.trace AND c.parent_span = k.span
    WHERE k.new OR c.new
    UNION
    SELECT c.trace, c.span, c.at, c.id, d.agent_id, d.depth + 1
    FROM down d JOIN loose c ON c.trace = d.trace AND c.parent_span = d.span
    WHERE d.depth < %(deepest)s
      AND NOT EXISTS (SELECT FROM named n WHERE n.trace = d.trace AND n.span = d.span)
), agents AS MATERIALIZED (
    SELECT at, id, min(agent_id) AS agent_id FROM down GROUP BY at, id
), taken AS (
    INSERT INTO evidence_agentabove (at, id, agent_id)
    SELECT at, id, agent_id FROM agents ORDER BY at, id
    ON CONFLICT (at, id) DO UPDATE SET agent_id = excluded.agent_id
    WHERE evidence_agentabove.agent_id <> excluded.agent_id
    RETURNING at, id
)"""

# Of spans that are gone, as when a month gave way.
_OF_NO_EVENT = """
DELETE FROM evidence_agentabove a WHERE a.at >= %s AND a.at < %s AND NOT EXISTS (
    SELECT FROM evidence_event e WHERE e.at = a.at AND e.id = a.id)
"""
# Spans that were read anew, and those below them.
BELOW_READ_ANEW = """
WITH RECURSIVE below AS (
    SELECT (p.row->>'source_id')::int AS source_id, (p.row->>'trace')::uuid AS trace,
           (p.row->>'span')::bigint AS span, p.at, p.event_id AS id
    FROM evidence_pastreading p
    WHERE p.reading_id = %s AND p.kind = 'event' AND p.row->>'trace' IS NOT NULL
    UNION
    SELECT e.source_id, e.trace, e.span, e.at, e.id
    FROM below b JOIN evidence_event e ON e.trace = b.trace AND e.source_id = b.source_id
     AND e.parent_span = b.span
)
"""
# What is read now says whose they are, when it is linked.
_READ_ANEW = f"""{BELOW_READ_ANEW}
DELETE FROM evidence_agentabove a USING below b WHERE a.at = b.at AND a.id = b.id
"""  # noqa: S608 - our own words; values are parameters
# Of spans that may name nobody any more, and of spans of their traces whose agent nobody names.
_UNNAMED = """
WITH emptied AS MATERIALIZED (
    SELECT e.at, e.id, e.source_id, e.trace FROM evidence_deposit d JOIN evidence_event e
      ON e.at BETWEEN d.first_at AND d.last_at AND e.deposit_id = d.id
    WHERE d.id = %(deposit)s AND (%(ordinal)s::int IS NULL OR e.ordinal = %(ordinal)s)
), left_of AS MATERIALIZED (
    SELECT e.at, e.id, e.source_id, e.trace, e.agent_id
    FROM (SELECT DISTINCT source_id, trace FROM emptied WHERE trace IS NOT NULL) t
    JOIN evidence_event e ON e.trace = t.trace AND e.source_id = t.source_id
)
DELETE FROM evidence_agentabove a USING left_of s
WHERE a.at = s.at AND a.id = s.id AND (
    EXISTS (SELECT FROM emptied e WHERE e.at = a.at AND e.id = a.id)
    OR NOT EXISTS (SELECT FROM left_of n WHERE n.source_id = s.source_id AND n.trace = s.trace
                   AND n.agent_id = a.agent_id))
"""


def let_go(cursor: Any, bounds: tuple[Any, Any]) -> None:
    """What was said of spans of this time that are gone."""
    cursor.execute(_OF_NO_EVENT, bounds)


def read_anew(cursor: Any, reading: int) -> None:
    """What was said of spans that this reading replaced."""
    cursor.execute(_READ_ANEW, [reading])


def unname(cursor: Any, deposit: int, ordinal: int | None) -> None:
    """What was said of spans whose names were erased, and by them."""
    cursor.execute(_UNNAMED, {"deposit": deposit, "ordinal": ordinal})
