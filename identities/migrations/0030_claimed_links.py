"""A request id is a claim until the agent of its span is linked to the account that called.

Whoever reads a log can copy a request id into a span of their own. So a link by request id is
exact only while the span's agent (or, where none is known, its service) and the event's principal
or credential are linked to one identity at the event's time, and the span's source may speak for
the realm of the event. Without that it is claimed: strength 0, shown, and counted nowhere.

identities_link_strength is asked whenever a link is shown or counted, because links to accounts
are confirmed and taken back later than links of evidence are written; evidence_link keeps what the
records state. Where several traces are exact for one event, none of them is: it is by key, one of
several runs.
"""

from django.db import migrations

# The identities that an actor is linked to at a moment: by its own confirmed links, else by those
# of the nearest above it. identities/judging/holders.py says the same.
OF_ACTOR = """
CREATE FUNCTION identities_of_actor(actor bigint, moment timestamptz) RETURNS uuid[]
LANGUAGE sql STABLE PARALLEL SAFE STRICT AS $$
    WITH RECURSIVE line(id, depth) AS (
        SELECT actor, 0
        UNION ALL
        SELECT n.id, line.depth + 1
        FROM line JOIN evidence_actor a ON a.id = line.id
        CROSS JOIN LATERAL (SELECT coalesce(a.parent_id, (
            SELECT i.issued_to_id FROM evidence_issuance i
            WHERE i.credential_id = a.id AND i.issued_to_id IS NOT NULL LIMIT 1)) AS id) n
        WHERE line.depth < 3 AND n.id IS NOT NULL
    )
    SELECT array_agg(b.identity_id)
    FROM line JOIN identities_binding b ON b.actor_id = line.id AND b.state = 'confirmed'
        AND b.superseded_at IS NULL AND b.during @> moment
    GROUP BY line.depth ORDER BY line.depth LIMIT 1
$$
"""
AGREES = """
CREATE FUNCTION identities_caller_agrees(
    moment timestamptz, event bigint, began timestamptz, cause bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT EXISTS (
        SELECT FROM evidence_event e
        JOIN evidence_event s ON s.at = began AND s.id = cause
        JOIN evidence_source o ON o.id = s.source_id
        LEFT JOIN evidence_run r ON r.source_id = s.source_id AND r.trace = s.trace
        LEFT JOIN evidence_actor a ON a.id = coalesce(e.principal_id, e.credential_id)
        WHERE e.at = moment AND e.id = event
          AND (o.realms = '{}' OR a.realm = ANY(o.realms))
          AND coalesce(
                identities_of_actor(coalesce(s.agent_id, (
                    SELECT n.agent_id FROM evidence_agentabove n
                    WHERE n.at = s.at AND n.id = s.id), r.agent_id), e.at),
                identities_of_actor(coalesce(s.principal_id, r.service_id), e.at))
              && array_cat(
                identities_of_actor(e.principal_id, e.at),
                identities_of_actor(e.credential_id, e.at)))
$$
"""
# By request id, or by the tool call above it: 1, 2; by the key that a tool call was issued: 3.
STRENGTH = """
CREATE FUNCTION identities_link_strength(
    moment timestamptz, event bigint, began timestamptz, cause bigint,
    proof smallint, stated smallint) RETURNS smallint
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN proof NOT IN (1, 2, 3) THEN stated
        WHEN proof IN (1, 2) AND identities_caller_agrees(moment, event, began, cause) THEN stated
        WHEN proof = 3 AND EXISTS (
            SELECT FROM evidence_event e
            JOIN evidence_issuance i ON i.credential_id = e.credential_id
            WHERE e.at = moment AND e.id = event
              AND EXISTS (SELECT FROM evidence_link l WHERE l.effect_at = i.at
                    AND l.effect_id = i.event_id AND l.cause_at = began AND l.cause_id = cause
                    AND l.proof = 2)
              AND identities_caller_agrees(i.at, i.event_id, began, cause)) THEN stated
        ELSE 0::smallint END
$$
"""
_OF = (
    "identities_link_strength({0}.effect_at, {0}.effect_id, {0}.cause_at, {0}.cause_id,"
    " {0}.proof, {0}.strength)"
)
# runs: of claims 0, because no run is named by one.
VIEW = f"""
CREATE OR REPLACE VIEW evidence_shownlink WITH (security_invoker = true) AS
SELECT l.effect_at, l.effect_id, l.cause_at, l.cause_id, l.proof,
       (CASE WHEN w.strength = 3 AND g.runs > 1 THEN 2 ELSE w.strength END)::smallint AS strength,
       l.recorded_at,
       CASE WHEN w.strength = 0 THEN 0 WHEN w.strength > 1 THEN g.runs ELSE (
           SELECT count(DISTINCT (s.source_id, s.trace))
           FROM evidence_link o
           JOIN evidence_event s ON s.at = o.cause_at AND s.id = o.cause_id
           JOIN evidence_run r ON r.source_id = s.source_id AND r.trace = s.trace
           WHERE o.effect_at = l.effect_at AND o.effect_id = l.effect_id
             AND o.strength = 1 AND r.api_calls = 0) END AS runs,
       CASE WHEN l.strength = 1 THEN evidence_rivals(l.cause_at, l.cause_id)
            WHEN l.proof IN (4, 5, 6, 7) AND g.runs = 1 THEN coalesce(nullif(
                evidence_doubt(l.effect_at, l.effect_id, l.cause_at, l.cause_id, l.proof), 0),
                CASE WHEN l.proof IN (4, 5) THEN (
                    SELECT evidence_surplus(e.credential_id, e.action_id,
                                            date_trunc('second', e.at, 'UTC'))
                    FROM evidence_event e WHERE e.at = l.effect_at AND e.id = l.effect_id) END, 0)
            ELSE 0 END AS surplus
FROM evidence_link l
CROSS JOIN LATERAL (SELECT {_OF.format("l")} AS strength OFFSET 0) w
-- The strongest of the event, and its runs. One trace that two sources send is one run.
CROSS JOIN LATERAL (
    SELECT b.strength, b.issued, CASE WHEN b.strength = 3 THEN count(DISTINCT b.trace)
               ELSE count(DISTINCT (b.source_id, b.trace)) END AS runs
    FROM (SELECT {_OF.format("o")} AS strength, o.proof = 3 AS issued, s.source_id, s.trace
          FROM evidence_link o JOIN evidence_event s ON s.at = o.cause_at AND s.id = o.cause_id
          WHERE o.effect_at = l.effect_at AND o.effect_id = l.effect_id) b
    GROUP BY 1, 2 ORDER BY 1 DESC, 2 OFFSET 0 LIMIT 1) g
WHERE CASE WHEN w.strength = 0 THEN true
    WHEN w.strength > 1 THEN w.strength = g.strength AND (l.proof = 3) = g.issued
    ELSE
        -- Of one pair the proof with the most reasons; a later one has the earlier's too.
        NOT EXISTS (SELECT FROM evidence_link b
            WHERE b.effect_at = l.effect_at AND b.effect_id = l.effect_id
              AND b.cause_at = l.cause_at AND b.cause_id = l.cause_id AND b.proof > l.proof)
        AND evidence_of_silent_run(l.cause_at, l.cause_id)
        AND NOT evidence_explained(l.effect_at, l.effect_id)
    END
"""  # noqa: S608 - our own words


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0031_failed_since"),
        ("identities", "0029_strengths_without_events"),
    ]

    operations = [migrations.RunSQL(sql) for sql in (OF_ACTOR, AGREES, STRENGTH, VIEW)]
