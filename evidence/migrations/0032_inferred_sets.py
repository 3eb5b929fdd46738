"""Inferred links of SDK calls without ids, and which of several runs an inferred link shows.

A call of an SDK that states neither request id nor credential says which operation its run called,
and when: such spans are found by time (event_call_without_id). A run is named where the next best is
clearly worse; else the best are shown together, five at most. Where a tool call may have made calls
from several addresses, those are left out whose address explains fewer of the run's calls, or of the
service's.

The functions repeat numbers of evidence/vocabulary.py and evidence/inference.py, which a test
compares.
"""

from django.db import migrations, models

INDEX = """
CREATE INDEX event_call_without_id ON evidence_event (at)
    WHERE plane = 2 AND activity = 11 AND request_id IS NULL AND credential_id IS NULL
"""
POINTS = """
CREATE FUNCTION evidence_points(proof smallint) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT 20 + (proof & 1) * 10 + (proof >> 1 & 1) * 10 + (proof >> 2 & 1) * 10
        + (proof >> 3 & 1) * 10 + (proof >> 4 & 1) * 10 + (proof >> 5 & 1) * 15
        + (proof >> 6 & 1) * 25
$$
"""
# Spans from which calls are inferred: tool calls of runs that show no calls of an SDK, and calls of
# an SDK that do not say which event of a log they are.
SILENT = """
CREATE OR REPLACE FUNCTION evidence_of_silent_run(moment timestamptz, event bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT EXISTS (
        SELECT FROM evidence_event t
        JOIN evidence_run r ON r.source_id = t.source_id AND r.trace = t.trace
        WHERE t.at = moment AND t.id = event
          AND CASE WHEN t.activity = 11 THEN t.request_id IS NULL AND t.credential_id IS NULL
                   ELSE r.api_calls = 0 END)
$$
"""
# Where the calls came from that this span may have made; of several addresses also how many spans
# of its run each would explain, and, where that is the same, of its service within an hour.
EXPLAINS = """
        SELECT count(DISTINCT (t.at, t.id))
        FROM ({spans}) t
        JOIN evidence_link x ON x.cause_at = t.at AND x.cause_id = t.id AND x.strength = 1
        JOIN evidence_event e ON e.at = x.effect_at AND e.id = x.effect_id
        WHERE coalesce(e.address_id, 0) = p.address
          AND evidence_of_silent_run(t.at, t.id) AND NOT evidence_explained(e.at, e.id)"""
OF_RUN = """SELECT t.at, t.id FROM evidence_event t
              WHERE t.trace = c.trace AND t.source_id = c.source_id AND t.plane = 2
                AND t.activity IN (7, 11)"""
OF_SERVICE = """SELECT t.at, t.id FROM evidence_event t
              WHERE t.principal_id = c.principal_id AND t.source_id = c.source_id AND t.plane = 2
                AND t.activity IN (7, 11)
                AND t.at BETWEEN c.at - interval '1 hour' AND c.at + interval '1 hour'
              ORDER BY t.at, t.id LIMIT 1000"""
PLACES = f"""
CREATE FUNCTION evidence_places(moment timestamptz, event bigint)
RETURNS TABLE (address bigint, calls bigint) LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT p.address, CASE WHEN count(*) OVER () = 1 THEN 1 ELSE
        1000000 * ({EXPLAINS.format(spans=OF_RUN)})
        + ({EXPLAINS.format(spans=OF_SERVICE)}) END
    FROM (
        SELECT DISTINCT coalesce(e.address_id, 0) AS address
        FROM (SELECT DISTINCT effect_at, effect_id FROM evidence_link
              WHERE cause_at = moment AND cause_id = event AND strength = 1 LIMIT 1000) x
        JOIN evidence_event e ON e.at = x.effect_at AND e.id = x.effect_id
        WHERE NOT evidence_explained(e.at, e.id)) p
    JOIN evidence_event c ON c.at = moment AND c.id = event
$$
"""  # noqa: S608 - our own words
RIVALS = """
CREATE OR REPLACE FUNCTION evidence_rivals(moment timestamptz, event bigint)
RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT greatest(0, count(*) - 1)
    FROM (SELECT calls, max(calls) OVER () AS most FROM evidence_places(moment, event)) p
    WHERE calls = most
$$
"""
ELSEWHERE = """
CREATE FUNCTION evidence_from_elsewhere(
    moment timestamptz, event bigint, began timestamptz, cause bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(bool_or(p.address = coalesce(e.address_id, 0) AND p.calls < p.most), false)
    FROM (SELECT address, calls, max(calls) OVER () AS most
          FROM evidence_places(began, cause)) p
    JOIN evidence_event e ON e.at = moment AND e.id = event
$$
"""
# The points that a link needs to be of the best runs for an event, and how many runs these are.
LIKELY = """
CREATE FUNCTION evidence_likely(moment timestamptz, event bigint)
RETURNS bigint[] LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT ARRAY[min(most) - 14, count(*) FILTER (WHERE points > most - 15)]
    FROM (
        SELECT max(evidence_points(o.proof)) AS points,
               max(max(evidence_points(o.proof))) OVER () AS most
        FROM evidence_link o
        JOIN evidence_event s ON s.at = o.cause_at AND s.id = o.cause_id
        WHERE o.effect_at = moment AND o.effect_id = event AND o.strength = 1
          AND evidence_of_silent_run(o.cause_at, o.cause_id)
          AND NOT evidence_from_elsewhere(o.effect_at, o.effect_id, o.cause_at, o.cause_id)
        GROUP BY s.source_id, s.trace) run
$$
"""


class Migration(migrations.Migration):
    dependencies = [("evidence", "0031_failed_since")]

    operations = [
        migrations.AddField("clocktaken", "voted", models.BooleanField(db_default=False)),
        *(
            migrations.RunSQL(sql)
            for sql in (INDEX, POINTS, SILENT, PLACES, RIVALS, ELSEWHERE, LIKELY)
        ),
    ]
