"""A stop that takes along what its credential issued to other identities says so."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("identities", "0036_taken_along"),
    ]

    operations = [
        migrations.AddField(
            model_name="revocation",
            name="takes_others",
            field=models.BooleanField(db_default=False, default=False),
        ),
        # What was asked for before took along whatever was issued.
        migrations.RunSQL(
            "UPDATE identities_revocation SET takes_others = true WHERE takes_issued",
            migrations.RunSQL.noop,
        ),
    ]
