"""Marks and notes on the events of an incident's timeline; alerts that other systems sent."""

import django.db.models.deletion
from django.db import migrations, models

import evidence.keys
import evidence.models.numbers


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0027_anchors"),
        ("identities", "0024_leases_of_the_dead"),
        ("reviews", "0035_incident_rooms"),
    ]

    operations = [
        migrations.RunSQL("CREATE SEQUENCE alert_number START 1", "DROP SEQUENCE alert_number"),
        migrations.CreateModel(
            name="AlertDeposit",
            fields=[
                ("deposit_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("read_at", models.DateTimeField()),
                ("alerts", models.IntegerField()),
                ("wrong", models.JSONField(default=list)),
            ],
        ),
        migrations.CreateModel(
            name="Alert",
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
                        db_default=evidence.models.numbers.NextNumber("alert_number"), unique=True
                    ),
                ),
                ("uid", models.TextField()),
                ("deposit_id", models.BigIntegerField()),
                ("position", models.IntegerField()),
                ("shape", models.TextField()),
                ("rule", models.TextField(blank=True)),
                ("title", models.TextField()),
                ("severity", models.TextField(default="unknown")),
                ("at", models.DateTimeField()),
                ("received_at", models.DateTimeField()),
                ("names", models.JSONField(default=list)),
                ("repeats", models.IntegerField(default=0)),
                ("last_at", models.DateTimeField()),
                ("state", models.TextField(default="unmatched")),
                ("why", models.TextField(blank=True)),
                ("state_at", models.DateTimeField()),
                ("state_by", models.TextField(blank=True)),
                ("state_by_name", models.TextField(blank=True)),
                (
                    "case",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="alerts",
                        to="reviews.case",
                    ),
                ),
                (
                    "identity",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.identity",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.source",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "unmatched")),
                        fields=["-number"],
                        name="alert_unmatched",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ("unmatched", "noted", "opened", "joined", "dismissed"))
                        ),
                        name="alert_state_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("severity__in", ("unknown", "low", "medium", "high", "critical"))
                        ),
                        name="alert_severity_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state__in", ["opened", "joined"]), _negated=True),
                            models.Q(("case__isnull", False), ("identity__isnull", False)),
                            _connector="OR",
                        ),
                        name="alert_in_a_case_is_about_somebody",
                    ),
                    models.UniqueConstraint(fields=("source", "uid"), name="alert_once"),
                ],
            },
        ),
        migrations.CreateModel(
            name="EventNote",
            fields=[
                (
                    "comment",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="about_event",
                        serialize=False,
                        to="reviews.comment",
                    ),
                ),
                ("at", models.DateTimeField()),
                ("event_id", models.BigIntegerField()),
                (
                    "case",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="reviews.case",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["case", "at", "event_id"], name="eventnote_of_event")
                ],
            },
        ),
        migrations.CreateModel(
            name="Mark",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("at", models.DateTimeField()),
                ("event_id", models.BigIntegerField()),
                ("kind", models.TextField()),
                ("label", models.TextField(blank=True)),
                ("since", models.DateTimeField()),
                ("by", models.TextField()),
                ("by_name", models.TextField(blank=True)),
                ("until", models.DateTimeField(null=True)),
                ("until_by", models.TextField(blank=True)),
                ("until_by_name", models.TextField(blank=True)),
                (
                    "case",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="marks",
                        to="reviews.case",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ("star", "label"))),
                        name="mark_kind_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "label"), models.Q(("label", ""), _negated=True)),
                            models.Q(("kind", "star"), ("label", "")),
                            _connector="OR",
                        ),
                        name="mark_label_says_something",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("until__isnull", True)),
                        fields=("case", "at", "event_id", "kind", "label"),
                        name="mark_once",
                    ),
                ],
            },
        ),
    ]
