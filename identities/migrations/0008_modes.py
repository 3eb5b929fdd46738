"""Which rule gave an identity its mode; the switch for all outgoing writes."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("identities", "0007_attestation")]

    operations = [
        migrations.AddField(
            model_name="identity",
            name="mode_rule",
            field=models.UUIDField(blank=True, null=True),
        ),
        migrations.CreateModel(
            name="OutgoingSwitch",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("state", models.TextField(default="proposed")),
                ("reason", models.TextField()),
                ("proposed_at", models.DateTimeField()),
                ("proposed_by", models.TextField()),
                ("proposed_by_name", models.TextField(blank=True)),
                ("settled_at", models.DateTimeField(null=True)),
                ("settled_by", models.TextField(blank=True)),
                ("settled_by_name", models.TextField(blank=True)),
                ("settled_reason", models.TextField(blank=True)),
                ("to", models.TextField()),
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
                "verbose_name_plural": "outgoing switches",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ("proposed", "in_force", "refused", "ended"))
                        ),
                        name="outgoing_state_is_known",
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
                        name="outgoing_signed_by_another",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("to__in", ("stopped", "open"))),
                        name="outgoing_to_is_known",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "proposed")),
                        fields=("state",),
                        name="outgoing_proposed_once",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "in_force")),
                        fields=("state",),
                        name="outgoing_in_force_once",
                    ),
                ],
            },
        ),
    ]
