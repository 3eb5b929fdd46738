"""Changes of what exists, proposed by one person until a second one signs."""

import django.db.models.deletion
from django.db import migrations, models

import evidence.keys
import evidence.models.numbers


class Migration(migrations.Migration):
    dependencies = [
        ("identities", "0032_credentials_outside_instances"),
    ]

    operations = [
        migrations.RunSQL("CREATE SEQUENCE change_number START 1", "DROP SEQUENCE change_number"),
        migrations.CreateModel(
            name="ProposedChange",
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
                        db_default=evidence.models.numbers.NextNumber("change_number"), unique=True
                    ),
                ),
                ("kind", models.TextField()),
                ("subject", models.TextField()),
                ("title", models.TextField()),
                ("document", models.JSONField()),
                ("lines", models.JSONField()),
                ("digest", models.TextField()),
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
                        condition=models.Q(("state", "proposed")),
                        fields=["proposed_at"],
                        name="change_waits",
                    ),
                    models.Index(fields=["subject", "-number"], name="change_of_subject"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ("proposed", "in_force", "refused", "ended"))
                        ),
                        name="change_state_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["proposed", "refused"]),
                            models.Q(
                                ("settled_person__isnull", False),
                                models.Q(
                                    ("proposed_person", models.F("settled_person")), _negated=True
                                ),
                            ),
                            _connector="OR",
                        ),
                        name="change_signed_by_another",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "proposed")),
                        fields=("digest",),
                        name="change_proposed_once",
                    ),
                ],
            },
        ),
    ]
