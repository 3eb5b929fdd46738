"""Since when a consumer fails on a deposit, and an index of those that it fails on."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0030_runs_that_begin"),
    ]

    operations = [
        migrations.AddField(
            model_name="progress",
            name="failed_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="progress",
            index=models.Index(
                fields=["consumer", "deposit"],
                name="progress_failed",
                condition=models.Q(("done_at", None), models.Q(("failed_why", ""), _negated=True)),
            ),
        ),
    ]
