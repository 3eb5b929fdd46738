"""Links by key: how spans that claim a credential are found, and which links are shown.

Spans with a request id are found by that, so the index holds few rows. The view gives of each
API event the strongest links only: rows of evidence_link are insert-only, and weaker ones stay
beside a stronger. `runs` is how many runs these come from; where it is more than 1, which of
them it was cannot be told. `surplus` is how many more API events than spans there are around an
event that is linked by credential: somebody else used the key at the same time, or a call was
tried again, and which event is the run's cannot be told either. Of two links by key, which key
was used (proof 4, 5) says more than whom it was issued to (3). The scalar subqueries keep the
planner from joining the whole table.
"""

from django.db import migrations

INDEX = """
CREATE INDEX event_claims_credential ON evidence_event (credential_id, action_id, at)
    WHERE plane = 2 AND request_id IS NULL AND credential_id IS NOT NULL
"""
# The seconds are correlation.SKEW_MICROS and LONGEST_CALL_MICROS: every span that one of the
# counted events may be of is counted, so that events alone at the edge are no surplus.
SURPLUS = """
CREATE FUNCTION evidence_surplus(used bigint, act bigint, moment timestamptz)
RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT greatest(0, (
        SELECT count(*) FROM (
            SELECT FROM evidence_event e
            WHERE e.credential_id = used AND e.action_id = act AND e.plane = 1
              AND e.at BETWEEN moment - interval '5 s' AND moment + interval '5 s'
              AND NOT EXISTS (SELECT FROM evidence_link x WHERE x.effect_at = e.at
                              AND x.effect_id = e.id AND x.strength = 3)
            LIMIT 1000) called
    ) - (
        SELECT count(*) FROM (
            SELECT FROM evidence_event s
            WHERE s.credential_id = used AND s.action_id = act AND s.plane = 2
              AND s.request_id IS NULL
              AND s.at BETWEEN moment - interval '70 s' AND moment + interval '10 s'
              AND s.at + least(greatest(coalesce(s.duration, 0), 0), 60000000)
                  * interval '1 microsecond' >= moment - interval '10 s'
            LIMIT 1000) traced))
$$
"""
VIEW = """
CREATE VIEW evidence_shownlink WITH (security_invoker = true) AS
SELECT l.effect_at, l.effect_id, l.cause_at, l.cause_id, l.proof, l.strength, l.recorded_at,
       CASE WHEN l.strength = 3 THEN 1 ELSE (
           SELECT count(DISTINCT (s.source_id, s.trace))
           FROM evidence_link o
           JOIN evidence_event s ON s.at = o.cause_at AND s.id = o.cause_id
           WHERE o.effect_at = l.effect_at AND o.effect_id = l.effect_id
             AND o.strength = l.strength AND (o.proof = 3) = (l.proof = 3)) END AS runs,
       CASE WHEN l.proof NOT IN (4, 5) THEN 0 ELSE (
           SELECT evidence_surplus(e.credential_id, e.action_id, e.at)
           FROM evidence_event e WHERE e.at = l.effect_at AND e.id = l.effect_id) END AS surplus
FROM evidence_link l
WHERE l.strength * 2 - (l.proof = 3)::int = (
    SELECT max(b.strength * 2 - (b.proof = 3)::int) FROM evidence_link b
    WHERE b.effect_at = l.effect_at AND b.effect_id = l.effect_id)
"""


class Migration(migrations.Migration):
    dependencies = [("evidence", "0004_runs_of_a_service")]

    operations = [
        migrations.RunSQL(INDEX, "DROP INDEX event_claims_credential"),
        migrations.RunSQL(SURPLUS, "DROP FUNCTION evidence_surplus(bigint, bigint, timestamptz)"),
        migrations.RunSQL(VIEW, "DROP VIEW evidence_shownlink"),
    ]
