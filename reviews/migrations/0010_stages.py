"""Stages of a case, whose turn it is, and how long answers count after a deadline."""

from datetime import timedelta

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

DOES = ["remind", "tell", "add", "replace", "narrow", "suspend", "revoke", "due", "go_on"]


class Migration(migrations.Migration):
    dependencies = [("reviews", "0009_campaigns")]
    operations = [
        migrations.CreateModel(
            name="Stage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.SmallIntegerField()),
                ("name", models.TextField()),
                ("state", models.TextField(default="waiting")),
                ("within", models.DurationField()),
                ("begun_at", models.DateTimeField(null=True)),
                ("due_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="stages",
                        to="reviews.case",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(state__in=("waiting", "running", "done")),
                        name="stage_state_is_known",
                    ),
                    models.UniqueConstraint(
                        fields=["case", "position"], name="stage_position_once"
                    ),
                ]
            },
        ),
        migrations.AddField("case", "asked_since", models.DateTimeField(null=True)),
        migrations.AddField("case", "stage", models.TextField(blank=True, default="")),
        migrations.AddField("case", "next_stage", models.TextField(blank=True, default="")),
        migrations.AddField("case", "grace", models.DurationField(default=timedelta)),
        migrations.AddField("item", "stage_outcomes", models.JSONField(blank=True, default=dict)),
        migrations.AddField("seat", "turn", models.TextField(default="now")),
        migrations.AddField("seat", "place", models.SmallIntegerField(default=0)),
        migrations.AddField(
            "seat",
            "stage",
            models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="seats",
                to="reviews.stage",
            ),
        ),
        migrations.AddConstraint(
            "seat",
            models.CheckConstraint(
                condition=Q(turn__in=("now", "later", "past")), name="seat_turn_is_known"
            ),
        ),
        migrations.RemoveConstraint("seat", "seat_once"),
        migrations.AddConstraint(
            "seat",
            models.UniqueConstraint(
                fields=["case", "kind", "service", "stage", "place"],
                name="seat_once",
                nulls_distinct=False,
            ),
        ),
        migrations.RemoveConstraint("rung", "rung_does_is_known"),
        migrations.AddConstraint(
            "rung",
            models.CheckConstraint(condition=Q(does__in=DOES), name="rung_does_is_known"),
        ),
    ]
