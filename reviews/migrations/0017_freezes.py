"""Change freezes with what they hold, and the brake on what campaigns decided."""

import datetime as dt

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q

import evidence.keys
import evidence.models.numbers


class Migration(migrations.Migration):
    dependencies = [("identities", "0009_triggers"), ("reviews", "0016_planted")]

    operations = [
        migrations.RunSQL("CREATE SEQUENCE freeze_number START 1", "DROP SEQUENCE freeze_number"),
        migrations.CreateModel(
            name="Freeze",
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
                        db_default=evidence.models.numbers.NextNumber("freeze_number"), unique=True
                    ),
                ),
                ("scope", models.JSONField(blank=True, default=dict)),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.TextField(blank=True)),
                ("ended_by_name", models.TextField(blank=True)),
                ("ended_reason", models.TextField(blank=True)),
                (
                    "asked",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
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
                        condition=Q(("state__in", ["in_force", "ended"])),
                        fields=["until"],
                        name="freeze_holds",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(("state__in", ("proposed", "in_force", "refused", "ended"))),
                        name="freeze_state_is_known",
                    ),
                    models.CheckConstraint(
                        condition=Q(
                            ("state__in", ["proposed", "refused"]),
                            Q(
                                ("settled_person__isnull", False),
                                Q(("proposed_person", F("settled_person")), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="freeze_signed_by_another",
                    ),
                    models.CheckConstraint(
                        condition=Q(
                            ("until__gt", F("since")),
                            ("until__lte", F("since") + dt.timedelta(days=60)),
                        ),
                        name="freeze_runs_forward",
                    ),
                    models.CheckConstraint(
                        condition=Q(
                            Q(("state", "ended"), _negated=True),
                            Q(("ended_at__isnull", False), Q(("ended_reason", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="freeze_ended_says_why",
                    ),
                    models.UniqueConstraint(
                        condition=Q(("state", "proposed")),
                        fields=("scope", "since", "until"),
                        name="freeze_proposed_once",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="rung",
            name="freeze",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="held",
                to="reviews.freeze",
            ),
        ),
        migrations.AddIndex(
            model_name="rung",
            index=models.Index(
                condition=Q(("freeze__isnull", False)), fields=["freeze"], name="rung_of_freeze"
            ),
        ),
        migrations.CreateModel(
            name="OutcomeBrake",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("ended_at", models.DateTimeField()),
                ("looked_at", models.DateTimeField()),
                ("cuts", models.IntegerField()),
                ("most", models.IntegerField()),
                ("released_at", models.DateTimeField(null=True)),
                ("released_by", models.TextField(blank=True)),
                ("released_by_name", models.TextField(blank=True)),
                ("reason", models.TextField(blank=True)),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="brakes",
                        to="reviews.campaign",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=Q(("cuts__gt", F("most")), ("released_at__isnull", True)),
                        fields=["campaign"],
                        name="outcome_brake_held",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("campaign", "ended_at"), name="outcome_brake_once"
                    ),
                    models.CheckConstraint(
                        condition=Q(
                            ("released_at__isnull", True),
                            Q(("reason", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="outcome_brake_released_says_why",
                    ),
                ],
            },
        ),
    ]
