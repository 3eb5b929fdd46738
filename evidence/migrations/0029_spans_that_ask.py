"""Spans that state a request id, by time; and runs without indexes that nobody asks any more.

The index of request ids holds mostly events of identity logs, and finding the spans among them was
a walk through all of it (evidence/links.py). Of spans without a request id the new one holds
nothing.

Whether a run still says a name was asked before names were let go; since 0013 that is asked of
events, and the five indexes for it only made runs dearer to write.
"""

from django.db import migrations

INDEX = """
CREATE INDEX event_asks ON evidence_event (at) WHERE plane = 2 AND request_id IS NOT NULL
"""
SAID = ("service", "on_behalf", "conversation", "task", "release")


class Migration(migrations.Migration):
    dependencies = [("evidence", "0028_packs")]

    operations = [
        migrations.RunSQL(INDEX, "DROP INDEX event_asks"),
        *(migrations.RemoveIndex("run", f"run_says_{name}") for name in SAID),
    ]
