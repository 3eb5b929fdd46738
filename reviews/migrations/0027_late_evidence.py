"""In which stretches evidence of a source was late: silence that would cut does not count there."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0025_retold"),
        ("reviews", "0026_automatic_holds"),
    ]

    operations = [
        migrations.CreateModel(
            name="LateEvidence",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                (
                    "source",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="evidence.source",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["source", "-until"], name="late_evidence_newest")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("until__gte", models.F("since"))),
                        name="late_evidence_runs_forward",
                    ),
                    models.UniqueConstraint(fields=("source", "since"), name="late_evidence_once"),
                ],
            },
        ),
    ]
