"""A finding for traces that contradict a log, and links that are shown with each event read once.

The view asked each link of an event for all the others, twice: of 2,000 copies of one request id
four million. Now an event's links are graded together, in one pass: the view goes from the first
link of each event to all of them. So it is asked by events; who has spans finds their events in
evidence_link first.
"""

from django.db import migrations, models

VIEW = """
CREATE OR REPLACE VIEW evidence_shownlink WITH (security_invoker = true) AS
SELECT l.effect_at, l.effect_id, s.cause_at, s.cause_id, s.proof, s.strength, s.recorded_at, s.runs,
       CASE WHEN s.stated = 1 THEN evidence_rivals(s.cause_at, s.cause_id)
            WHEN s.proof IN (4, 5, 6, 7) AND s.together = 1 THEN coalesce(nullif(
                evidence_doubt(l.effect_at, l.effect_id, s.cause_at, s.cause_id, s.proof), 0),
                CASE WHEN s.proof IN (4, 5) THEN (
                    SELECT evidence_surplus(e.credential_id, e.action_id,
                                            date_trunc('second', e.at, 'UTC'))
                    FROM evidence_event e WHERE e.at = l.effect_at AND e.id = l.effect_id) END, 0)
            ELSE 0 END AS surplus
FROM evidence_link l
CROSS JOIN LATERAL (
    WITH o AS MATERIALIZED (
        SELECT x.cause_at, x.cause_id, x.proof, x.strength AS stated, x.recorded_at,
               identities_link_strength(x.effect_at, x.effect_id, x.cause_at, x.cause_id,
                                        x.proof, x.strength) AS strength,
               max(x.proof) OVER (PARTITION BY x.cause_at, x.cause_id) AS last,
               c.id IS NOT NULL AS there, c.source_id, c.trace
        FROM evidence_link x
        LEFT JOIN evidence_event c ON c.at = x.cause_at AND c.id = x.cause_id
        WHERE x.effect_at = l.effect_at AND x.effect_id = l.effect_id
    ), g AS MATERIALIZED (
        -- The strongest of the event, and its runs. One trace that two sources send is one run.
        SELECT o.strength, o.proof = 3 AS issued,
               CASE WHEN o.strength = 3 THEN count(DISTINCT o.trace)
                   ELSE count(DISTINCT (o.source_id, o.trace)) END AS runs
        FROM o WHERE o.there GROUP BY 1, 2 ORDER BY 1 DESC, 2 LIMIT 1
    ), i AS MATERIALIZED (
        -- Of inferred links: read only where there are some.
        SELECT evidence_explained(l.effect_at, l.effect_id) AS explained, (
            SELECT count(DISTINCT (o.source_id, o.trace)) FROM o
            JOIN evidence_run r ON r.source_id = o.source_id AND r.trace = o.trace
            WHERE o.stated = 1 AND r.api_calls = 0) AS runs
    )
    SELECT o.cause_at, o.cause_id, o.proof, o.stated, o.recorded_at, g.runs AS together,
           (CASE WHEN o.strength = 3 AND g.runs > 1 THEN 2 ELSE o.strength END)::smallint
               AS strength,
           -- Of claims 0, because no run is named by one.
           CASE WHEN o.strength = 0 THEN 0 WHEN o.strength > 1 THEN g.runs
                ELSE (SELECT i.runs FROM i) END AS runs
    FROM o CROSS JOIN g
    WHERE CASE WHEN o.strength = 0 THEN true
        WHEN o.strength > 1 THEN o.strength = g.strength AND (o.proof = 3) = g.issued
        -- Of one pair the proof with the most reasons; a later one has the earlier's too.
        ELSE o.proof = o.last AND evidence_of_silent_run(o.cause_at, o.cause_id)
            AND NOT (SELECT i.explained FROM i) END
    OFFSET 0
) s
WHERE (l.cause_at, l.cause_id, l.proof) = (
    SELECT f.cause_at, f.cause_id, f.proof FROM evidence_link f
    WHERE f.effect_at = l.effect_at AND f.effect_id = l.effect_id
    ORDER BY f.cause_at, f.cause_id, f.proof LIMIT 1)
"""
# Both are linked at that time, and to no identity in common (identities/judging/holders.py).
DIFFERS = """
CREATE FUNCTION identities_caller_differs(
    moment timestamptz, event bigint, began timestamptz, cause bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce((
        SELECT cardinality(w.named) > 0 AND cardinality(w.accounts) > 0 AND NOT w.named && w.accounts
        FROM evidence_event e
        JOIN evidence_event s ON s.at = began AND s.id = cause
        LEFT JOIN evidence_run r ON r.source_id = s.source_id AND r.trace = s.trace
        CROSS JOIN LATERAL (SELECT coalesce(
            identities_of_actor(coalesce(s.agent_id, (
                SELECT n.agent_id FROM evidence_agentabove n
                WHERE n.at = s.at AND n.id = s.id), r.agent_id), e.at),
            identities_of_actor(coalesce(s.principal_id, r.service_id), e.at)) AS named,
            array_cat(identities_of_actor(e.principal_id, e.at),
                      identities_of_actor(e.credential_id, e.at)) AS accounts) w
        WHERE e.at = moment AND e.id = event), false)
$$
"""
RULES = (
    "no_authority",
    "outside_resources",
    "after_expiry",
    "after_revocation",
    "shared_credential",
    "no_run",
    "left_task",
    "after_refusal",
    "no_mfa",
    "outside_instance",
    "conflicting_trace",
)


class Migration(migrations.Migration):
    dependencies = [("identities", "0039_link_signed_by_second")]
    operations = [
        migrations.RunSQL(VIEW),
        migrations.RunSQL(DIFFERS),
        migrations.RemoveConstraint(model_name="finding", name="finding_rule_is_known"),
        migrations.AddConstraint(
            model_name="finding",
            constraint=models.CheckConstraint(
                name="finding_rule_is_known", condition=models.Q(rule__in=RULES)
            ),
        ),
    ]
