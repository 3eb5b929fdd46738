"""Runs whose calls have to be inferred, by when they began; by their whole time only the long ones.
And names of actions, which are few among all that events repeat.

A row in the GiST index that held all of them cost as much as the four other indexes of a run
together. Nearly every run is over within the hour: of those it is enough to know when they began
(evidence/inferred.py).
"""

from django.db import migrations

SILENT = "api_calls = 0 AND tool_calls > 0"
BY_TIME = f"""
CREATE INDEX run_silent ON evidence_run USING gist (tstzrange(first_at, last_at, '[]'))
    WHERE {SILENT}
"""
SHORT = f"""
CREATE INDEX run_silent_short ON evidence_run (first_at)
    WHERE {SILENT} AND last_at - first_at <= interval '1 hour'
"""
LONG = f"""
CREATE INDEX run_silent_long ON evidence_run USING gist (tstzrange(first_at, last_at, '[]'))
    WHERE {SILENT} AND last_at - first_at > interval '1 hour'
"""
ACTION = "CREATE INDEX term_action ON evidence_term (id) WHERE kind = 1"


class Migration(migrations.Migration):
    dependencies = [("evidence", "0029_spans_that_ask")]

    operations = [
        migrations.RunSQL(SHORT, "DROP INDEX run_silent_short"),
        migrations.RunSQL(LONG, "DROP INDEX run_silent_long"),
        migrations.RunSQL("DROP INDEX run_silent", BY_TIME),
        migrations.RunSQL(ACTION, "DROP INDEX term_action"),
    ]
