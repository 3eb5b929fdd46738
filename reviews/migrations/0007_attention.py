"""What shows how carefully an answer was given, and seats that change hands."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import evidence.keys


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("identities", "0004_undone"),
        ("reviews", "0006_rungs"),
    ]

    operations = [
        migrations.AddField(
            model_name="seat",
            name="signed_before",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.UUIDField(), blank=True, default=list, size=None
            ),
        ),
        migrations.AddField(
            model_name="seat",
            name="given_up",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.UUIDField(), blank=True, default=list, size=None
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="shown_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="decision",
            name="evidence_opened",
            field=models.BooleanField(null=True),
        ),
        migrations.AddField(
            model_name="decision",
            name="batch",
            field=models.IntegerField(null=True),
        ),
        migrations.AddIndex(
            model_name="decision",
            index=models.Index(fields=["person", "at"], name="decision_of_person"),
        ),
        migrations.CreateModel(
            name="Burst",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("answers", models.IntegerField()),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["person", "-until"], name="burst_of_person")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("until__gte", models.F("since"))),
                        name="burst_runs_forward",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Provisional",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("marked_at", models.DateTimeField()),
                ("told_at", models.DateTimeField(null=True)),
                ("settled_at", models.DateTimeField(null=True)),
                ("how", models.TextField(blank=True)),
                ("reason", models.TextField(blank=True)),
                (
                    "burst",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="marks",
                        to="reviews.burst",
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="provisional",
                        to="reviews.case",
                    ),
                ),
                (
                    "settled_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "provisional marks",
                "indexes": [
                    models.Index(
                        condition=models.Q(("told_at__isnull", True)),
                        fields=["marked_at"],
                        name="provisional_untold",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("how__in", ("", "confirmed", "asked_again"))),
                        name="provisional_how_is_known",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("settled_at__isnull", True)),
                        fields=("case", "burst"),
                        name="provisional_once",
                    ),
                ],
            },
        ),
    ]
