"""Steps on what one principal is allowed: which entitlement they are about."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("identities", "0011_refused_again")]
    operations = [
        migrations.AddField(
            model_name="revocation",
            name="entitlement",
            field=models.UUIDField(blank=True, null=True),
        ),
    ]
