"""Of inferred links: where a caller's other calls for the service come from, and one call for a span.

A call is given to no run of a service whose spans around it are nearly all explained by calls of
the same caller from another place; where another place explains as many, no run is named. A run
with fewer points than the best is left out where its span has another call that fits it better.
Where several such calls fit one span only, and spans like it make one, none is named (-4).

The functions repeat numbers of evidence/inference.py, which a test compares.
"""

from importlib import import_module

from django.db import migrations

_BEFORE = import_module("identities.migrations.0043_networks_of_keys")

# Addresses inside of networks of one's own are one place: containers move between them.
PLACE_OF = """
CREATE FUNCTION evidence_place_of(address bigint) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN n.net::inet <<= ANY ('{10.0.0.0/8,100.64.0.0/10,127.0.0.0/8,172.16.0.0/12,
            192.168.0.0/16,fc00::/7}'::inet[]) THEN 'inside' ELSE coalesce(n.net, t.value) END
    FROM evidence_term t
    CROSS JOIN LATERAL (SELECT evidence_network(t.value) AS net) n
    WHERE t.id = address
$$
"""
_NEAR = """(SELECT t.at, t.id, t.activity, t.action_id FROM evidence_event t
             WHERE t.principal_id = c.principal_id AND t.source_id = c.source_id AND t.plane = 2
               AND t.activity IN (7, 11) AND t.at BETWEEN {between} AND (t.at, t.id) {beyond} (c.at, c.id)
             ORDER BY t.at {way}, t.id {way} LIMIT 10)"""
# A span, and those of its service around it: ten before and ten after, within an hour.
AROUND = f"""
CREATE FUNCTION evidence_spans_around(moment timestamptz, event bigint)
RETURNS TABLE (at timestamptz, id bigint, activity smallint, action_id bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT n.* FROM evidence_event c CROSS JOIN LATERAL (
        SELECT c.at, c.id, c.activity, c.action_id
        UNION ALL {_NEAR.format(between="c.at - interval '1 hour' AND c.at", beyond="<", way="DESC")}
        UNION ALL {_NEAR.format(between="c.at AND c.at + interval '1 hour'", beyond=">", way="ASC")}
    ) n
    WHERE c.at = moment AND c.id = event
$$
"""  # noqa: S608 - our own words
# How many of these spans calls of the same caller from the event's place explain, and the most that
# calls from another place do. Most callers call from one place: then nothing else is asked.
PLACE = """
CREATE FUNCTION evidence_place(
    moment timestamptz, event bigint, began timestamptz, cause bigint) RETURNS bigint[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH e AS MATERIALIZED (
        SELECT principal_id, coalesce(evidence_place_of(address_id), '') AS place
        FROM evidence_event WHERE at = moment AND id = event
    ), calls AS MATERIALIZED (
        SELECT DISTINCT n.at, n.id, x.effect_at, x.effect_id, x.cause_at, x.cause_id, x.proof,
               x.strength, f.address_id
        FROM evidence_spans_around(began, cause) n
        CROSS JOIN LATERAL (SELECT * FROM evidence_link l
            WHERE l.cause_at = n.at AND l.cause_id = n.id
              AND (l.strength = 1 OR n.activity = 11) LIMIT 200) x
        CROSS JOIN LATERAL (SELECT address_id, principal_id FROM evidence_event
            WHERE at = x.effect_at AND id = x.effect_id OFFSET 0) f
        WHERE f.principal_id IS NOT DISTINCT FROM (SELECT principal_id FROM e)
    ), places AS MATERIALIZED (
        SELECT address_id, coalesce(evidence_place_of(address_id), '') AS place
        FROM (SELECT DISTINCT address_id FROM calls) a
    )
    SELECT CASE WHEN NOT EXISTS (SELECT FROM places WHERE place <> (SELECT place FROM e))
        THEN '{1,0}' ELSE (
            SELECT ARRAY[coalesce(max(spans) FILTER (WHERE place = (SELECT place FROM e)), 0),
                         coalesce(max(spans) FILTER (WHERE place <> (SELECT place FROM e)), 0)]
            FROM (
                SELECT p.place, count(DISTINCT (c.at, c.id)) AS spans
                FROM calls c JOIN places p ON p.address_id IS NOT DISTINCT FROM c.address_id
                WHERE CASE WHEN c.strength = 1 THEN evidence_of_silent_run(c.at, c.id)
                         AND NOT evidence_explained(c.effect_at, c.effect_id)
                      ELSE identities_link_strength(c.effect_at, c.effect_id, c.cause_at, c.cause_id,
                         c.proof, c.strength) > 0 END
                GROUP BY 1) s) END
$$
"""
# The spans that an event may be of, of each its points.
FITS = f"""
CREATE FUNCTION evidence_fits(moment timestamptz, event bigint)
RETURNS TABLE (cause_at timestamptz, cause_id bigint, source_id bigint, trace uuid, points int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT o.cause_at, o.cause_id, s.source_id, s.trace, max(evidence_points(o.proof))
    FROM evidence_link o
    JOIN evidence_event s ON s.at = o.cause_at AND s.id = o.cause_id
    WHERE o.effect_at = moment AND o.effect_id = event AND o.strength = 1
      AND evidence_of_silent_run(o.cause_at, o.cause_id)
      AND NOT evidence_explained(o.effect_at, o.effect_id)
      AND NOT evidence_from_elsewhere(o.effect_at, o.effect_id, o.cause_at, o.cause_id)
      AND {_BEFORE._NOT.format("o", "o")}
    GROUP BY 1, 2, 3, 4
$$
"""  # noqa: S608 - our own words
# The other calls of the same caller and action that fit the span: the points of each, and its most
# with any span. Of a span with more of them than ten nothing is concluded.
BESIDE = """
CREATE FUNCTION evidence_calls_beside(
    moment timestamptz, event bigint, began timestamptz, cause bigint)
RETURNS TABLE (at timestamptz, id bigint, points int, most int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH other AS MATERIALIZED (
        SELECT g.at, g.id
        FROM evidence_event e
        CROSS JOIN LATERAL (SELECT DISTINCT effect_at, effect_id FROM evidence_link
            WHERE cause_at = began AND cause_id = cause AND strength = 1 LIMIT 200) x
        JOIN evidence_event g ON g.at = x.effect_at AND g.id = x.effect_id
         AND g.source_id = e.source_id AND g.action_id = e.action_id
         AND g.principal_id IS NOT DISTINCT FROM e.principal_id
        WHERE e.at = moment AND e.id = event AND (g.at, g.id) <> (e.at, e.id) LIMIT 11
    )
    SELECT o.at, o.id, f.points, f.most
    FROM other o
    CROSS JOIN LATERAL (
        SELECT max(points) FILTER (WHERE cause_at = began AND cause_id = cause) AS points,
               max(points) AS most
        FROM evidence_fits(o.at, o.id)) f
    WHERE f.points IS NOT NULL AND (SELECT count(*) FROM other) <= 10
$$
"""
# The spans that are shown for an event, and of how many runs they are.
INFERRED = """
CREATE FUNCTION evidence_inferred(moment timestamptz, event bigint)
RETURNS TABLE (cause_at timestamptz, cause_id bigint, points int, runs bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH fits AS MATERIALIZED (
        SELECT f.*, max(f.points) OVER () AS most
        FROM evidence_fits(moment, event) f
        CROSS JOIN LATERAL (
            SELECT evidence_place(moment, event, f.cause_at, f.cause_id) AS place OFFSET 0) p
        WHERE p.place[1] * 4 >= p.place[2]
    ), near AS MATERIALIZED (
        SELECT * FROM fits WHERE fits.points > fits.most - 15
    ), -- A best span that no other such call fits as well is free for this one.
    free AS MATERIALIZED (
        SELECT count(*) <= 20 AND min(n.points) < max(n.points) AND bool_or(n.points = n.most
            AND CASE WHEN n.points = n.most AND (SELECT count(*) FROM near) <= 20 THEN NOT EXISTS (
                SELECT FROM evidence_calls_beside(moment, event, n.cause_at, n.cause_id) b
                WHERE b.points >= n.most) END) AS one
        FROM near n
    ), shown AS MATERIALIZED (
        SELECT n.* FROM near n
        WHERE NOT CASE WHEN n.points < n.most AND (SELECT one FROM free) THEN EXISTS (
            SELECT FROM evidence_calls_beside(moment, event, n.cause_at, n.cause_id) b
            WHERE b.points > n.points AND b.points = b.most) ELSE false END
    )
    SELECT s.cause_at, s.cause_id, s.points,
           (SELECT count(DISTINCT (o.source_id, o.trace)) FROM shown o)
    FROM shown s
$$
"""
# Why no run is named by an inferred link of one run: how many addresses beyond the first; -4 where
# such calls fit this span alone that are more than spans like it make.
UNSURE = """
CREATE FUNCTION evidence_unsure(
    moment timestamptz, event bigint, began timestamptz, cause bigint, together bigint)
RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN r.rivals > 0 OR together > 1 THEN r.rivals
        WHEN p.place[2] >= p.place[1] THEN 1
        WHEN EXISTS (
            SELECT FROM evidence_calls_beside(moment, event, began, cause) b
            CROSS JOIN LATERAL (SELECT i.points FROM evidence_inferred(b.at, b.id) i
                WHERE i.cause_at = began AND i.cause_id = cause AND i.runs = 1) i
            CROSS JOIN LATERAL (SELECT max(f.points) AS points FROM evidence_fits(moment, event) f
                WHERE f.cause_at = began AND f.cause_id = cause) f
            WHERE i.points >= f.points)
        AND NOT evidence_makes_more(moment, event, began, cause) THEN -4
        ELSE 0 END
    FROM (SELECT evidence_rivals(began, cause) AS rivals OFFSET 0) r
    CROSS JOIN LATERAL (SELECT CASE WHEN r.rivals = 0 AND together = 1
        THEN evidence_place(moment, event, began, cause) END AS place OFFSET 0) p
$$
"""
# Whether at least two spans like it around it, and half of them, have several such calls in their time.
MORE = """
CREATE FUNCTION evidence_makes_more(
    moment timestamptz, event bigint, began timestamptz, cause bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT count(*) FILTER (WHERE calls > 1) >= greatest(2, (count(*) + 1) / 2)
    FROM (
        SELECT count(DISTINCT (g.at, g.id)) AS calls
        FROM evidence_event e
        JOIN evidence_event c ON c.at = began AND c.id = cause
        CROSS JOIN LATERAL evidence_spans_around(began, cause) n
        CROSS JOIN LATERAL (SELECT DISTINCT effect_at, effect_id FROM evidence_link
            WHERE cause_at = n.at AND cause_id = n.id AND strength = 1 AND proof & 2 > 0
            LIMIT 200) x
        JOIN evidence_event g ON g.at = x.effect_at AND g.id = x.effect_id
         AND g.source_id = e.source_id AND g.action_id = e.action_id
         AND g.principal_id IS NOT DISTINCT FROM e.principal_id
        WHERE e.at = moment AND e.id = event AND n.action_id = c.action_id
          AND (n.at, n.id) <> (c.at, c.id)
          AND evidence_of_silent_run(n.at, n.id) AND NOT evidence_explained(g.at, g.id)
        GROUP BY n.at, n.id) like_it
$$
"""
_READ = """SELECT evidence_explained(l.effect_at, l.effect_id) AS explained,
               n.likely[1] AS least, n.likely[2] AS runs
        FROM (SELECT evidence_likely(l.effect_at, l.effect_id) AS likely OFFSET 0) n
    )"""
_RUNS = "ELSE (SELECT i.runs FROM i) END AS runs"
_SHOWN = f"""evidence_of_silent_run(o.cause_at, o.cause_id)
            AND {_BEFORE._NOT.format("l", "o")}
            AND (SELECT NOT i.explained AND i.runs BETWEEN 1 AND 5
                 AND evidence_points(o.proof) >= i.least FROM i)
            AND NOT evidence_from_elsewhere(l.effect_at, l.effect_id, o.cause_at, o.cause_id) END"""  # noqa: S608 - our own words
VIEW = _BEFORE.VIEW
for _was, _is in (
    (_READ, "SELECT * FROM evidence_inferred(l.effect_at, l.effect_id)\n    )"),
    (_RUNS, "ELSE (SELECT max(i.runs) FROM i) END AS runs"),
    (
        _SHOWN,
        """EXISTS (SELECT FROM i WHERE i.runs <= 5
                AND (i.cause_at, i.cause_id) = (o.cause_at, o.cause_id)) END""",
    ),
    (
        "evidence_rivals(s.cause_at, s.cause_id)",
        "evidence_unsure(\n                l.effect_at, l.effect_id, s.cause_at, s.cause_id, s.runs)",
    ),
):
    VIEW = VIEW.replace(_was, _is)


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0035_spans_that_name_a_pod"),
        ("identities", "0043_networks_of_keys"),
    ]

    operations = [
        migrations.RunSQL(sql)
        for sql in (
            PLACE_OF,
            AROUND,
            PLACE,
            FITS,
            BESIDE,
            INFERRED,
            MORE,
            UNSURE,
            VIEW,
            "DROP FUNCTION evidence_likely(timestamptz, bigint)",
        )
    ]
