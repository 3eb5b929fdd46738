"""By which actors alerts are matched, so that those about nobody are tried again when it is known."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reviews", "0040_looked_back_at")]

    operations = [
        migrations.AddField(
            model_name="alert",
            name="keys",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.UUIDField(), default=list
            ),
        ),
        migrations.AddField(
            model_name="alert",
            name="over",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="alert",
            name="tried",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(), default=list
            ),
        ),
    ]
