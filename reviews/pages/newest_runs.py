"""The newest runs of an identity's agents up to a moment, as its page lists them.

Owns the reading. Of a run that went on after the moment only what was there by then is told.
"""

from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models.expressions import RawSQL

from evidence.models import Run
from reviews.pages.dossier import Dossier

MOST_RUNS = 8
# The newest of each name, each by its own index: sorted together, the runs of years would be read.
NEWEST_RUNS = """
SELECT run.id FROM unnest(%s::bigint[]) AS name(id), LATERAL (
    (SELECT r.id FROM evidence_run r WHERE r.agent_id = name.id AND r.first_at <= %s
     ORDER BY r.first_at DESC LIMIT %s)
    UNION ALL
    (SELECT r.id FROM evidence_run r WHERE r.agent_id IS NULL AND r.service_id = name.id
       AND r.first_at <= %s ORDER BY r.first_at DESC LIMIT %s)) run
"""


def _spans_by_then(runs: list[Run], at: datetime) -> dict[Any, int]:
    """Of runs that went on after the moment."""
    if not runs:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT r.id, (SELECT count(*) FROM evidence_event e WHERE e.trace = r.trace"
            "  AND e.source_id = r.source_id AND e.at BETWEEN r.first_at AND %s)"
            " FROM evidence_run r WHERE r.id = ANY(%s)",
            [at, [one.pk for one in runs]],
        )
        return dict(cursor.fetchall())


def of(d: Dossier) -> list[dict[str, Any]]:
    actors = [one.actor_id for one in d.bindings if one.state == "confirmed"]
    newest = RawSQL(  # noqa: S611 - a constant; values are parameters
        NEWEST_RUNS, [actors, d.at, MOST_RUNS, d.at, MOST_RUNS]
    )
    found = (
        Run.objects.filter(pk__in=newest)
        .select_related("agent", "service")
        .order_by("-first_at")[:MOST_RUNS]
    )
    spans = _spans_by_then([one for one in found if one.last_at > d.at], d.at)
    outside = {one.trace: one.count for one in d.findings if one.rule == "left_task" and one.trace}
    return [
        {
            "key": run.key,
            "url": f"/runs/{run.key}/",
            "agent": str(run.agent or run.service or "not named"),
            "first_at": run.first_at,
            "last_at": min(run.last_at, d.at),
            "spans": spans.get(run.pk, run.spans),
            "outside": outside.get(run.trace, 0),
        }
        for run in found
    ]
