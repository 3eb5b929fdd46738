"""A mark of a case whose fast answers were all taken back by who gave them."""

from django.db import migrations, models

KNOWN = ("", "confirmed", "asked_again", "taken_back")


class Migration(migrations.Migration):
    dependencies = [
        ("reviews", "0033_sealed_credentials"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="provisional", name="provisional_how_is_known"),
        migrations.AddConstraint(
            model_name="provisional",
            constraint=models.CheckConstraint(
                condition=models.Q(("how__in", KNOWN)), name="provisional_how_is_known"
            ),
        ),
    ]
