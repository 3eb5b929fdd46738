"""The second index of attributions: counts by source without touching the rows."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("identities", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX attribution_by_source"
            " ON identities_attribution (identity_no, source_id, at)",
            "DROP INDEX attribution_by_source",
        )
    ]
