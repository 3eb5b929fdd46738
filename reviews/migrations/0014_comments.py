"""Comments; and finding the cases in which all three legs come together."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import evidence.keys


class Migration(migrations.Migration):
    dependencies = [("reviews", "0013_triggers")]
    operations = [
        migrations.CreateModel(
            name="Comment",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("at", models.DateTimeField()),
                ("text", models.TextField()),
                (
                    "mentioned",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), blank=True, default=list, size=None
                    ),
                ),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.user",
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="comments",
                        to="reviews.case",
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="reviews.item",
                    ),
                ),
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
                "constraints": [
                    models.CheckConstraint(
                        name="comment_says_something", condition=~models.Q(text="")
                    )
                ],
                "indexes": [models.Index(name="comment_of_case", fields=["case", "-at"])],
            },
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(("snapshot__has_key", "together")),
                fields=["case"],
                name="item_together",
            ),
        ),
    ]
