"""Files that one person sent by hand, until a second person signs that they are read in."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0032_inferred_sets"),
    ]

    operations = [
        migrations.CreateModel(
            name="PendingUpload",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("received_at", models.DateTimeField()),
                ("received_by", models.TextField()),
                ("name", models.TextField(blank=True)),
                ("format", models.TextField()),
                ("received_digest", models.BinaryField()),
                ("received_bytes", models.BigIntegerField()),
                ("kept_digest", models.BinaryField()),
                ("body", models.BinaryField()),
                ("records", models.IntegerField()),
                ("rejects", models.IntegerField()),
                ("first_at", models.DateTimeField(null=True)),
                ("last_at", models.DateTimeField(null=True)),
                ("redactions", models.JSONField()),
                ("digests", models.BinaryField()),
                ("signed_at", models.DateTimeField(null=True)),
                (
                    "source",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.source",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("signed_at__isnull", False)),
                        fields=["id"],
                        name="pendingupload_signed",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("source", "received_digest"), name="pendingupload_once"
                    )
                ],
            },
        ),
    ]
