from django.db import migrations, models


class Migration(migrations.Migration):
    """What is due is claimed in its order, however much of it is due at the same moment."""

    dependencies = [
        ("identities", "0019_signals"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="revocation", name="revocation_due"),
        migrations.AddIndex(
            model_name="revocation",
            index=models.Index(
                models.ExpressionWrapper(
                    models.Q(state="confirmed"), output_field=models.BooleanField()
                ),
                "not_before",
                "number",
                condition=models.Q(state__in=["requested", "sending", "sent", "confirmed"]),
                name="revocation_due",
            ),
        ),
    ]
