"""The menu counts open cases on every page: from an index of its own."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reviews", "0018_micro_reviews_said")]

    operations = [
        migrations.AddIndex(
            model_name="case",
            index=models.Index(
                condition=~models.Q(state__in=["closed", "cancelled"]) & models.Q(sealed=False),
                fields=["door", "state"],
                name="case_counted",
            ),
        )
    ]
