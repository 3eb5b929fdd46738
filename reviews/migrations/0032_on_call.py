"""Who is on call, seats of roles, and when the others are told and a tracker is asked again."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import evidence.keys


class Migration(migrations.Migration):
    dependencies = [("reviews", "0031_break_glass_accounts")]

    operations = [
        migrations.CreateModel(
            name="Rota",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("team", models.TextField(unique=True)),
                ("settings_digest", models.TextField()),
                ("etag", models.TextField(blank=True)),
                ("next_at", models.DateTimeField()),
                ("tried_at", models.DateTimeField(null=True)),
                ("read_at", models.DateTimeField(null=True)),
                ("full_at", models.DateTimeField(null=True)),
                ("problem", models.TextField(blank=True)),
            ],
            options={"verbose_name_plural": "rotas"},
        ),
        migrations.CreateModel(
            name="Shift",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField(null=True)),
                ("name", models.TextField(blank=True)),
                (
                    "emails",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), blank=True, default=list
                    ),
                ),
                (
                    "rota",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="shifts",
                        to="reviews.rota",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["rota", "starts_at"], name="shift_now")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(ends_at__isnull=True)
                        | models.Q(ends_at__gt=models.F("starts_at")),
                        name="shift_ends_after_it_starts",
                    )
                ],
            },
        ),
        migrations.AddField("breakglass", "others_at", models.DateTimeField(null=True)),
        migrations.AddField("breakglass", "ticket_look_at", models.DateTimeField(null=True)),
        migrations.AddField("seat", "role", models.TextField(blank=True, default="")),
        migrations.AddIndex(
            "seat",
            models.Index(
                condition=models.Q(("role", ""), _negated=True),
                fields=["role"],
                name="seat_of_role",
            ),
        ),
    ]
