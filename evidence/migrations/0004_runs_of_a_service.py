"""The runs that name no agent are found by their service: the newest of them, on the line."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("evidence", "0003_undated")]

    operations = [
        migrations.AddIndex(
            "run",
            models.Index(
                fields=["service", "first_at"],
                name="run_of_service",
                condition=models.Q(agent__isnull=True),
            ),
        ),
    ]
