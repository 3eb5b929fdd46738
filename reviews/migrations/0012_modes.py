"""Modes of scopes, and what is held before it is revoked for good."""

import django.db.models.deletion
from django.db import migrations, models

import evidence.keys
import evidence.models.numbers


class Migration(migrations.Migration):
    dependencies = [("identities", "0008_modes"), ("reviews", "0011_attestation")]

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE mode_rule_number START 1", "DROP SEQUENCE mode_rule_number"
        ),
        migrations.AddIndex(
            model_name="rung",
            index=models.Index(
                condition=models.Q(
                    ("does__in", ["narrow", "revoke", "suspend", "due"]), ("state", "done")
                ),
                fields=["done_at"],
                name="rung_done_lately",
            ),
        ),
        migrations.CreateModel(
            name="ModeRule",
            fields=[
                ("state", models.TextField(default="proposed")),
                ("reason", models.TextField()),
                ("proposed_at", models.DateTimeField()),
                ("proposed_by", models.TextField()),
                ("proposed_by_name", models.TextField(blank=True)),
                ("settled_at", models.DateTimeField(null=True)),
                ("settled_by", models.TextField(blank=True)),
                ("settled_by_name", models.TextField(blank=True)),
                ("settled_reason", models.TextField(blank=True)),
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                (
                    "number",
                    models.BigIntegerField(
                        db_default=evidence.models.numbers.NextNumber("mode_rule_number"),
                        unique=True,
                    ),
                ),
                ("scope", models.JSONField(blank=True, default=dict)),
                ("mode", models.TextField()),
                ("back", models.BooleanField(default=False)),
                ("since", models.DateTimeField(null=True)),
                ("seen", models.JSONField(blank=True, default=dict)),
                ("moved", models.IntegerField(default=0)),
                ("applied_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "proposed_person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
                (
                    "settled_person",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "in_force")),
                        fields=["-since"],
                        name="mode_rule_in_force",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ("proposed", "in_force", "refused", "ended"))
                        ),
                        name="mode_rule_state_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["proposed", "refused"]),
                            models.Q(
                                ("settled_person__isnull", False),
                                models.Q(
                                    ("proposed_person", models.F("settled_person")), _negated=True
                                ),
                            ),
                            ("back", True),
                            _connector="OR",
                        ),
                        name="mode_rule_signed_by_another",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("mode__in", ("observe", "ask", "enforce"))),
                        name="mode_rule_mode_is_known",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "proposed")),
                        fields=("scope",),
                        name="mode_rule_proposed_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Quarantine",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("state", models.TextField(default="held")),
                ("stopped", models.JSONField(blank=True, default=dict)),
                ("settled_at", models.DateTimeField(null=True)),
                ("settled_by", models.TextField(blank=True)),
                ("settled_by_name", models.TextField(blank=True)),
                ("words", models.TextField(blank=True)),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="quarantines",
                        to="reviews.case",
                    ),
                ),
                (
                    "identity",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.identity",
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="quarantines",
                        to="reviews.item",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "held")),
                        fields=["until"],
                        name="quarantine_due",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ("held", "restored", "revoked", "over"))),
                        name="quarantine_state_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("until__gt", models.F("since"))),
                        name="quarantine_runs_forward",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "held")),
                        fields=("item",),
                        name="quarantine_held_once",
                    ),
                ],
            },
        ),
    ]
