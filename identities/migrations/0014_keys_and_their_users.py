"""Who records name with a standing key. What was followed before is followed again, for that."""

import django.db.models.deletion
from django.db import migrations, models

# Only what may name one: a deposit of another kind shows no pair and waits for nobody.
AGAIN = """
UPDATE evidence_progress p SET done_at = NULL, leased_until = NULL, attempts = 0
WHERE p.consumer = 'credentials' AND p.done_at IS NOT NULL AND p.deposit_id IN (
    SELECT e.deposit_id FROM evidence_actor a JOIN evidence_event e ON e.credential_id = a.id
    WHERE a.kind IN ('access_key', 'api_token', 'key') AND a.parent_id IS NULL)
"""


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0001_initial"),
        ("identities", "0013_managers"),
    ]
    operations = [
        migrations.CreateModel(
            name="CredentialPrincipal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("credential_actor", models.BigIntegerField()),
                ("principal_actor", models.BigIntegerField()),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("credential_actor", "principal_actor"),
                        name="credential_principal_once",
                    )
                ]
            },
        ),
        migrations.AddField(
            model_name="credential",
            name="seen_with",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="evidence.actor",
            ),
        ),
        migrations.RunSQL(AGAIN, migrations.RunSQL.noop),
    ]
