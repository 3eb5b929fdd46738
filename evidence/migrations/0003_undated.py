"""Records that state no time are looked up by their id alone (evidence/intake/rows.py)."""

from django.db import migrations

INDEX = "CREATE INDEX event_undated ON evidence_event (id) WHERE time_basis = 2"


class Migration(migrations.Migration):
    dependencies = [("evidence", "0002_append_only")]

    operations = [migrations.RunSQL(INDEX, "DROP INDEX event_undated")]
