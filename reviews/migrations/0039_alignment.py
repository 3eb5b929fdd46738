"""How aligned each AI system was, day by day, beside all of them."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reviews", "0038_containment")]

    operations = [
        migrations.RemoveConstraint(model_name="shareday", name="share_day_once"),
        migrations.AddField(
            model_name="shareday",
            name="service",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="identities.service",
            ),
        ),
        migrations.AddConstraint(
            model_name="shareday",
            constraint=models.UniqueConstraint(
                fields=("day", "name", "service"),
                name="share_day_of_service_once",
                nulls_distinct=False,
            ),
        ),
    ]
