"""Seats that were nobody's: which owner was looked at for one, and since when somebody sits there;
and drafts whose end has come, which are held."""

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("identities", "0001_initial"),
        ("reviews", "0022_planted_entitlements"),
    ]

    operations: ClassVar = [
        migrations.AddField(
            model_name="seat",
            name="considered",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="identities.party",
            ),
        ),
        migrations.AddField(
            model_name="seat",
            name="since",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.RemoveConstraint(model_name="endstep", name="end_did_is_known"),
        migrations.AddConstraint(
            model_name="endstep",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("did__in", ("warned", "suspended", "held", "escalated", "over"))
                ),
                name="end_did_is_known",
            ),
        ),
        migrations.AddIndex(
            model_name="seat",
            index=models.Index(
                condition=models.Q(("party__isnull", True), ("person__isnull", True)),
                fields=["case"],
                name="seat_is_nobodys",
            ),
        ),
    ]
