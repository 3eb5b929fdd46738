"""Beside the agent that used a key, the service its spans came from. What was judged while an agent
was not known yet, as its service, is judged again: the service's row goes where the agent is known.
"""

from django.db import migrations, models

SERVICES = """
UPDATE identities_credentialagent u SET service_actor = u.agent_actor
FROM evidence_actor a WHERE a.id = u.agent_actor AND a.kind = 'service'
"""
# Only calls (plane 1) with keys of which an agent and a service were remembered: of others nothing
# changes.
AGAIN = """
WITH both_ways AS MATERIALIZED (
    SELECT credential_actor AS id FROM identities_credentialagent
    GROUP BY 1 HAVING bool_or(service_actor = 0) AND bool_or(service_actor <> 0)
), watched AS (
    UPDATE identities_credentialwatch SET dirty = true
    WHERE credential_actor IN (SELECT id FROM both_ways)
)
UPDATE evidence_progress p SET done_at = NULL, leased_until = NULL, attempts = 0
WHERE p.consumer = 'judging' AND p.done_at IS NOT NULL AND p.deposit_id IN (
    SELECT e.deposit_id FROM both_ways k JOIN evidence_event e ON e.credential_id = k.id
    WHERE e.plane = 1)
"""


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0001_initial"),
        ("identities", "0014_keys_and_their_users"),
    ]
    operations = [
        migrations.AddField(
            model_name="credentialagent",
            name="service_actor",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.RemoveConstraint("credentialagent", "credential_agent_once"),
        migrations.AddConstraint(
            model_name="credentialagent",
            constraint=models.UniqueConstraint(
                fields=(
                    "credential_actor",
                    "agent_actor",
                    "service_actor",
                    "address_id",
                    "source_id",
                ),
                name="credential_agent_once",
            ),
        ),
        migrations.RunSQL(SERVICES, migrations.RunSQL.noop),
        migrations.RunSQL(AGAIN, migrations.RunSQL.noop),
    ]
