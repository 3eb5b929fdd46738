"""What a credential issued is stopped with it (docs/decisions/0096)."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("identities", "0035_findings_said_before"),
    ]

    operations = [
        migrations.AddField(
            model_name="revocation",
            name="takes_issued",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="revocation",
            name="cause",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="taken_along",
                to="identities.revocation",
            ),
        ),
        migrations.AddIndex(
            model_name="revocation",
            index=models.Index(
                condition=models.Q(("cause__isnull", False)),
                fields=["cause"],
                name="revocation_of_cause",
            ),
        ),
    ]
