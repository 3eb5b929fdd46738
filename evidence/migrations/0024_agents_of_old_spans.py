"""The agents above the spans that are there already, some runs at a time.

What is done stays done when it is broken off: it begins again and writes nothing twice.
"""

from typing import Any

from django.db import migrations

RUNS = 500
# From spans that name an agent down to those that name none, as evidence/runs.py does.
ABOVE = """
WITH RECURSIVE span AS MATERIALIZED (
    SELECT e.at, e.id, e.source_id, e.trace, e.span, e.parent_span, e.agent_id
    FROM evidence_run r JOIN evidence_event e
      ON e.trace = r.trace AND e.source_id = r.source_id AND e.plane = 2
    WHERE r.id > %(after)s AND r.id <= %(upto)s AND r.agent_id IS NOT NULL
), down AS (
    SELECT c.*, n.agent_id AS named, 1 AS depth
    FROM span n JOIN span c ON c.source_id = n.source_id AND c.trace = n.trace
     AND c.parent_span = n.span AND c.agent_id IS NULL
    WHERE n.agent_id IS NOT NULL
    UNION
    SELECT c.*, d.named, d.depth + 1
    FROM down d JOIN span c ON c.source_id = d.source_id AND c.trace = d.trace
     AND c.parent_span = d.span AND c.agent_id IS NULL
    WHERE d.depth < 64 AND NOT EXISTS (
        SELECT FROM span v WHERE v.source_id = d.source_id AND v.trace = d.trace
        AND v.span = d.span AND v.agent_id IS NOT NULL)
)
INSERT INTO evidence_agentabove (at, id, agent_id)
SELECT at, id, min(named) FROM down GROUP BY at, id ORDER BY at, id
ON CONFLICT DO NOTHING
"""


def find(apps: Any, schema_editor: Any) -> None:  # noqa: ARG001 - Django passes both
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(min(id), 1) - 1, coalesce(max(id), 0) FROM evidence_run")
        after, last = cursor.fetchone()
        while after < last:
            cursor.execute(ABOVE, {"after": after, "upto": after + RUNS})
            after += RUNS


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("evidence", "0023_agents_above")]

    operations = [migrations.RunPython(find, migrations.RunPython.noop)]
