"""What one deposit makes it necessary to look at: its events, and what its spans explain.

Reads evidence; writes nothing. The agent of a span is the nearest upwards, across all bodies of
the trace (evidence/queries/agents.py).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from evidence.correlation import METHOD, SHORTEST_SURE_ID, VERSION
from evidence.models import Deposit
from evidence.queries import agents
from evidence.vocabulary import (
    API_CALL,
    BECAUSE_SPAN,
    EXACT,
    INFERRED,
    PLANE_AI,
    PLANE_IDENTITY,
    PROOF_INFERRED,
    PROOF_REQUEST_ID,
    TOOL_CALL,
)

FIELDS = (
    "e.at, e.id, e.source_id, e.plane, e.activity, e.outcome, e.principal_id, e.credential_id,"
    f" {agents.of('e')}, e.on_behalf_id, e.action_id, e.resource_id, e.address_id, e.trace,"
    " e.time_basis, e.user_agent_id"
)
# An instrumentation that loses the way from a tool to the SDK sends the SDK's span in a trace of
# its own, which is no run. The run is the one whose tool call is inferred from that span.
BY_SPAN = f"l.proof >= {PROOF_INFERRED} AND l.proof & {BECAUSE_SPAN} > 0"


# API events whose request ids spans state, of which no event of that id is the call.
_STATED = f"""s.request_id = e.request_id
     AND hashtextextended(s.request_id, 0) = hashtextextended(e.request_id, 0)
     AND e.plane = {PLANE_IDENTITY} AND s.plane = {PLANE_AI} AND s.activity = {API_CALL}
     AND NOT EXISTS (SELECT FROM evidence_link l WHERE l.cause_at = s.at AND l.cause_id = s.id
                     AND l.proof = {PROOF_REQUEST_ID})"""
STATED_BY = f"""
SELECT DISTINCT {FIELDS} FROM evidence_event s
JOIN evidence_event e ON {_STATED}
    AND e.at BETWEEN s.at - interval '1 day' AND s.at + interval '1 day'
WHERE s.at BETWEEN %s AND %s AND s.deposit_id = %s AND s.request_id IS NOT NULL
"""
# What was found to conflict, of events that share a request id with new ones: one of these may be
# the call that the span means.
SHARING = f"""
SELECT {FIELDS} FROM identities_finding f
JOIN identities_findingevent x ON x.finding_id = f.id
JOIN evidence_event e ON e.at = x.at AND e.id = x.event_id
WHERE f.rule = 'conflicting_trace' AND f.state IN ('open', 'confirmed')
    AND x.at BETWEEN %(first)s - interval '1 day' AND %(last)s + interval '1 day'
    AND EXISTS (SELECT FROM evidence_event n
        WHERE n.request_id = e.request_id
          AND hashtextextended(n.request_id, 0) = hashtextextended(e.request_id, 0)
          AND n.at BETWEEN %(first)s AND %(last)s AND n.deposit_id = %(deposit)s)
"""
# Of these API events the operations that spans with their request ids name instead. A call that a
# service made for its caller may have the caller's id, and services are called differently in logs
# and spans: of another service counts only what was called from an address, of another operation.
MISNAMED = f"""
SELECT e.at, e.id, s.source_id, min(sa.value)
FROM unnest(%(ats)s::timestamptz[], %(ids)s::bigint[]) AS k(at, id)
JOIN evidence_event e ON e.at = k.at AND e.id = k.id AND e.request_id IS NOT NULL
JOIN evidence_event s ON {_STATED}
    AND s.at BETWEEN e.at - interval '1 day' AND e.at + interval '1 day'
JOIN evidence_term ea ON ea.id = e.action_id AND strpos(ea.value, ':') > 0
JOIN evidence_term sa ON sa.id = s.action_id AND strpos(sa.value, ':') > 0
    AND sa.value !~ %(method)s
LEFT JOIN evidence_term ad ON ad.id = e.address_id
CROSS JOIN LATERAL (SELECT
    regexp_replace(lower(ea.value COLLATE "C"), %(version)s, '') AS event,
    regexp_replace(lower(sa.value COLLATE "C"), %(version)s, '') AS span) act
WHERE substr(act.event, strpos(act.event, ':')) <> substr(act.span, strpos(act.span, ':'))
    AND (split_part(act.event, ':', 1) = split_part(act.span, ':', 1)
        OR (length(e.request_id) >= %(shortest)s AND ad.value ~ '^[0-9a-fA-F]*[.:][0-9a-fA-F.:]+$'))
GROUP BY 1, 2, 3
"""


# Of these API events the sources that tell their request otherwise, and what differs there.
UNLIKE = """
SELECT DISTINCT k.at, k.id, t.source_id, t.differs
FROM unnest(%s::timestamptz[], %s::bigint[]) AS k(at, id)
CROSS JOIN LATERAL identities_told_otherwise(k.at, k.id) t
ORDER BY 1, 2, 3, 4
"""


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
    user_agent: int | None


class Cause(NamedTuple):
    """The run that states an API event's request id."""

    agent: int | None  # actor
    service: int | None  # actor
    trace: UUID
    source: int
    task: int | None  # term
    above: int | None  # the agent above the span itself, which no later span changes
    sender: int | None  # the span's own service
    is_run: bool  # False: the SDK's span alone, in a trace without an agent, tool or model


type Ref = tuple[datetime, int]
type Causes = dict[Ref, list[Cause]]


class Scope(NamedTuple):
    events: list[Seen]
    causes: Causes  # proved by exact links
    claims: Causes  # all that state the same request id, the proved ones among them
    retold: Collection[Ref]  # of the events, tool calls that others tell already
    inferred: Mapping[Ref, UUID]  # where no exact link reaches a run: the run's trace
    contested: Collection[Ref] = ()  # several traces, or records that disagree, state them
    # (trace source, operation) of spans with their request id that name another operation
    misnamed: Mapping[Ref, list[tuple[int, str]]] = {}
    # (source, what differs) of records with their request id that tell another deed
    unlike: Mapping[Ref, list[tuple[int, str]]] = {}

    def run(self, event: Ref) -> tuple[str, int]:
        """The trace of the run behind this call and the strength of the link to it; ("", 0)."""
        for cause in self.causes.get(event, ()):
            if cause.is_run:
                return cause.trace.hex, EXACT
        trace = self.inferred.get(event)
        return (trace.hex, INFERRED) if trace is not None else ("", 0)


def of(deposit: Deposit) -> Scope:
    """Everything whose attribution this deposit may change."""
    if deposit.first_at is None:
        return Scope([], {}, {}, set(), {})
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
            f"  AND (l.strength = %s OR {BY_SPAN})"
            " JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id"
            " WHERE n.at BETWEEN %s AND %s AND n.deposit_id = %s AND n.plane = %s"
            " AND s.trace IS NOT NULL",
            [EXACT, deposit.first_at, deposit.last_at, deposit.pk, PLANE_IDENTITY],
        )
        traces |= {row[0] for row in cursor.fetchall()}
        cursor.execute(STATED_BY, [deposit.first_at, deposit.last_at, deposit.pk])
        of_ids = [Seen(*row) for row in cursor.fetchall()]
        facts = {"first": deposit.first_at, "last": deposit.last_at, "deposit": deposit.pk}
        cursor.execute(SHARING, facts)
        of_ids += [Seen(*row) for row in cursor.fetchall()]
    for seen in (*of_ids, *_explained_by(traces)):
        events.setdefault((seen.at, seen.id), seen)
    # Spans that name no agent themselves but have one above them by now.
    for seen in _spans_in("evidence_agentabove", traces, "e.agent_id IS NULL"):
        events.setdefault((seen.at, seen.id), seen)
    tools = _spans_in("evidence_retold", traces, f"e.activity = {TOOL_CALL}")
    retold = {(seen.at, seen.id): seen for seen in tools}
    calls = [key for key, seen in events.items() if seen.plane == PLANE_IDENTITY]
    causes, claims, contested = _behind(calls)
    unlike = _unlike(list(claims))
    alone = [event for event, behind in causes.items() if not any(one.is_run for one in behind)]
    looked = list((retold | events).values())
    return Scope(
        looked, causes, claims, set(retold), _inferred(alone),
        contested | unlike.keys(), _misnamed(calls), unlike,
    )  # fmt: skip


def _explained_by(traces: Iterable[UUID]) -> list[Seen]:
    """API events whose request ids spans of these traces state, or whose SDK's spans are theirs."""
    wanted = list(traces)
    if not wanted:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT {FIELDS} FROM evidence_event s"
            " JOIN evidence_link l ON l.cause_at = s.at AND l.cause_id = s.id"
            f"  AND (l.strength = %s OR {BY_SPAN})"
            " JOIN evidence_event e ON e.at = l.effect_at AND e.id = l.effect_id"
            " WHERE s.trace = ANY(%s)",
            [EXACT, wanted],
        )
        return [Seen(*row) for row in cursor.fetchall()]


def _behind(calls: Sequence[Ref]) -> tuple[Causes, Causes, set[Ref]]:
    """Of these API events the runs behind them, the runs that say so, and those of which several
    traces are proved: none of these is behind it. Each link is graded once (evidence_shownlink
    says the same)."""
    if not calls:
        return {}, {}, set()
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT l.effect_at, l.effect_id, {agents.of('s')}, s.source_id, s.trace,"
            " s.principal_id, s.task_id, identities_link_strength(l.effect_at, l.effect_id,"
            "  l.cause_at, l.cause_id, l.proof, l.strength) = %s"
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
    # Dictionaries for their order: thousands may state one id.
    causes: dict[Ref, dict[Cause, None]] = {}
    claims: dict[Ref, dict[Cause, None]] = {}
    for effect_at, effect, above, source, trace, service, task, proved in linked:
        is_run = (trace, source) in runs
        run = runs.get((trace, source), (None, None, None))
        cause = Cause(
            agent=above if above is not None else run[0],
            service=service if service is not None else run[1],
            trace=trace,
            source=source,
            task=task if task is not None else run[2],
            above=above,
            sender=service,
            is_run=is_run,
        )
        for there in (claims, causes) if proved else (claims,):
            there.setdefault((effect_at, effect), {})[cause] = None
    contested = {ref for ref, behind in causes.items() if len({one.trace for one in behind}) > 1}
    return (
        {ref: list(behind) for ref, behind in causes.items() if ref not in contested},
        {ref: list(behind) for ref, behind in claims.items()},
        contested,
    )


def _misnamed(calls: Sequence[Ref]) -> dict[Ref, list[tuple[int, str]]]:
    found: dict[Ref, list[tuple[int, str]]] = {}
    if not calls:
        return found
    facts: dict[str, Any] = {
        "ats": [at for at, _ in calls],
        "ids": [pk for _, pk in calls],
        "method": METHOD,
        "version": VERSION,
        "shortest": SHORTEST_SURE_ID,
    }
    with connection.cursor() as cursor:
        cursor.execute(MISNAMED, facts)
        for at, event, source, operation in cursor.fetchall():
            found.setdefault((at, event), []).append((source, operation))
    return found


def _unlike(calls: Sequence[Ref]) -> dict[Ref, list[tuple[int, str]]]:
    found: dict[Ref, list[tuple[int, str]]] = {}
    if not calls:
        return found
    with connection.cursor() as cursor:
        cursor.execute(UNLIKE, [[at for at, _ in calls], [pk for _, pk in calls]])
        for at, event, source, differs in cursor.fetchall():
            found.setdefault((at, event), []).append((source, differs))
    return found


def _inferred(calls: Sequence[Ref]) -> dict[Ref, UUID]:
    """Of these API events the traces of the runs whose tools made them by their SDK's spans; none
    where it cannot be told which run it was."""
    if not calls:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT k.at, k.id, min(s.trace::text)::uuid"
            " FROM unnest(%s::timestamptz[], %s::bigint[]) AS k(at, id)"
            " JOIN evidence_shownlink l ON l.effect_at = k.at AND l.effect_id = k.id"
            f"  AND l.strength = %s AND l.runs = 1 AND l.surplus = 0 AND {BY_SPAN}"
            " JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id"
            " GROUP BY 1, 2",
            [[at for at, _ in calls], [pk for _, pk in calls], INFERRED],
        )
        return {(at, event): trace for at, event, trace in cursor.fetchall()}


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
