"""What gives way on a stream of signals because too much waits there."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("identities", "0020_revocations_in_order"),
    ]

    operations = [
        migrations.AddField(
            model_name="signalstream",
            name="overflowed",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="signalstream",
            name="overflowed_at",
            field=models.DateTimeField(null=True),
        ),
    ]
