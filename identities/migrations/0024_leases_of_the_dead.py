from django.db import migrations, models


class Migration(migrations.Migration):
    """A lease names the session of its worker, so that what a killed one left is taken up at once."""

    dependencies = [
        ("identities", "0022_grants"),
    ]

    operations = [
        migrations.AddField("revocation", "leased_by", models.IntegerField(null=True)),
        migrations.AddField("revocation", "lost_at", models.DateTimeField(null=True)),
        migrations.AddField("grant", "leased_by", models.IntegerField(blank=True, null=True)),
        migrations.AddField("grant", "lost_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddIndex(
            model_name="grant",
            index=models.Index(
                fields=["leased_until"],
                condition=models.Q(leased_until__isnull=False),
                name="grant_leased",
            ),
        ),
        migrations.AddIndex(
            model_name="revocation",
            index=models.Index(
                fields=["leased_until"],
                condition=models.Q(leased_until__isnull=False),
                name="revocation_leased",
            ),
        ),
    ]
