"""How aligned we were, day by day."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reviews", "0020_serious_findings")]

    operations = [
        migrations.CreateModel(
            name="ShareDay",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField()),
                ("name", models.TextField()),
                ("part", models.BigIntegerField()),
                ("whole", models.BigIntegerField()),
                ("counted_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("day", "name"), name="share_day_once"),
                    models.CheckConstraint(
                        condition=models.Q(("part__gte", 0), ("part__lte", models.F("whole"))),
                        name="share_part_is_of_the_whole",
                    ),
                ],
            },
        ),
    ]
