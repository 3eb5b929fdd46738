"""What one deposit makes it necessary to look at: its events, and what its spans explain.

Reads evidence; writes nothing. The agent of a span is the nearest upwards, across all bodies of
the trace (evidence/queries/agents.py).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from evidence.models import Deposit
from evidence.queries import agents
from evidence.vocabulary import EXACT, PLANE_AI, PLANE_IDENTITY, TOOL_CALL

FIELDS = (
    "e.at, e.id, e.source_id, e.plane, e.activity, e.outcome, e.principal_id, e.credential_id,"
    f" {agents.of('e')}, e.on_behalf_id, e.action_id, e.resource_id, e.address_id, e.trace,"
    " e.time_basis"
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
    agent: int | None  # of spans: the nearest upwards
    on_behalf: int | None
    action: int
    resource: int | None
    address: int | None
    trace: UUID | None
    time_basis: int


class Cause(NamedTuple):
    """The run that states an API event's request id."""

    agent: int | None  # actor
    service: int | None  # actor
    trace: UUID
    source: int
    task: int | None  # term
    above: int | None  # the agent above the span itself, which no later span changes
    sender: int | None  # the span's own service


type Causes = dict[tuple[datetime, int], list[Cause]]


class Scope(NamedTuple):
    events: list[Seen]
    causes: Causes  # proved by exact links
    claims: Causes  # all that state the same request id, the proved ones among them
    retold: set[tuple[datetime, int]]  # of the events, tool calls that others tell already


def of(deposit: Deposit) -> Scope:
    """Everything whose attribution this deposit may change."""
    if deposit.first_at is None:
        return Scope([], {}, {}, set())
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
    # Spans that name no agent themselves but have one above them by now.
    for seen in _spans_in("evidence_agentabove", traces, "e.agent_id IS NULL"):
        events.setdefault((seen.at, seen.id), seen)
    tools = _spans_in("evidence_retold", traces, f"e.activity = {TOOL_CALL}")
    retold = {(seen.at, seen.id): seen for seen in tools}
    calls = [key for key, seen in events.items() if seen.plane == PLANE_IDENTITY]
    causes, claims = _behind(calls)
    return Scope(list((retold | events).values()), causes, claims, set(retold))


def _explained_by(traces: Iterable[UUID]) -> list[Seen]:
    """API events whose request ids spans of these traces state."""
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


def _behind(calls: Sequence[tuple[datetime, int]]) -> tuple[Causes, Causes]:
    """Of these API events the runs behind them, and the runs that say so."""
    causes: Causes = {}
    claims: Causes = {}
    if not calls:
        return causes, claims
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT l.effect_at, l.effect_id, {agents.of('s')}, s.source_id, s.trace,"
            " s.principal_id, s.task_id, EXISTS (SELECT FROM evidence_shownlink v"
            "  WHERE v.effect_at = l.effect_at AND v.effect_id = l.effect_id"
            "  AND v.cause_at = l.cause_at AND v.cause_id = l.cause_id AND v.strength = %s)"
            " FROM unnest(%s::timestamptz[], %s::bigint[]) AS k(at, id)"
            " JOIN evidence_link l ON l.effect_at = k.at AND l.effect_id = k.id"
            "  AND l.strength = %s"
            " JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id"
            "  AND s.plane = %s AND s.trace IS NOT NULL ORDER BY s.at, s.id",
            [EXACT, [at for at, _ in calls], [pk for _, pk in calls], EXACT, PLANE_AI],
        )
        linked = cursor.fetchall()
        cursor.execute(
            "SELECT r.trace, r.source_id, r.agent_id, r.service_id, r.task_id"
            " FROM evidence_run r WHERE r.trace = ANY(%s)",
            [list({row[4] for row in linked})],
        )
        runs = {(row[0], row[1]): row[2:] for row in cursor.fetchall()}
    for effect_at, effect, above, source, trace, service, task, proved in linked:
        run = runs.get((trace, source), (None, None, None))
        cause = Cause(
            agent=above if above is not None else run[0],
            service=service if service is not None else run[1],
            trace=trace,
            source=source,
            task=task if task is not None else run[2],
            above=above,
            sender=service,
        )
        for there in (claims, causes) if proved else (claims,):
            here = there.setdefault((effect_at, effect), [])
            if cause not in here:
                here.append(cause)
    return causes, claims


def _spans_in(table: str, traces: Iterable[UUID], only: str) -> list[Seen]:
    """The spans of these traces of which this table says something, only such."""
    wanted = list(traces)
    if not wanted:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {FIELDS} FROM evidence_event e"
            f" WHERE e.trace = ANY(%s) AND e.plane = %s AND {only} AND EXISTS ("
            f"  SELECT FROM {table} a WHERE a.at = e.at AND a.id = e.id)",
            [wanted, PLANE_AI],
        )
        return [Seen(*row) for row in cursor.fetchall()]
