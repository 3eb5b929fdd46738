"""What one deposit makes it necessary to look at: its events, and what its spans explain.

Reads evidence; writes nothing. The agent of a span is the nearest upwards, across all bodies of
the trace (evidence/queries/agents.py).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from evidence.models import Deposit
from evidence.queries.agents import Span, nearest
from evidence.vocabulary import EXACT, PLANE_AI, PLANE_IDENTITY

FIELDS = (
    "e.at, e.id, e.source_id, e.plane, e.activity, e.outcome, e.principal_id, e.credential_id,"
    " e.agent_id, e.on_behalf_id, e.action_id, e.resource_id, e.address_id, e.trace"
)


class Seen(NamedTuple):
    """One event to attribute."""

    at: datetime
    id: int
    source: int
    plane: int
    activity: int
    outcome: int
    principal: int | None
    credential: int | None
    agent: int | None
    on_behalf: int | None
    action: int
    resource: int | None
    address: int | None
    trace: UUID | None


class Cause(NamedTuple):
    """The run behind an API event: proved by an exact link."""

    agent: int | None  # actor
    service: int | None  # actor
    trace: UUID
    source: int
    task: int | None  # term
    above: int | None  # the agent above the span itself, which no later span changes
    sender: int | None  # the span's own service


class Scope(NamedTuple):
    events: list[Seen]
    causes: dict[tuple[datetime, int], list[Cause]]
    agents: dict[tuple[datetime, int], int]  # of spans: nearest agent upwards


def of(deposit: Deposit) -> Scope:
    """Everything whose attribution this deposit may change."""
    if deposit.first_at is None:
        return Scope([], {}, {})
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {FIELDS} FROM evidence_event e"
            " WHERE e.at BETWEEN %s AND %s AND e.deposit_id = %s",
            [deposit.first_at, deposit.last_at, deposit.pk],
        )
        events = {(row[0], row[1]): Seen(*row) for row in cursor.fetchall()}
        traces = {seen.trace for seen in events.values() if seen.trace is not None}
        # Runs that this deposit's API events were linked to count as touched as well: their
        # other events belong to the same "left its task".
        cursor.execute(
            "SELECT DISTINCT s.trace FROM evidence_event n"
            " JOIN evidence_link l ON l.effect_at = n.at AND l.effect_id = n.id"
            "  AND l.strength = %s"
            " JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id"
            " WHERE n.at BETWEEN %s AND %s AND n.deposit_id = %s AND n.plane = %s"
            " AND s.trace IS NOT NULL",
            [EXACT, deposit.first_at, deposit.last_at, deposit.pk, PLANE_IDENTITY],
        )
        traces |= {row[0] for row in cursor.fetchall()}
    for seen in _explained_by(traces):
        events.setdefault((seen.at, seen.id), seen)
    causes, agents = _causes(traces)
    for seen in _unnamed_spans(traces, agents):
        events.setdefault((seen.at, seen.id), seen)
    return Scope(list(events.values()), causes, agents)


def _explained_by(traces: Iterable[UUID]) -> list[Seen]:
    """API events that spans of these traces are linked to exactly."""
    wanted = list(traces)
    if not wanted:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT {FIELDS} FROM evidence_event s"
            " JOIN evidence_link l ON l.cause_at = s.at AND l.cause_id = s.id"
            "  AND l.strength = %s"
            " JOIN evidence_event e ON e.at = l.effect_at AND e.id = l.effect_id"
            " WHERE s.trace = ANY(%s)",
            [EXACT, wanted],
        )
        return [Seen(*row) for row in cursor.fetchall()]


def _causes(
    traces: Iterable[UUID],
) -> tuple[dict[tuple[datetime, int], list[Cause]], dict[tuple[datetime, int], int]]:
    """For exactly linked API events the runs behind them; for spans the agent nearest upwards."""
    wanted = list(traces)
    if not wanted:
        return {}, {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT at, id, source_id, trace, span, parent_span, agent_id"
            " FROM evidence_event WHERE trace = ANY(%s) AND plane = %s ORDER BY at, id",
            [wanted, PLANE_AI],
        )
        spans = cursor.fetchall()
        cursor.execute(
            "SELECT r.trace, r.source_id, r.agent_id, r.service_id, r.task_id"
            " FROM evidence_run r WHERE r.trace = ANY(%s)",
            [wanted],
        )
        runs = {(row[0], row[1]): row[2:] for row in cursor.fetchall()}
        cursor.execute(
            "SELECT l.effect_at, l.effect_id, s.at, s.id, s.source_id, s.trace, s.principal_id,"
            " s.task_id FROM evidence_event s"
            " JOIN evidence_link l ON l.cause_at = s.at AND l.cause_id = s.id"
            "  AND l.strength = %s"
            " WHERE s.trace = ANY(%s) AND s.plane = %s ORDER BY s.at, s.id",
            [EXACT, wanted, PLANE_AI],
        )
        linked = cursor.fetchall()
    agents = nearest(Span(*row) for row in spans)
    causes: dict[tuple[datetime, int], list[Cause]] = {}
    for effect_at, effect, at, number, source, trace, service, task in linked:
        run = runs.get((trace, source), (None, None, None))
        cause = Cause(
            agent=agents.get((at, number), run[0]),
            service=service if service is not None else run[1],
            trace=trace,
            source=source,
            task=task if task is not None else run[2],
            above=agents.get((at, number)),
            sender=service,
        )
        there = causes.setdefault((effect_at, effect), [])
        if cause not in there:
            there.append(cause)
    return causes, agents


def _unnamed_spans(traces: Iterable[UUID], agents: dict[tuple[datetime, int], int]) -> list[Seen]:
    """Spans of these traces that name no agent themselves but have one above them by now."""
    wanted = list(traces)
    if not wanted:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {FIELDS} FROM evidence_event e"
            " WHERE e.trace = ANY(%s) AND e.plane = %s AND e.agent_id IS NULL",
            [wanted, PLANE_AI],
        )
        rows = [Seen(*row) for row in cursor.fetchall()]
    return [seen for seen in rows if (seen.at, seen.id) in agents]
