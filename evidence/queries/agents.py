"""Which agent a span is of: the one it names, else the nearest above it, whenever that one came.

Owns the walk upwards. Within one body the format has walked already (evidence/formats/otlp); a span
whose agent came in another body says none in its row, which never changes, and is asked for here.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from evidence.vocabulary import PLANE_AI

# A trace deeper than this has no agent above it that anybody would recognise.
DEEPEST = 64

SPANS = """
SELECT at, id, source_id, trace, span, parent_span, agent_id FROM evidence_event
WHERE trace = ANY(%s) AND plane = %s
ORDER BY at, id
"""


class Span(NamedTuple):
    """What the walk asks of a span."""

    at: datetime
    id: int
    source: int
    trace: UUID
    span: int | None
    parent: int | None
    agent: int | None


def nearest(spans: Iterable[Span]) -> dict[tuple[datetime, int], int]:
    """The agent of each of these spans of whole traces; spans that have none are left out."""
    all_ = list(spans)
    place: dict[tuple[int, UUID, int | None], Span] = {}
    for one in all_:
        key = (one.source, one.trace, one.span)
        # Of a span that was sent in two versions, the one that says more.
        if key not in place or place[key].agent is None:
            place[key] = one
    found: dict[tuple[datetime, int], int] = {}
    for one in all_:
        here: Span | None = one
        for _ in range(DEEPEST):
            if here is None:
                break
            if here.agent is not None:
                found[one.at, one.id] = here.agent
                break
            if here.parent is None:
                break
            here = place.get((here.source, here.trace, here.parent))
    return found


def above(traces: Iterable[UUID]) -> dict[tuple[datetime, int], int]:
    """The agents of all spans of these traces. One query."""
    wanted = sorted(set(traces))
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(SPANS, [wanted, PLANE_AI])
        return nearest(Span(*row) for row in cursor.fetchall())
