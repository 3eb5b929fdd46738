"""Sweeps ask about findings that a person confirmed as about open ones: the index holds both."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("identities", "0037_takes_others"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="finding", name="finding_open"),
        migrations.AddIndex(
            model_name="finding",
            index=models.Index(
                condition=models.Q(("state__in", ["open", "confirmed"])),
                fields=["-last_at"],
                name="finding_open",
            ),
        ),
    ]
