"""Inferred links: what they rest on, and which of them are shown.

Rows of evidence_link are insert-only, and what speaks against an inference may come later: that
a stronger link leads to a run, or that the run shows its SDK's calls. So the view leaves those
out; what it shows is the same in whatever order things came. Of inferred links, `runs` counts the
runs whose tool calls fit, and `surplus` the addresses beyond the first from which the calls came
that one tool call would have made: with either it cannot be told whose an event is.

`surplus` of links by key is counted only where one run is left, from the second that the event is
in, and no further than 128 calls or spans (then -1): a busy key costs what it tells. The functions repeat numbers of evidence/correlation.py, which a
test compares.
"""

from importlib import import_module

from django.db import migrations, models

_BEFORE = import_module("evidence.migrations.0005_key_links")

PLAIN_NAME = """
CREATE FUNCTION evidence_plain_name(name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT btrim(regexp_replace(regexp_replace(
        lower(substring(name from '[^/:]*$') COLLATE "C"), '[^a-z0-9]+', '-', 'g'),
        '(^|-)(svc|service|sa|role|user|iam|agent|bot)(?=-|$)', '', 'g'), '-')
$$
"""
# Agents that are named like a caller, and callers that are named like an agent. Keys and tokens
# are no names.
INDEXES = """
CREATE INDEX actor_agent_name ON evidence_actor (evidence_plain_name(value))
    WHERE kind IN ('agent', 'agent_id', 'service');
CREATE INDEX actor_caller_name ON evidence_actor (evidence_plain_name(value))
    WHERE kind NOT IN ('access_key', 'token', 'session', 'pod', 'certificate');
-- Tokens and pods meet by their value (evidence/key_links.py).
CREATE INDEX actor_key_value ON evidence_actor (value) WHERE kind IN ('token', 'pod');
"""
EXPLAINED = """
CREATE FUNCTION evidence_explained(moment timestamptz, event bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT EXISTS (
        SELECT FROM evidence_link l
        JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id
        JOIN evidence_run r ON r.source_id = s.source_id AND r.trace = s.trace
        WHERE l.effect_at = moment AND l.effect_id = event AND l.strength > 1)
$$
"""
SILENT = """
CREATE FUNCTION evidence_of_silent_run(moment timestamptz, event bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT EXISTS (
        SELECT FROM evidence_event t
        JOIN evidence_run r ON r.source_id = t.source_id AND r.trace = t.trace
        WHERE t.at = moment AND t.id = event AND r.api_calls = 0)
$$
"""
RIVALS = """
CREATE FUNCTION evidence_rivals(moment timestamptz, event bigint)
RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT greatest(0, count(DISTINCT coalesce(e.address_id, 0)) - 1)
    FROM (SELECT DISTINCT effect_at, effect_id FROM evidence_link
          WHERE cause_at = moment AND cause_id = event AND strength = 1 LIMIT 1000) x
    JOIN evidence_event e ON e.at = x.effect_at AND e.id = x.effect_id
    WHERE NOT evidence_explained(e.at, e.id)
$$
"""
SURPLUS = """
CREATE OR REPLACE FUNCTION evidence_surplus(used bigint, act bigint, moment timestamptz)
RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE STRICT AS $$
    -- -1: more than are counted, so that nobody could tell. Calls that are exactly linked are no
    -- surplus; whether they are is asked only where there are more calls than spans.
    SELECT CASE WHEN c.calls = 128 OR t.spans = 128 THEN -1
        WHEN t.spans >= c.calls THEN 0
        ELSE greatest(0, (
            SELECT count(*) FROM evidence_event e
            WHERE e.credential_id = used AND e.action_id = act AND e.plane = 1
              AND e.at BETWEEN moment - interval '5 s' AND moment + interval '5 s'
              AND NOT EXISTS (SELECT FROM evidence_link x WHERE x.effect_at = e.at
                              AND x.effect_id = e.id AND x.strength = 3)) - t.spans) END
    FROM (SELECT count(*) AS calls FROM (
        SELECT FROM evidence_event e
        WHERE e.credential_id = used AND e.action_id = act AND e.plane = 1
          AND e.at BETWEEN moment - interval '5 s' AND moment + interval '5 s'
        LIMIT 128) called) c
    CROSS JOIN (SELECT count(*) AS spans FROM (
        SELECT FROM evidence_event s
        WHERE s.credential_id = used AND s.action_id = act AND s.plane = 2
          AND s.request_id IS NULL
          AND s.at BETWEEN moment - interval '70 s' AND moment + interval '10 s'
          AND s.at + least(greatest(coalesce(s.duration, 0), 0), 60000000)
              * interval '1 microsecond' >= moment - interval '10 s'
        ORDER BY s.at DESC LIMIT 128) traced) t
$$
"""
VIEW = """
CREATE OR REPLACE VIEW evidence_shownlink WITH (security_invoker = true) AS
SELECT l.effect_at, l.effect_id, l.cause_at, l.cause_id, l.proof, l.strength, l.recorded_at,
       CASE l.strength WHEN 3 THEN 1 WHEN 2 THEN g.runs ELSE (
           SELECT count(DISTINCT (s.source_id, s.trace))
           FROM evidence_link o
           JOIN evidence_event s ON s.at = o.cause_at AND s.id = o.cause_id
           JOIN evidence_run r ON r.source_id = s.source_id AND r.trace = s.trace
           WHERE o.effect_at = l.effect_at AND o.effect_id = l.effect_id
             AND o.strength = 1 AND r.api_calls = 0) END AS runs,
       CASE WHEN l.strength = 1 THEN evidence_rivals(l.cause_at, l.cause_id)
            WHEN l.proof IN (4, 5) AND g.runs = 1 THEN (
                SELECT evidence_surplus(e.credential_id, e.action_id,
                                        date_trunc('second', e.at, 'UTC'))
                FROM evidence_event e WHERE e.at = l.effect_at AND e.id = l.effect_id)
            ELSE 0 END AS surplus
FROM evidence_link l
-- The strongest of the event, and its runs.
CROSS JOIN LATERAL (
    SELECT b.strength, b.proof = 3 AS issued, count(DISTINCT (s.source_id, s.trace)) AS runs
    FROM evidence_link b JOIN evidence_event s ON s.at = b.cause_at AND s.id = b.cause_id
    WHERE b.effect_at = l.effect_at AND b.effect_id = l.effect_id
    GROUP BY 1, 2 ORDER BY 1 DESC, 2 OFFSET 0 LIMIT 1) g
WHERE CASE WHEN l.strength > 1 THEN l.strength = g.strength AND (l.proof = 3) = g.issued
    ELSE
        -- Of one pair the proof with the most reasons; a later one has the earlier's too.
        NOT EXISTS (SELECT FROM evidence_link b
            WHERE b.effect_at = l.effect_at AND b.effect_id = l.effect_id
              AND b.cause_at = l.cause_at AND b.cause_id = l.cause_id AND b.proof > l.proof)
        AND evidence_of_silent_run(l.cause_at, l.cause_id)
        AND NOT evidence_explained(l.effect_at, l.effect_id)
    END
"""


class Migration(migrations.Migration):
    dependencies = [("evidence", "0009_rereading")]

    operations = [
        migrations.CreateModel(
            name="Acquaintance",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "caller_id",
                        "hour",
                        "agent_id",
                        "address_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("caller_id", models.BigIntegerField()),
                ("hour", models.DateTimeField()),
                ("agent_id", models.BigIntegerField()),
                ("address_id", models.BigIntegerField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["agent_id", "hour"], name="acquaintance_of_agent")
                ],
            },
        ),
        migrations.CreateModel(
            name="Clock",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "log_id",
                        "traces_id",
                        "day",
                        "seconds",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("log_id", models.IntegerField()),
                ("traces_id", models.IntegerField()),
                ("day", models.DateField()),
                ("seconds", models.SmallIntegerField()),
                ("calls", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="Meaning",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "term_id",
                        "tool",
                        "version",
                        "key",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("term_id", models.BigIntegerField()),
                ("tool", models.BooleanField()),
                ("version", models.SmallIntegerField()),
                ("key", models.TextField()),
            ],
        ),
        migrations.RunSQL(PLAIN_NAME, "DROP FUNCTION evidence_plain_name(text)"),
        migrations.RunSQL(
            INDEXES,
            "DROP INDEX actor_agent_name; DROP INDEX actor_caller_name; DROP INDEX actor_key_value",
        ),
        migrations.RunSQL(EXPLAINED, "DROP FUNCTION evidence_explained(timestamptz, bigint)"),
        migrations.RunSQL(SILENT, "DROP FUNCTION evidence_of_silent_run(timestamptz, bigint)"),
        migrations.RunSQL(RIVALS, "DROP FUNCTION evidence_rivals(timestamptz, bigint)"),
        migrations.RunSQL(
            SURPLUS, _BEFORE.SURPLUS.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
        ),
        migrations.RunSQL(VIEW, _BEFORE.VIEW.replace("CREATE VIEW", "CREATE OR REPLACE VIEW")),
    ]
