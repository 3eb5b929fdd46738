"""Of an inferred link the best runs are shown, five at most (evidence/0032), and a claim hides none.

Whether a link leads to a run is asked of what is shown: what one record states, while nobody has
linked its agent to the account that called, explains no call. The rest of the view is as in 0030.
"""

from django.db import migrations

_OF = (
    "identities_link_strength({0}.effect_at, {0}.effect_id, {0}.cause_at, {0}.cause_id,"
    " {0}.proof, {0}.strength)"
)
EXPLAINED = f"""
CREATE OR REPLACE FUNCTION evidence_explained(moment timestamptz, event bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT EXISTS (
        SELECT FROM evidence_link l
        JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id
        JOIN evidence_run r ON r.source_id = s.source_id AND r.trace = s.trace
        WHERE l.effect_at = moment AND l.effect_id = event AND l.strength > 1
          AND {_OF.format("l")} > 0)
$$
"""  # noqa: S608 - our own words
VIEW = f"""
CREATE OR REPLACE VIEW evidence_shownlink WITH (security_invoker = true) AS
SELECT l.effect_at, l.effect_id, l.cause_at, l.cause_id, l.proof,
       (CASE WHEN w.strength = 3 AND g.runs > 1 THEN 2 ELSE w.strength END)::smallint AS strength,
       l.recorded_at,
       CASE WHEN w.strength = 0 THEN 0 WHEN w.strength > 1 THEN g.runs ELSE i.likely[2] END AS runs,
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
CROSS JOIN LATERAL (SELECT CASE WHEN l.strength = 1 THEN
    evidence_likely(l.effect_at, l.effect_id) END AS likely OFFSET 0) i
WHERE CASE WHEN w.strength = 0 THEN true
    WHEN w.strength > 1 THEN w.strength = g.strength AND (l.proof = 3) = g.issued
    ELSE
        -- Of one pair the proof with the most reasons; a later one has the earlier's too.
        NOT EXISTS (SELECT FROM evidence_link b
            WHERE b.effect_at = l.effect_at AND b.effect_id = l.effect_id
              AND b.cause_at = l.cause_at AND b.cause_id = l.cause_id AND b.proof > l.proof)
        AND evidence_of_silent_run(l.cause_at, l.cause_id)
        AND NOT evidence_explained(l.effect_at, l.effect_id)
        AND i.likely[2] BETWEEN 1 AND 5 AND evidence_points(l.proof) >= i.likely[1]
        AND NOT evidence_from_elsewhere(l.effect_at, l.effect_id, l.cause_at, l.cause_id)
    END
"""  # noqa: S608 - our own words


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0032_inferred_sets"),
        ("identities", "0036_taken_along"),
    ]

    operations = [migrations.RunSQL(sql) for sql in (EXPLAINED, VIEW)]
