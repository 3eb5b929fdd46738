"""Erasures name short pieces of the content that go wherever they are quoted."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("evidence", "0019_runs_like_events")]

    operations = [
        migrations.AddField(
            model_name="erasure",
            name="pieces",
            field=ArrayField(base_field=models.TextField(), default=list),
        ),
    ]
