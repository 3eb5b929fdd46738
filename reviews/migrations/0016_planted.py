"""Planted items of campaigns, in tables of their own, and the answers on them."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import evidence.keys


class Migration(migrations.Migration):
    dependencies = [
        ("identities", "0009_triggers"),
        ("reviews", "0015_campaign_steps"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Planting",
            fields=[
                (
                    "campaign",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="planting",
                        serialize=False,
                        to="reviews.campaign",
                    ),
                ),
                ("share", models.SmallIntegerField()),
                ("planted_at", models.DateTimeField(null=True)),
                ("items", models.IntegerField(null=True)),
                ("digest", models.TextField(blank=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("share__gte", 1), ("share__lte", 5)),
                        name="planting_share_is_small",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("digest", ""),
                                ("items__isnull", True),
                                ("planted_at__isnull", True),
                            ),
                            models.Q(
                                ("items__isnull", False),
                                ("planted_at__isnull", False),
                                models.Q(("digest", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="planting_says_what",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PlantedItem",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("plant", models.TextField()),
                ("before", models.SmallIntegerField()),
                ("kind", models.TextField()),
                ("title", models.TextField()),
                ("note", models.TextField(blank=True)),
                ("proposal", models.JSONField(blank=True, default=dict)),
                ("recommendation", models.TextField(blank=True)),
                ("recommendation_reason", models.TextField(blank=True)),
                ("snapshot", models.JSONField(blank=True, default=dict)),
                ("known", models.TextField()),
                ("disclosed_at", models.DateTimeField(null=True)),
                (
                    "case",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="planted",
                        to="reviews.case",
                    ),
                ),
                (
                    "copied_from",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="reviews.item",
                    ),
                ),
                (
                    "planting",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rows",
                        to="reviews.planting",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PlantedAnswer",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("answer", models.TextField()),
                ("reason", models.TextField()),
                ("proposal", models.JSONField(blank=True, default=dict)),
                ("at", models.DateTimeField()),
                ("not_before", models.DateTimeField()),
                ("superseded_at", models.DateTimeField(null=True)),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
                (
                    "seat",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="reviews.seat",
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="answers",
                        to="reviews.planteditem",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["person", "at"], name="planted_answer_of_person")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "answer__in",
                                (
                                    "keep",
                                    "narrow",
                                    "replace",
                                    "revoke",
                                    "dont_know",
                                    "approve",
                                    "deny",
                                ),
                            )
                        ),
                        name="planted_is_answered",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("superseded_at__isnull", True)),
                        fields=("item", "seat"),
                        name="planted_answer_once",
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="planteditem",
            index=models.Index(
                condition=models.Q(("disclosed_at__isnull", True)),
                fields=["id"],
                name="planted_undisclosed",
            ),
        ),
        migrations.AddConstraint(
            model_name="planteditem",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ("credential", "delegation"))),
                name="planted_kind_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="planteditem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "plant__in",
                        [
                            "delegation_without_purpose",
                            "key_without_purpose",
                            "partly_used",
                            "wholly_used",
                        ],
                    )
                ),
                name="planted_plant_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="planteditem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "known__in",
                        ("keep", "narrow", "replace", "revoke", "dont_know", "approve", "deny"),
                    )
                ),
                name="planted_answer_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="planteditem",
            constraint=models.UniqueConstraint(fields=("case",), name="planted_once_a_case"),
        ),
    ]
