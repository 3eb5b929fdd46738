"""Campaigns: many cases from one policy."""

import django.db.models.deletion
from django.db import migrations, models

import evidence.keys
import evidence.models.numbers


class Migration(migrations.Migration):
    dependencies = [
        ("identities", "0002_attribution_index"),
        ("reviews", "0008_queue"),
    ]

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE campaign_number START 1", "DROP SEQUENCE campaign_number"
        ),
        migrations.CreateModel(
            name="Campaign",
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
                        db_default=evidence.models.numbers.NextNumber("campaign_number"),
                        unique=True,
                    ),
                ),
                ("name", models.TextField()),
                ("scope", models.JSONField(blank=True, default=dict)),
                ("state", models.TextField(default="draft")),
                ("reason", models.TextField()),
                ("made_at", models.DateTimeField()),
                ("made_by", models.TextField()),
                ("made_by_name", models.TextField(blank=True)),
                ("deadline_at", models.DateTimeField(null=True)),
                ("launched_at", models.DateTimeField(null=True)),
                ("launched_by", models.TextField(blank=True)),
                ("launched_by_name", models.TextField(blank=True)),
                ("asked_at", models.DateTimeField(null=True)),
                ("closed_at", models.DateTimeField(null=True)),
                ("closed_by", models.TextField(blank=True)),
                ("closed_by_name", models.TextField(blank=True)),
                ("progress", models.JSONField(blank=True, default=dict)),
                ("counted_at", models.DateTimeField(null=True)),
                ("count_at", models.DateTimeField(null=True)),
                (
                    "policy",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="campaigns",
                        to="reviews.reviewpolicy",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ("draft", "running", "paused", "closed"))),
                        name="campaign_state_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("launched_at__isnull", True),
                            ("deadline_at__isnull", False),
                            _connector="OR",
                        ),
                        name="campaign_launched_has_a_deadline",
                    ),
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("asked_at__isnull", True), ("state", "running")),
                        fields=["launched_at"],
                        name="campaign_to_launch",
                    ),
                    models.Index(
                        condition=models.Q(("count_at__isnull", False)),
                        fields=["count_at"],
                        name="campaign_to_count",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CampaignPause",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField(null=True)),
                ("reason", models.TextField()),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="pauses",
                        to="reviews.campaign",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("until__isnull", True)),
                        fields=("campaign",),
                        name="campaign_pause_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("until__isnull", True),
                            ("until__gte", models.F("since")),
                            _connector="OR",
                        ),
                        name="campaign_pause_runs_forward",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CampaignIdentity",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("joined", models.BooleanField(default=False)),
                ("left_out", models.TextField(blank=True)),
                (
                    "campaign",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="identities",
                        to="reviews.campaign",
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
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
            ],
            options={
                "verbose_name_plural": "campaign identities",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("campaign", "identity"), name="campaign_identity_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("case__isnull", True), ("left_out", ""), _connector="OR"
                        ),
                        name="campaign_identity_is_asked_or_not",
                    ),
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("case__isnull", True), ("left_out", "")),
                        fields=["campaign", "id"],
                        name="campaign_identity_waits",
                    ),
                    models.Index(
                        condition=models.Q(("left_out", ""), _negated=True),
                        fields=["campaign"],
                        name="campaign_identity_left_out",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="case",
            name="campaign",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="cases",
                to="reviews.campaign",
            ),
        ),
        migrations.AddIndex(
            model_name="case",
            index=models.Index(
                condition=models.Q(("campaign__isnull", False)),
                fields=["campaign", "state"],
                name="case_of_campaign",
            ),
        ),
        migrations.AddField(
            model_name="notice",
            name="campaign",
            field=models.UUIDField(null=True),
        ),
    ]
