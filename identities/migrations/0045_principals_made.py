"""Principals that were made with a credential go along with its stop, and a replaced key spares what
the identity's own runs issued or use (docs/decisions/0096)."""

import django.db.models.deletion
from django.db import migrations, models

# An event that is exactly linked to a run of the identity issued it, or calls of it are.
OWN = """
CREATE FUNCTION identities_of_own_runs(
    owner uuid, issued bigint, moment timestamptz, event bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT EXISTS (
        SELECT FROM identities_credentialwatch w
        JOIN identities_binding b ON b.actor_id = ANY (w.agents)
        WHERE w.credential_actor = issued AND b.identity_id = owner AND b.state = 'confirmed'
          AND b.superseded_at IS NULL)
    OR EXISTS (
        SELECT FROM identities_attribution a
        JOIN identities_identity i ON i.number = a.identity_no
        WHERE i.id = owner AND a.at = moment AND a.event_id = event AND a.strength = 4)
$$
"""
# Deposits that show what was made or removed are followed again, and found then.
AGAIN = """
UPDATE evidence_progress SET done_at = NULL, leased_until = NULL, attempts = 0
WHERE consumer = 'credentials' AND done_at IS NOT NULL AND deposit_id IN (
    SELECT e.deposit_id FROM evidence_event e JOIN evidence_term t ON t.id = e.action_id
    WHERE t.kind = 1 AND e.plane = 1 AND e.outcome = 1 AND t.value IN (
        'iam:CreateUser', 'iam:DeleteUser', 'iam:CreateRole', 'iam:DeleteRole',
        'iam:CreateServiceLinkedRole', 'iam:DeleteServiceLinkedRole',
        'iam:CreatePolicy', 'iam:DeletePolicy',
        'iam:CreateSAMLProvider', 'iam:DeleteSAMLProvider',
        'iam:CreateOpenIDConnectProvider', 'iam:DeleteOpenIDConnectProvider',
        'create serviceaccounts', 'delete serviceaccounts',
        'create rolebindings', 'delete rolebindings',
        'create clusterrolebindings', 'delete clusterrolebindings',
        'user.lifecycle.create', 'user.lifecycle.delete.completed',
        'org.add_member', 'org.remove_member',
        'integration_installation.create', 'integration_installation.delete',
        'google.iam.admin.v1.CreateServiceAccount',
        'Add service principal', 'Remove service principal', 'Add user', 'Delete user'))
"""


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0034_networks"),
        ("identities", "0044_inferred_places"),
    ]

    operations = [
        migrations.AddField(
            model_name="revocation",
            name="spares_own",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="revocation",
            name="takes_made",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.CreateModel(
            name="Making",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("event_id", models.BigIntegerField()),
                ("kind", models.TextField()),
                ("thing", models.TextField()),
                ("removed", models.BooleanField()),
                ("deposit_id", models.BigIntegerField()),
                (
                    "actor",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.actor",
                    ),
                ),
                (
                    "by_credential",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.actor",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("by_credential__isnull", False), ("removed", False)),
                        fields=["by_credential"],
                        name="making_by_credential",
                    ),
                    models.Index(fields=["thing", "at"], name="making_of_thing"),
                    models.Index(
                        condition=models.Q(("removed", True)),
                        fields=["deposit_id"],
                        name="making_removed_in",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("at", "event_id"), name="making_once")
                ],
            },
        ),
        migrations.RunSQL(OWN, "DROP FUNCTION identities_of_own_runs"),
        migrations.RunSQL(AGAIN, ""),
    ]
