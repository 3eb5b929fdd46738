"""What is urgent goes out first (docs/decisions/0085)."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("identities", "0025_signing_in_elsewhere"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="revocation",
            name="revocation_due",
        ),
        migrations.AddField(
            model_name="revocation",
            name="urgent",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddIndex(
            model_name="revocation",
            index=models.Index(
                models.ExpressionWrapper(
                    models.Q(("state", "confirmed")), output_field=models.BooleanField()
                ),
                models.ExpressionWrapper(
                    models.Q(("urgent", False)), output_field=models.BooleanField()
                ),
                models.F("not_before"),
                models.F("number"),
                condition=models.Q(("state__in", ["requested", "sending", "sent", "confirmed"])),
                name="revocation_due",
            ),
        ),
    ]
