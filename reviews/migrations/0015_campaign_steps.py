"""Campaign steps: what touches each review of a campaign is a row; when outcomes go out."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reviews", "0014_comments")]
    operations = [
        migrations.AddField(
            model_name="campaign",
            name="applies",
            field=models.TextField(default="at_once"),
        ),
        migrations.AddField(
            model_name="campaign",
            name="moving",
            field=models.BooleanField(default=False),
        ),
        migrations.AddConstraint(
            model_name="campaign",
            constraint=models.CheckConstraint(
                condition=models.Q(("applies__in", ("at_once", "at_end"))),
                name="campaign_applies_is_known",
            ),
        ),
        migrations.CreateModel(
            name="CampaignStep",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.TextField()),
                ("asked_at", models.DateTimeField()),
                ("asked_by", models.TextField()),
                ("asked_by_name", models.TextField(blank=True)),
                ("reason", models.TextField()),
                ("moves_by", models.DurationField(null=True)),
                ("reviews", models.IntegerField()),
                ("done", models.IntegerField(default=0)),
                ("after", models.UUIDField(null=True)),
                ("found", models.JSONField(blank=True, default=dict)),
                ("told", models.IntegerField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="steps",
                        to="reviews.campaign",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("kind__in", ("resume", "extend", "close", "reiterate"))
                        ),
                        name="campaign_step_is_known",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at__isnull", True)),
                        fields=("campaign",),
                        name="campaign_step_once",
                    ),
                ],
            },
        ),
    ]
