"""Which spans tell a tool call that a span above them tells already: the rows of evidence_retold.

Owns how they are found, as a part of the statement that reads the spans of traces that have grown
(evidence/runs.py), and when they go again. A framework, the client of a protocol and its server
each write a span of one call: all stay on the line, and one is counted. Must not know who counts.
"""

from typing import Any

from evidence import above

# Upwards from every tool call to the nearest one above it, over steps and calls of an SDK only: who
# runs an agent or asks a model in between has begun something else. The two are one call where they
# name the same tool, or the outer names it within its server (`mcp__billing__read_invoice`).
# Nothing is left out of any trace that grows, and what was found is never taken back by a span
# that comes later, so that the order does not matter.
# Of most tool calls nothing above begins such a way, and nothing is walked.
RETOLD = """way AS MATERIALIZED (
    SELECT DISTINCT trace, span FROM span
    WHERE (activity = %(tool)s OR activity IN (%(step)s, %(api)s) AND parent_span IS NOT NULL)
      AND CASE WHEN (trace, span) IN (
            SELECT trace, parent_span FROM span
            WHERE activity = %(tool)s AND parent_span IS NOT NULL) THEN true END
), told AS MATERIALIZED (
    SELECT s.trace, s.span, s.parent_span, s.at, s.id, s.action_id,
           s.new OR CASE WHEN (s.trace, s.span) IN (SELECT trace, span FROM reached)
               THEN true ELSE false END AS fresh
    FROM way w JOIN span s ON s.trace = w.trace AND s.parent_span = w.span
    WHERE s.activity = %(tool)s
      AND CASE WHEN s.trace IN (SELECT trace FROM summed WHERE tool_calls > 1) THEN true END
), climb AS (
    SELECT trace, span, at, id, action_id, fresh, parent_span AS here, 1 AS depth FROM told
    UNION
    SELECT c.trace, c.span, c.at, c.id, c.action_id, c.fresh, p.parent_span, c.depth + 1
    FROM climb c JOIN span p ON p.trace = c.trace AND p.span = c.here
    WHERE p.activity IN (%(step)s, %(api)s) AND p.parent_span IS NOT NULL
      AND c.depth < %(deepest)s
), nearest AS MATERIALIZED (
    SELECT DISTINCT c.trace, c.at, c.id, c.fresh, c.action_id, o.at AS by_at, o.id AS by_id,
           o.action_id AS by_action
    FROM climb c JOIN span o ON o.trace = c.trace AND o.span = c.here AND o.activity = %(tool)s
     -- Two that claim to be above one another tell nothing.
     AND o.span <> c.span AND o.parent_span IS DISTINCT FROM c.span
), retold AS MATERIALIZED (
    SELECT trace, at, id, by_at, by_id, fresh FROM nearest n
    WHERE action_id = by_action OR CASE WHEN action_id <> by_action THEN (
        SELECT lower(outer_.value COLLATE "C") = lower(inner_.value COLLATE "C")
            OR lower(outer_.value COLLATE "C") LIKE ANY (ARRAY(
                SELECT '%%' || mark || replace(replace(replace(
                    lower(inner_.value COLLATE "C"), '\\', '\\\\'), '%%', '\\%%'), '_', '\\_')
                FROM unnest(ARRAY['\\_\\_', '.', '/', ':']) AS mark))
        FROM evidence_term inner_, evidence_term outer_
        WHERE inner_.id = n.action_id AND outer_.id = n.by_action) END
), repeated AS (
    INSERT INTO evidence_retold (at, id, by_at, by_id)
    SELECT at, id, by_at, by_id FROM retold WHERE fresh ORDER BY 1, 2, 3, 4
    ON CONFLICT DO NOTHING
)"""

# Of spans that are gone, as when a month gave way. A run lasts no longer than a month besides.
_OF_NO_EVENT = """
DELETE FROM evidence_retold r
WHERE r.at >= %(since)s - interval '31 days' AND r.at < %(until)s + interval '31 days' AND (
    (r.at >= %(since)s AND r.at < %(until)s AND NOT EXISTS (
        SELECT FROM evidence_event e WHERE e.at = r.at AND e.id = r.id))
    OR (r.by_at >= %(since)s AND r.by_at < %(until)s AND NOT EXISTS (
        SELECT FROM evidence_event e WHERE e.at = r.by_at AND e.id = r.by_id)))
"""
# Of spans that were read anew and of those below them: it is found again when they are linked.
_READ_ANEW = (
    above.BELOW_READ_ANEW
    + """
DELETE FROM evidence_retold r USING below b WHERE r.at = b.at AND r.id = b.id
"""
)


def let_go(cursor: Any, bounds: tuple[Any, Any]) -> None:
    """What was said of spans of this time that are gone."""
    cursor.execute(_OF_NO_EVENT, {"since": bounds[0], "until": bounds[1]})


def read_anew(cursor: Any, reading: int) -> None:
    """What was said of spans that this reading replaced, and of those below them."""
    cursor.execute(_READ_ANEW, [reading])
