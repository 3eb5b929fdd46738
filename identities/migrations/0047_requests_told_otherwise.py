"""Of two records of one request that disagree neither proves a run.

A record with a copied request id, in a second log or in the same one, was linked to the span of that
request as exactly as the record of the call itself. Now records of one request id and caller's realm
are compared: where they name another caller, key or address for one action, neither is exact; nor where
records of two sources differ in resource, outcome or time (by more than a second), or where another
source's record that a span states as well names another operation of the same service.
"""

from importlib import import_module

from django.db import migrations

_BEFORE = import_module("identities.migrations.0044_inferred_places")

# The sources that tell the request of this event otherwise, and what differs there. Of more than a
# thousand records of one request it cannot be told which was the request.
TOLD = """
CREATE FUNCTION identities_told_otherwise(moment timestamptz, event bigint)
RETURNS TABLE (source_id bigint, differs text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT f.source_id, d.differs
    FROM evidence_event e
    JOIN evidence_actor ea ON ea.id = coalesce(e.principal_id, e.credential_id)
    CROSS JOIN LATERAL (
        SELECT r.*, row_number() OVER () AS place FROM evidence_event r
        WHERE hashtextextended(r.request_id, 0) = hashtextextended(e.request_id, 0)
          AND r.request_id = e.request_id AND r.plane = 1
          AND r.at BETWEEN e.at - interval '1 day' AND e.at + interval '1 day'
          AND (r.at, r.id) <> (e.at, e.id)
        LIMIT 1001) f
    JOIN evidence_actor fa ON fa.id = coalesce(f.principal_id, f.credential_id)
        AND (f.credential_id = e.credential_id OR fa.realm = ea.realm
            OR starts_with(fa.realm, ea.realm || ':') OR starts_with(ea.realm, fa.realm || ':'))
    JOIN evidence_source o ON o.id = f.source_id
        AND (o.realms = '{}' OR o.realms && ARRAY[ea.realm, fa.realm])
    CROSS JOIN LATERAL (
        SELECT f.action_id = e.action_id AS same, f.source_id <> e.source_id AS elsewhere) w
    CROSS JOIN LATERAL (SELECT concat_ws(', ',
        -- One caller may have several kinds of names, which differ and do not disagree.
        CASE WHEN w.same AND (fa.kind = ea.kind AND fa.id <> ea.id
            OR f.credential_id <> e.credential_id) THEN 'caller' END,
        CASE WHEN w.same AND f.address_id <> e.address_id THEN 'address' END,
        CASE WHEN w.same AND w.elsewhere AND f.resource_id <> e.resource_id THEN 'resource' END,
        CASE WHEN w.same AND w.elsewhere AND f.outcome <> e.outcome AND f.outcome <> 0
            AND e.outcome <> 0 THEN 'outcome' END,
        CASE WHEN w.same AND w.elsewhere AND f.time_basis = 1 AND e.time_basis = 1
            AND abs(extract(epoch FROM f.at - e.at)) > 1 THEN 'time' END,
        CASE WHEN NOT w.same AND w.elsewhere AND (
            SELECT split_part(lower(ft.value), ':', 1) = split_part(lower(et.value), ':', 1)
            FROM evidence_term ft, evidence_term et
            WHERE ft.id = f.action_id AND et.id = e.action_id)
            AND EXISTS (SELECT FROM evidence_link l WHERE l.effect_at = f.at
                AND l.effect_id = f.id AND l.proof = 1) THEN 'operation' END,
        CASE WHEN f.place > 1000 THEN 'more than 1,000 records' END) AS differs) d
    WHERE e.at = moment AND e.id = event AND d.differs <> ''
$$
"""
# Whether that is so of what a link rests on: of an issued key, the event that issued it.
CONTESTED = """
CREATE FUNCTION identities_is_contested(moment timestamptz, event bigint, proof smallint)
RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN proof IN (1, 2) THEN EXISTS (SELECT FROM identities_told_otherwise(moment, event))
        WHEN proof = 3 THEN EXISTS (
            SELECT FROM evidence_event e
            JOIN evidence_issuance i ON i.credential_id = e.credential_id
            CROSS JOIN LATERAL identities_told_otherwise(i.at, i.event_id) t
            WHERE e.at = moment AND e.id = event)
        ELSE false END
$$
"""
STRENGTH = """
CREATE OR REPLACE FUNCTION identities_link_strength(
    moment timestamptz, event bigint, began timestamptz, cause bigint,
    proof smallint, stated smallint) RETURNS smallint
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN proof NOT IN (1, 2, 3) THEN stated
        WHEN proof IN (1, 2) AND identities_caller_agrees(moment, event, began, cause)
            AND NOT identities_is_contested(moment, event, proof) THEN stated
        WHEN proof = 3 AND EXISTS (
            SELECT FROM evidence_event e
            JOIN evidence_issuance i ON i.credential_id = e.credential_id
            WHERE e.at = moment AND e.id = event
              AND EXISTS (SELECT FROM evidence_link l WHERE l.effect_at = i.at
                    AND l.effect_id = i.event_id AND l.cause_at = began AND l.cause_id = cause
                    AND l.proof = 2)
              AND identities_caller_agrees(i.at, i.event_id, began, cause)
              AND NOT identities_is_contested(i.at, i.event_id, 2::smallint)) THEN stated
        ELSE 0::smallint END
$$
"""
_SURPLUS = "            WHEN s.proof IN (3, 4, 5, 6, 7)\n"
_CONTESTED = """            WHEN s.strength = 0
                AND identities_is_contested(l.effect_at, l.effect_id, s.proof) THEN -5
"""
VIEW = _BEFORE.VIEW.replace(_SURPLUS, _CONTESTED + _SURPLUS)


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0037_records_of_one_request"),
        ("identities", "0046_judge_again"),
    ]

    operations = [migrations.RunSQL(sql) for sql in (TOLD, CONTESTED, STRENGTH, VIEW)]
