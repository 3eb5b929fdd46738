"""A link by key proves the key and not the run: where its calls come from, and whose it is.

A call from a network that no exactly linked call of its key came from may be somebody else's, so
that a link by key or by issuance names no run (surplus -3). And a call is inferred to no agent but
those that its key is exactly linked to.
"""

from importlib import import_module

import django.contrib.postgres.fields
from django.db import migrations, models

_LIKELY = import_module("evidence.migrations.0032_inferred_sets")
_BEFORE = import_module("identities.migrations.0042_inferred_sets")

NEW_ADDRESS = """
CREATE FUNCTION identities_new_address(moment timestamptz, event bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT EXISTS (
        SELECT FROM evidence_event e
        JOIN identities_credentialwatch w ON w.credential_actor = e.credential_id
        JOIN evidence_term a ON a.id = e.address_id
        WHERE e.at = moment AND e.id = event AND evidence_network(a.value) <> ALL (w.networks))
$$
"""
# One agent is several actors where several sources of traces name it.
OF_ANOTHER_AGENT = """
CREATE FUNCTION identities_of_another_agent(
    moment timestamptz, event bigint, began timestamptz, cause bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT EXISTS (
        SELECT FROM evidence_event e
        JOIN identities_credentialwatch w ON w.credential_actor = e.credential_id
        JOIN evidence_event s ON s.at = began AND s.id = cause
        LEFT JOIN evidence_run r ON r.source_id = s.source_id AND r.trace = s.trace
        CROSS JOIN LATERAL (SELECT
            coalesce(s.agent_id, (SELECT n.agent_id FROM evidence_agentabove n
                                  WHERE n.at = s.at AND n.id = s.id), r.agent_id) AS agent,
            coalesce(s.principal_id, r.service_id) AS service) d
        WHERE e.at = moment AND e.id = event AND cardinality(w.agents) > 0
          AND NOT w.agents && ARRAY[d.agent, d.service]
          AND NOT EXISTS (
            SELECT FROM unnest(w.agents) AS g(id)
            WHERE identities_of_actor(g.id, e.at) && coalesce(
                identities_of_actor(d.agent, e.at), identities_of_actor(d.service, e.at))))
$$
"""
_NOT = "NOT identities_of_another_agent({0}.effect_at, {0}.effect_id, {1}.cause_at, {1}.cause_id)"
_OF_RUNS = (
    "          AND NOT evidence_from_elsewhere(o.effect_at, o.effect_id, o.cause_at, o.cause_id)"
)
_SURPLUS = "            WHEN s.proof IN (4, 5, 6, 7) AND s.together = 1 THEN"
_INFERRED = "            AND (SELECT NOT i.explained AND"
_NEW = """            WHEN s.proof IN (3, 4, 5, 6, 7)
                AND identities_new_address(l.effect_at, l.effect_id) THEN -3
"""
LIKELY = _LIKELY.LIKELY.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION").replace(
    _OF_RUNS, f"{_OF_RUNS}\n          AND {_NOT.format('o', 'o')}"
)
VIEW = _BEFORE.VIEW.replace(_SURPLUS, _NEW + _SURPLUS).replace(
    _INFERRED, f"            AND {_NOT.format('l', 'o')}\n{_INFERRED}"
)

# Keys that agents issued are looked at as well, and all keys once more.
WATCH = """
INSERT INTO identities_credentialwatch (credential_actor, dirty)
SELECT DISTINCT i.credential_id, true FROM evidence_issuance i
JOIN evidence_link l ON l.effect_at = i.at AND l.effect_id = i.event_id AND l.proof = 1
ON CONFLICT DO NOTHING;
UPDATE identities_credentialwatch SET dirty = true WHERE NOT dirty;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0034_networks"),
        ("identities", "0042_inferred_sets"),
    ]

    operations = [
        migrations.AddField(
            model_name="credentialwatch",
            name="exact_calls",
            field=models.SmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="credentialwatch",
            name="networks",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.TextField(), null=True, size=None
            ),
        ),
        migrations.AddField(
            model_name="credentialwatch",
            name="agents",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(), null=True, size=None
            ),
        ),
        migrations.RunSQL(NEW_ADDRESS, "DROP FUNCTION identities_new_address(timestamptz, bigint)"),
        migrations.RunSQL(
            OF_ANOTHER_AGENT,
            "DROP FUNCTION identities_of_another_agent(timestamptz, bigint, timestamptz, bigint)",
        ),
        migrations.RunSQL(LIKELY, migrations.RunSQL.noop),
        migrations.RunSQL(VIEW, _BEFORE.VIEW),
        migrations.RunSQL(WATCH, migrations.RunSQL.noop),
    ]
