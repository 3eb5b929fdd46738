"""A fleet's worth of stored evidence, written straight by SQL: what the line page is measured on.

300 identities; the heaviest has 10,000 session credentials and every fiftieth event. Every fifth
row is a tool-call span, linked to the API event after it. Set-based: five million rows take a few
minutes, most of it index maintenance.
"""

from datetime import UTC, datetime, timedelta

from django.db import connection
from django.utils import timezone

from evidence import partitions
from identities.models import Identity
from tests.bench import database

IDENTITIES = 300
SESSIONS = 10_000
START = datetime(2026, 8, 3, tzinfo=UTC)
DAYS = 90

NAMES = f"""
INSERT INTO evidence_source (name, title, plane, format, realms, lag_seconds, sampling,
    completeness, keep_content, keep_rules, retention_days, task_attribute, token_hint, created_at, created_by)
VALUES ('fleet-trail', '', 'identity', '', '{{}}', 60, 1, '', false, '[]', 3650, '', '', now(), 'bench'),
       ('fleet-traces', '', 'ai', '', '{{}}', 60, 1, '', false, '[]', 3650, '', '', now(), 'bench');
INSERT INTO evidence_deposit (source_id, received_at, received_by, name, format, received_digest,
    received_bytes, kept_digest, kept_bytes, place, rule_version, records, events, duplicates,
    rejects, first_at, last_at, redactions)
SELECT id, now(), 'bench', '', 'cloudtrail', decode(md5(name), 'hex'), 1, decode('00', 'hex'), 1,
    '', 1, 0, 0, 0, 0, NULL, NULL, '{{}}' FROM evidence_source;
INSERT INTO evidence_actor (key, realm, kind, value, created_at)
SELECT md5('arn' || i)::uuid, 'aws:123456789012', 'arn',
    'arn:aws:iam::123456789012:user/svc-' || lpad(i::text, 4, '0'), now()
FROM generate_series(1, {IDENTITIES}) i;
INSERT INTO evidence_actor (key, realm, kind, value, created_at)
SELECT md5('key' || i)::uuid, 'aws', 'access_key', 'AKIA' || lpad(i::text, 16, '0'), now()
FROM generate_series(1, {IDENTITIES}) i;
INSERT INTO evidence_actor (key, realm, kind, value, created_at, parent_id)
SELECT md5('session' || i)::uuid, 'aws', 'access_key', 'ASIA' || lpad(i::text, 16, '0'), now(),
    (SELECT id FROM evidence_actor WHERE key = md5('arn1')::uuid)
FROM generate_series(1, {SESSIONS}) i;
INSERT INTO evidence_actor (key, realm, kind, value, created_at)
SELECT md5('agent' || i)::uuid, 'otel:fleet-traces', 'agent', 'agent-' || i, now()
FROM generate_series(1, {IDENTITIES}) i;
INSERT INTO evidence_term (key, kind, value)
SELECT md5('action' || i)::uuid, 1, (ARRAY['s3:GetObject', 's3:PutObject', 's3:ListObjects',
    'secretsmanager:GetSecretValue', 'dynamodb:GetItem', 'kms:Decrypt'])[i]
FROM generate_series(1, 6) i;
INSERT INTO evidence_term (key, kind, value)
SELECT md5('resource' || i)::uuid, 2, 'bucket-' || i % 40 || '/2026/part-' || i || '.json'
FROM generate_series(1, 4000) i;
INSERT INTO evidence_term (key, kind, value)
SELECT md5('address' || i)::uuid, 3, '10.0.' || i % 250 || '.' || i % 7
FROM generate_series(1, 500) i;
INSERT INTO identities_identity (id, name, kind, inherited, purpose, criticality, state, mode,
    evidence_boundary, legal_entity, created_at)
SELECT md5('identity' || i)::uuid, 'svc-' || lpad(i::text, 4, '0'), 'agent', '[]', 'bench',
    'normal', 'draft', 'observe', '', '', now() FROM generate_series(1, {IDENTITIES}) i;
INSERT INTO identities_binding (identity_id, actor_id, basis, state, shared, reason, seen, during,
    recorded_at, by, by_name)
SELECT md5('identity' || i)::uuid, a.id, 'declared', 'confirmed', false, '', 0,
    tstzrange(NULL, NULL), now(), 'bench', '' FROM generate_series(1, {IDENTITIES}) i
JOIN evidence_actor a ON a.key IN (md5('arn' || i)::uuid, md5('agent' || i)::uuid);
INSERT INTO identities_credential (id, actor_id, identity_id, kind, standing, issued_at, state,
    state_at)
SELECT md5('credential' || i)::uuid, a.id, md5('identity' || i)::uuid, 'access_key', true,
    '2026-04-01', 'active', now() FROM generate_series(1, {IDENTITIES}) i
JOIN evidence_actor a ON a.key = md5('key' || i)::uuid;
INSERT INTO identities_credential (id, actor_id, identity_id, kind, standing, issued_at,
    expires_at, state, state_at)
SELECT md5('session-credential' || i)::uuid, a.id, md5('identity1')::uuid, 'access_key', false,
    '2026-08-03'::timestamptz + i * interval '13 minutes',
    '2026-08-03'::timestamptz + i * interval '13 minutes' + interval '1 hour', 'expired', now()
FROM generate_series(1, {SESSIONS}) i JOIN evidence_actor a ON a.key = md5('session' || i)::uuid;
"""

# i is the row's number; who it is, when, and what follow from it alone.
EVENTS = """
INSERT INTO evidence_event (at, id, received_at, deposit_id, action_id, resource_id,
    principal_id, credential_id, agent_id, address_id, source_id, ordinal, plane, activity,
    outcome, time_basis, reading, digest, trace, span, parent_span, request_id)
SELECT t.at, t.i * 2654435761 %% 4611686018427387847, t.at + interval '1 minute',
    CASE WHEN t.ai THEN %(traces_deposit)s ELSE %(trail_deposit)s END,
    %(action)s + t.i %% 6, %(resource)s + t.i %% 4000,
    CASE WHEN t.ai THEN NULL ELSE %(arn)s + t.who - 1 END,
    CASE WHEN t.ai THEN NULL
         WHEN t.who = 1 THEN %(session)s + t.i / 50 %% %(sessions)s
         ELSE %(key)s + t.who - 1 END,
    CASE WHEN t.ai THEN %(agent)s + t.who - 1 END,
    CASE WHEN t.ai THEN NULL ELSE %(address)s + t.i %% 500 END,
    CASE WHEN t.ai THEN %(traces)s ELSE %(trail)s END, t.i %% 10000,
    CASE WHEN t.ai THEN 2 ELSE 1 END, CASE WHEN t.ai THEN 7 ELSE 3 END, 1, 1, 1,
    md5(t.i::text)::uuid, CASE WHEN t.ai THEN md5('trace' || t.i / 100)::uuid END,
    CASE WHEN t.ai THEN t.i END, NULL, upper(left(md5('request' || t.i), 20))
FROM (SELECT i, i %% 5 = 0 AS ai,
    CASE WHEN i / 5 %% 50 = 0 THEN 1 ELSE 2 + i / 5 %% %(others)s END AS who,
    %(start)s::timestamptz + (i::float8 / %(rows)s) * interval '90 days' AS at
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) i) t
ON CONFLICT DO NOTHING
"""

ATTRIBUTIONS = """
INSERT INTO identities_attribution (at, event_id, binding_id, identity_no, source_id, role,
    strength, verdict, reason, rules_version, plane)
SELECT e.at, e.id, 1, i.number, e.source_id, 1, CASE WHEN e.ordinal %% 5 < 2 THEN 4 ELSE 3 END,
    CASE WHEN e.ordinal %% 97 = 0 THEN 2 ELSE 1 END, 1, 1, e.plane
FROM evidence_event e
JOIN identities_binding b ON b.actor_id = coalesce(e.principal_id, e.agent_id)
JOIN identities_identity i ON i.id = b.identity_id
WHERE e.at >= %(since)s AND e.at < %(until)s
ON CONFLICT DO NOTHING
"""

LINKS = """
INSERT INTO evidence_link (effect_at, effect_id, cause_at, cause_id, proof, strength, recorded_at)
SELECT e.at, e.id, c.at, c.id, 1, 3, now()
FROM evidence_event c JOIN evidence_event e
  ON e.id = (c.span + 1) * 2654435761 %% 4611686018427387847
 AND e.at BETWEEN c.at AND c.at + interval '1 day'
WHERE c.plane = 2 AND c.at >= %(since)s AND c.at < %(until)s AND c.span %% 25 = 0
ON CONFLICT DO NOTHING
"""

USAGE = """
TRUNCATE identities_usageday;
INSERT INTO identities_usageday (identity_no, day, action_id, family, plane, count, inside,
    outside, linked, first_at, last_at)
SELECT a.identity_no, (a.at AT TIME ZONE 'UTC')::date, e.action_id,
    split_part(t.value, '/', 1) || '/*', a.plane, count(*),
    count(*) FILTER (WHERE a.verdict = 1), count(*) FILTER (WHERE a.verdict = 2),
    count(*) FILTER (WHERE a.strength = 4), min(a.at), max(a.at)
FROM identities_attribution a JOIN evidence_event e ON e.at = a.at AND e.id = a.event_id
JOIN evidence_term t ON t.id = e.resource_id GROUP BY 1, 2, 3, 4, 5;
INSERT INTO evidence_run (source_id, trace, first_at, last_at, agent_id, spans, tool_calls,
    model_calls, api_calls, failed, ended)
SELECT source_id, trace, min(at), max(at), min(agent_id), count(*), count(*), 0, 0, 0, true
FROM evidence_event WHERE plane = 2 GROUP BY source_id, trace ON CONFLICT DO NOTHING;
"""


def heaviest() -> Identity:
    return Identity.objects.get(name="svc-0001")


def grow(rows: int, before: int) -> None:
    """Bring the stored events from `before` to `rows`; 0 before means names come first."""
    if before == 0:
        database.as_owner(NAMES)
    months = {partitions.month_of(START.replace(month=month)) for month in (8, 9, 10, 11)} | {
        partitions.month_of(timezone.now())
    }
    partitions.ensure(
        partitions.missing((*partitions.BY_EVENT_TIME, *partitions.BY_RECEIPT), months)
    )
    with connection.cursor() as cursor:
        found = {}
        for name, sql in (
            ("arn", "SELECT id FROM evidence_actor WHERE key = md5('arn1')::uuid"),
            ("key", "SELECT id FROM evidence_actor WHERE key = md5('key1')::uuid"),
            ("session", "SELECT id FROM evidence_actor WHERE key = md5('session1')::uuid"),
            ("agent", "SELECT id FROM evidence_actor WHERE key = md5('agent1')::uuid"),
            ("action", "SELECT id FROM evidence_term WHERE key = md5('action1')::uuid"),
            ("resource", "SELECT id FROM evidence_term WHERE key = md5('resource1')::uuid"),
            ("address", "SELECT id FROM evidence_term WHERE key = md5('address1')::uuid"),
            ("trail", "SELECT id FROM evidence_source WHERE name = 'fleet-trail'"),
            ("traces", "SELECT id FROM evidence_source WHERE name = 'fleet-traces'"),
            ("trail_deposit", "SELECT min(id) FROM evidence_deposit"),
            ("traces_deposit", "SELECT max(id) FROM evidence_deposit"),
        ):
            cursor.execute(sql)
            found[name] = cursor.fetchone()[0]
        facts = {
            **found,
            "start": START,
            "rows": 5_000_000,
            "others": IDENTITIES - 1,
            "sessions": SESSIONS,
        }
        for first in range(before + 1, rows + 1, 100_000):
            last = min(first + 99_999, rows)
            cursor.execute(EVENTS, {**facts, "first": first, "last": last})
        span = {
            "since": START + (timedelta(days=DAYS) * before / 5_000_000),
            "until": START + (timedelta(days=DAYS) * (rows + 1) / 5_000_000),
        }
        cursor.execute(ATTRIBUTIONS, span)
        cursor.execute(LINKS, span)
    database.as_owner(USAGE)
    database.as_owner("VACUUM ANALYZE")
