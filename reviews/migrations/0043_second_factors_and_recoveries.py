"""Recoveries of logins, and whether who decides needs a second factor."""

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def keep_off(apps: Any, _: Any) -> None:
    """An installation that has logins goes on as it was, until it is switched on."""
    if apps.get_model("identities", "User").objects.exists():
        apps.get_model("reviews", "SecondFactorRule").objects.create(required=False)


class Migration(migrations.Migration):
    dependencies = [
        ("identities", "0036_taken_along"),
        ("reviews", "0042_barred"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="SecondFactorRule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("required", models.BooleanField()),
            ],
        ),
        migrations.CreateModel(
            name="Recovery",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.TextField()),
                ("reason", models.TextField()),
                ("asked_at", models.DateTimeField()),
                ("asked_by_name", models.TextField()),
                ("due_at", models.DateTimeField()),
                ("cancelled_at", models.DateTimeField(null=True)),
                ("cancelled_by", models.TextField(blank=True)),
                ("cancelled_by_name", models.TextField(blank=True)),
                ("cancel_reason", models.TextField(blank=True)),
                ("done_at", models.DateTimeField(null=True)),
                ("linked_at", models.DateTimeField(null=True)),
                ("verdict", models.TextField(blank=True)),
                ("review_words", models.TextField(blank=True)),
                ("reviewed_at", models.DateTimeField(null=True)),
                ("reviewed_by", models.TextField(blank=True)),
                ("reviewed_by_name", models.TextField(blank=True)),
                (
                    "reviewed_person",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="recoveries",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(
                            ("cancelled_at__isnull", True), ("reviewed_at__isnull", True)
                        ),
                        fields=["due_at"],
                        name="recovery_open",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ("factor", "password"))),
                        name="recovery_kind",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("due_at__gt", models.F("asked_at"))),
                        name="recovery_waits",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("cancelled_at__isnull", True),
                            ("done_at__isnull", True),
                            _connector="OR",
                        ),
                        name="recovery_is_cancelled_or_done",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("done_at__isnull", True),
                            ("done_at__gte", models.F("due_at")),
                            _connector="OR",
                        ),
                        name="recovery_is_done_when_due",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("reviewed_at__isnull", True),
                                ("reviewed_person__isnull", True),
                                ("verdict", ""),
                            ),
                            models.Q(
                                ("done_at__isnull", False),
                                ("reviewed_at__isnull", False),
                                ("reviewed_person__isnull", False),
                                ("verdict__in", ("as stated", "misuse")),
                            ),
                            _connector="OR",
                        ),
                        name="recovery_review_is_whole",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(
                            ("cancelled_at__isnull", True), ("done_at__isnull", True)
                        ),
                        fields=("user", "kind"),
                        name="recovery_pending_once",
                    ),
                ],
            },
        ),
        migrations.RunPython(keep_off, migrations.RunPython.noop),
    ]
