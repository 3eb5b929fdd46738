"""A tool call that several spans tell is one: which of them tells it again, and of which other.

Of spans that are there already this is found when their trace grows; their counts stay till then.

And no run is named by key where that cannot be told: with a token or pod, where calls with it came
from more than one place or program in the time of one span; and where exact links of that day say
that the clocks of log and traces are further apart than the time that is allowed for (-2). The five
seconds are correlation.SKEW_MICROS, which a test compares.
"""

from importlib import import_module

from django.db import migrations, models

_BEFORE = import_module("evidence.migrations.0010_inferred_links")

DOUBT = """
CREATE FUNCTION evidence_doubt(
    moment timestamptz, event bigint, began timestamptz, cause bigint, proven smallint)
RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN EXISTS (
            SELECT FROM evidence_event e
            JOIN evidence_event s ON s.at = began AND s.id = cause
            JOIN evidence_clocktaken c ON c.log_id = e.source_id AND c.traces_id = s.source_id
             AND c.day = (e.at AT TIME ZONE 'UTC')::date AND abs(c.seconds) > 5
            WHERE e.at = moment AND e.id = event) THEN -2
        WHEN proven IN (6, 7) THEN (
            SELECT coalesce(max(places) - 1, 0) FROM (
                SELECT count(DISTINCT (coalesce(e.address_id, 0), coalesce(e.user_agent_id, 0)))
                       AS places
                FROM evidence_link x
                CROSS JOIN LATERAL (
                    SELECT y.effect_at, y.effect_id FROM evidence_link y
                    WHERE y.cause_at = x.cause_at AND y.cause_id = x.cause_id AND y.proof = 6
                    LIMIT 1000) y
                JOIN evidence_event e ON e.at = y.effect_at AND e.id = y.effect_id
                WHERE x.effect_at = moment AND x.effect_id = event AND x.proof = 6
                  AND NOT EXISTS (SELECT FROM evidence_link z WHERE z.effect_at = e.at
                                  AND z.effect_id = e.id AND z.strength = 3)
                GROUP BY x.cause_at, x.cause_id) calls)
        ELSE 0 END
$$
"""
_WAS = """            WHEN l.proof IN (4, 5) AND g.runs = 1 THEN (
                SELECT evidence_surplus(e.credential_id, e.action_id,
                                        date_trunc('second', e.at, 'UTC'))
                FROM evidence_event e WHERE e.at = l.effect_at AND e.id = l.effect_id)
"""
_IS = """            WHEN l.proof IN (4, 5, 6, 7) AND g.runs = 1 THEN coalesce(nullif(
                evidence_doubt(l.effect_at, l.effect_id, l.cause_at, l.cause_id, l.proof), 0),
                CASE WHEN l.proof IN (4, 5) THEN (
                    SELECT evidence_surplus(e.credential_id, e.action_id,
                                            date_trunc('second', e.at, 'UTC'))
                    FROM evidence_event e WHERE e.at = l.effect_at AND e.id = l.effect_id) END, 0)
"""
VIEW = _BEFORE.VIEW.replace(_WAS, _IS)


class Migration(migrations.Migration):
    dependencies = [("evidence", "0024_agents_of_old_spans")]

    operations = [
        migrations.CreateModel(
            name="Retold",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "at",
                        "id",
                        "by_at",
                        "by_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("at", models.DateTimeField()),
                ("id", models.BigIntegerField()),
                ("by_at", models.DateTimeField()),
                ("by_id", models.BigIntegerField()),
            ],
        ),
        migrations.RunSQL(
            DOUBT,
            "DROP FUNCTION evidence_doubt(timestamptz, bigint, timestamptz, bigint, smallint)",
        ),
        migrations.RunSQL(VIEW, _BEFORE.VIEW),
    ]
