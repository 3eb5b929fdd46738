"""The first second factor of a login is announced as a recovery is, and counts after its delay."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reviews", "0043_second_factors_and_recoveries"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="recovery", name="recovery_kind"),
        migrations.AddConstraint(
            model_name="recovery",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ("factor", "password", "first factor"))),
                name="recovery_kind",
            ),
        ),
    ]
