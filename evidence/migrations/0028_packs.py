"""Packs that were taken out, and whom they were given to. A transfer stays as it was written."""

from importlib import import_module

import django.db.models.deletion
from django.db import migrations, models

import evidence.keys
import evidence.models.numbers

_CUSTODY = import_module("evidence.migrations.0008_custody")


class Migration(migrations.Migration):
    dependencies = [("evidence", "0027_anchors")]

    operations = [
        migrations.RunSQL("CREATE SEQUENCE pack_number", "DROP SEQUENCE pack_number"),
        migrations.CreateModel(
            name="Pack",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                (
                    "number",
                    models.BigIntegerField(
                        db_default=evidence.models.numbers.NextNumber("pack_number"), unique=True
                    ),
                ),
                ("subject", models.TextField()),
                ("sealed_case", models.UUIDField(null=True)),
                ("by", models.TextField()),
                ("by_name", models.TextField()),
                ("asked_at", models.DateTimeField()),
                ("with_deposits", models.BooleanField(default=False)),
                ("state", models.TextField(default="asked")),
                ("not_before", models.DateTimeField()),
                ("attempts", models.IntegerField(default=0)),
                ("why", models.TextField(blank=True)),
                ("made_at", models.DateTimeField(null=True)),
                ("size", models.BigIntegerField(null=True)),
                ("digest", models.BinaryField(null=True)),
                ("manifest_digest", models.BinaryField(null=True)),
                ("signed", models.BooleanField(default=False)),
                ("kept_until", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "asked")),
                        fields=["not_before"],
                        name="pack_waits",
                    ),
                    models.Index(fields=["by", "-number"], name="pack_of"),
                    models.Index(fields=["subject", "number"], name="pack_subject"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ("asked", "ready", "failed", "gone"))),
                        name="pack_state_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state__in", ["ready", "gone"]), _negated=True),
                            models.Q(
                                ("digest__isnull", False),
                                ("made_at__isnull", False),
                                ("manifest_digest__isnull", False),
                                ("size__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="pack_made_has_digests",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Transfer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("by", models.TextField()),
                ("by_name", models.TextField()),
                ("to_name", models.TextField()),
                ("organisation", models.TextField()),
                ("on_behalf", models.TextField(blank=True)),
                ("purpose", models.TextField()),
                ("digest", models.BinaryField()),
                (
                    "pack",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transfers",
                        to="evidence.pack",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("to_name", ""), _negated=True),
                            models.Q(("organisation", ""), _negated=True),
                            models.Q(("purpose", ""), _negated=True),
                        ),
                        name="transfer_names_somebody",
                    )
                ],
            },
        ),
        migrations.RunSQL(
            _CUSTODY.triggers("evidence_transfer"),
            "DROP TRIGGER append_only ON evidence_transfer;"
            "DROP TRIGGER append_only_truncate ON evidence_transfer;",
        ),
    ]
