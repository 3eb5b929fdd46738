"""Indexes of runs: those that are asked, and no others; and the runs that show no calls of an SDK.

A run is written for every trace, and half of what that cost were indexes that nobody asks: of the
seven columns that refer to others, six are mostly empty and asked only when a name is let go of.
run_silent serves evidence/inferred.py: the runs of a time whose calls have to be inferred.
"""

from django.db import migrations, models

SILENT = """
CREATE INDEX run_silent ON evidence_run USING gist (tstzrange(first_at, last_at, '[]'))
    WHERE api_calls = 0 AND tool_calls > 0
"""
SAID = {
    "service": "actor",
    "on_behalf": "actor",
    "conversation": "term",
    "task": "term",
    "release": "term",
}


def _reference(to: str, *, null: bool, name: str) -> models.ForeignKey:
    return models.ForeignKey(
        f"evidence.{to}", models.PROTECT, null=null, related_name=name, db_index=False
    )


class Migration(migrations.Migration):
    dependencies = [("evidence", "0010_inferred_links")]

    operations = [
        migrations.AlterField("run", "source", _reference("source", null=False, name="runs")),
        migrations.AlterField("run", "agent", _reference("actor", null=True, name="runs")),
        *(
            migrations.AlterField("run", name, _reference(to, null=True, name="+"))
            for name, to in SAID.items()
        ),
        migrations.RemoveIndex("run", "run_of_agent"),
        migrations.AddIndex(
            "run",
            models.Index(
                name="run_of_agent",
                fields=["agent", "first_at"],
                condition=models.Q(agent__isnull=False),
            ),
        ),
        *(
            migrations.AddIndex(
                "run",
                models.Index(
                    name=f"run_says_{name}",
                    fields=[name],
                    condition=models.Q((f"{name}__isnull", False)),
                ),
            )
            for name in SAID
        ),
        migrations.RunSQL(SILENT, "DROP INDEX run_silent"),
    ]
