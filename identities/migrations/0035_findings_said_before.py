"""What a finding said before late evidence changed it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("identities", "0034_link_proposals"),
    ]

    operations = [
        migrations.AddField(
            model_name="finding",
            name="said_before",
            field=models.JSONField(blank=True, db_default={}, default=dict),
        ),
    ]
