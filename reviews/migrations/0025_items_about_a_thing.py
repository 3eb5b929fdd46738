"""Which open items are about one thing: beside each item of the queue, from an index of its own."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reviews", "0023_seats_that_were_nobodys")]

    operations = [
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(outcome__in=["", "conflict"]),
                fields=["ref"],
                name="item_waiting_about",
            ),
        )
    ]
