"""Whom somebody reports to: asked last of those who could take over what they leave."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("identities", "0012_held_entitlements")]
    operations = [
        migrations.AddField(
            model_name="person",
            name="manager",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="reports",
                to="identities.person",
            ),
        ),
    ]
