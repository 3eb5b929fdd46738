"""What systems list of themselves: readings, and the dated rows that they find."""

import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0007_pulls"),
        ("identities", "0004_undone"),
    ]

    operations = [
        migrations.CreateModel(
            name="InventoryRead",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("system", models.TextField()),
                ("realm", models.TextField(blank=True)),
                ("state", models.TextField(default="waiting")),
                ("asked_at", models.DateTimeField()),
                ("asked_by", models.TextField()),
                ("asked_name", models.TextField(blank=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("pages", models.PositiveIntegerField(default=0)),
                ("found", models.PositiveBigIntegerField(default=0)),
                ("new", models.PositiveBigIntegerField(default=0)),
                ("changed", models.PositiveBigIntegerField(default=0)),
                ("gone", models.PositiveBigIntegerField(default=0)),
                ("parts", models.JSONField(default=dict)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("retries", models.PositiveIntegerField(default=0)),
                ("not_before", models.DateTimeField(null=True)),
                ("leased_until", models.DateTimeField(null=True)),
                ("problem", models.TextField(blank=True)),
                ("fix", models.TextField(blank=True)),
                (
                    "source",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="inventory_reads",
                        to="evidence.source",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Discovery",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("part", models.TextField()),
                ("realm", models.TextField()),
                ("scope", models.TextField(blank=True)),
                ("credential", models.BooleanField()),
                ("kind", models.TextField()),
                ("title", models.TextField(blank=True)),
                ("status", models.TextField()),
                ("created_at", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
                ("hints", models.JSONField(default=list)),
                ("digest", models.TextField()),
                ("last_used_at", models.DateTimeField(null=True)),
                ("last_used_of", models.TextField(blank=True)),
                ("missing", models.TextField(blank=True)),
                ("read_at", models.DateTimeField()),
                ("during", django.contrib.postgres.fields.ranges.DateTimeRangeField()),
                ("recorded_at", models.DateTimeField()),
                ("superseded_at", models.DateTimeField(null=True)),
                (
                    "actor",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.actor",
                    ),
                ),
                (
                    "holder",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.actor",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="discoveries",
                        to="evidence.source",
                    ),
                ),
                (
                    "read",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.inventoryread",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "discoveries",
            },
        ),
        migrations.CreateModel(
            name="DiscoveredRights",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("part", models.TextField()),
                ("possible", models.JSONField()),
                ("digest", models.TextField()),
                ("missing", models.TextField(blank=True)),
                ("read_at", models.DateTimeField()),
                ("during", django.contrib.postgres.fields.ranges.DateTimeRangeField()),
                ("recorded_at", models.DateTimeField()),
                ("superseded_at", models.DateTimeField(null=True)),
                (
                    "actor",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.actor",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="discovered_rights",
                        to="evidence.source",
                    ),
                ),
                (
                    "read",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.inventoryread",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "discovered rights",
            },
        ),
        migrations.CreateModel(
            name="InventoryPlan",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("every_seconds", models.PositiveIntegerField(default=21600)),
                ("paused", models.BooleanField(default=False)),
                ("next_at", models.DateTimeField(null=True)),
                (
                    "source",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="inventory_plan",
                        to="evidence.source",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("paused", False)),
                        fields=["next_at"],
                        name="inventory_due",
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="inventoryread",
            index=models.Index(fields=["source", "-asked_at"], name="inventory_newest"),
        ),
        migrations.AddIndex(
            model_name="inventoryread",
            index=models.Index(
                condition=models.Q(("state__in", ["waiting", "running"])),
                fields=["not_before"],
                name="inventory_live",
            ),
        ),
        migrations.AddConstraint(
            model_name="inventoryread",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["waiting", "running"])),
                fields=("source",),
                name="inventory_one_at_a_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="inventoryread",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["waiting", "running", "done", "partial", "failed"])
                ),
                name="inventory_state_is_known",
            ),
        ),
        migrations.AddIndex(
            model_name="discovery",
            index=models.Index(
                condition=models.Q(("superseded_at", None)),
                fields=["actor"],
                name="discovery_of_actor",
            ),
        ),
        migrations.AddIndex(
            model_name="discovery",
            index=models.Index(
                condition=models.Q(("holder__isnull", False), ("superseded_at", None)),
                fields=["holder"],
                name="discovery_of_holder",
            ),
        ),
        migrations.AddIndex(
            model_name="discovery",
            index=models.Index(
                condition=models.Q(("superseded_at", None)),
                fields=["source", "part", "actor"],
                name="discovery_of_list",
            ),
        ),
        migrations.AddConstraint(
            model_name="discovery",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["active", "held", "expired"])),
                name="discovery_status_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="discovery",
            constraint=models.CheckConstraint(
                condition=models.Q(("credential", True), ("holder__isnull", True), _connector="OR"),
                name="discovery_principal_has_no_holder",
            ),
        ),
        migrations.AddConstraint(
            model_name="discovery",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                condition=models.Q(("superseded_at__isnull", True)),
                expressions=[("source", "="), ("part", "="), ("actor", "="), ("during", "&&")],
                name="discovery_does_not_overlap",
            ),
        ),
        migrations.AddIndex(
            model_name="discoveredrights",
            index=models.Index(
                condition=models.Q(("superseded_at", None)),
                fields=["source", "part", "actor"],
                name="rights_of_list",
            ),
        ),
        migrations.AddConstraint(
            model_name="discoveredrights",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                condition=models.Q(("superseded_at__isnull", True)),
                expressions=[("source", "="), ("part", "="), ("actor", "="), ("during", "&&")],
                name="rights_do_not_overlap",
            ),
        ),
    ]
