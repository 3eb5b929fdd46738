"""What scripts take out: links, events, credentials, findings, unclaimed actors, a row each.

The shapes are documented in docs/exports.md and kept stable: names are only ever added. Rows are
streamed with bounded memory; times are RFC 3339 UTC, ids lower-case hex.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
from django.db import connection, transaction
from django.db.models import Prefetch

from evidence.queries import agents
from evidence.vocabulary import (
    ACTIVITIES,
    EXACT,
    LINK_STRENGTHS,
    OUTCOMES,
    PLANES,
    PROOFS,
    STRENGTHS,
    reasons_of,
    score_of,
)
from identities.models import Credential, Finding, FindingEvent
from reviews import ocsf_exports as ocsf

PAGE = 2_000

type Row = dict[str, Any]


def moment(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def span_hex(value: int | None) -> str | None:
    return None if value is None else value.to_bytes(8, signed=True).hex()


def _stream(sql: str, parameters: list[Any]) -> Iterator[tuple[Any, ...]]:
    """Rows of a query through a server-side cursor, in one read-only snapshot."""
    with transaction.atomic():
        connection.ensure_connection()
        with connection.connection.cursor(name="export") as cursor:
            cursor.itersize = PAGE
            cursor.execute(sql, parameters)
            yield from cursor


def links() -> Iterator[Row]:
    """Which API event was caused by which span, how strongly, proved by what: of each event the
    strongest links only. Of more than one run behind a key it cannot be told which it was."""
    shown = _stream(
        # What cannot be told of a busy key is asked once for each action and second.
        "WITH shown AS MATERIALIZED ("  # noqa: S608 - our own names; values are parameters
        " SELECT l.effect_at, l.effect_id, l.cause_at, l.cause_id, l.proof, l.strength, l.runs,"
        "  CASE WHEN l.proof IN (4, 5) AND l.runs = 1 THEN e.credential_id END AS used,"
        "  e.action_id AS act, date_trunc('second', e.at, 'UTC') AS moment"
        "  FROM evidence_shownlink l JOIN evidence_event e ON e.at = l.effect_at"
        "  AND e.id = l.effect_id), first AS ("
        " SELECT *, row_number() OVER (PARTITION BY used, act, moment) = 1 AS asks FROM shown),"
        " fitted AS (SELECT *, max(CASE WHEN asks THEN evidence_surplus(used, act, moment) END)"
        "  OVER (PARTITION BY used, act, moment) AS surplus FROM first)"
        " SELECT l.strength, l.proof, e.at, e.id, e.request_id, ea.value, er.value, es.name,"
        " ec.value, c.at, c.id, c.request_id, c.trace, c.span, ca.value, c.activity, cs.name,"
        " cg.value, l.runs, CASE WHEN l.strength = 1 THEN evidence_unsure("
        "  l.effect_at, l.effect_id, l.cause_at, l.cause_id, l.runs)"
        " WHEN l.strength = 0 AND identities_is_contested(e.at, e.id, l.proof) THEN -5"
        " WHEN l.proof IN (3, 4, 5, 6, 7) AND identities_new_address(e.at, e.id) THEN -3"
        " ELSE coalesce(nullif(CASE WHEN l.proof IN (4, 5, 6, 7) AND l.runs = 1 THEN"
        "  evidence_doubt(l.effect_at, l.effect_id, l.cause_at, l.cause_id, l.proof) END, 0),"
        "  l.surplus, 0) END FROM fitted l"
        " JOIN evidence_event e ON e.at = l.effect_at AND e.id = l.effect_id"
        " JOIN evidence_term ea ON ea.id = e.action_id"
        " LEFT JOIN evidence_term er ON er.id = e.resource_id"
        " LEFT JOIN evidence_actor ec ON ec.id = e.credential_id"
        " JOIN evidence_source es ON es.id = e.source_id"
        " JOIN evidence_event c ON c.at = l.cause_at AND c.id = l.cause_id"
        " JOIN evidence_term ca ON ca.id = c.action_id"
        f" LEFT JOIN evidence_actor cg ON cg.id = {agents.of('c')}"
        " JOIN evidence_source cs ON cs.id = c.source_id"
        " ORDER BY l.effect_at, l.effect_id, l.proof, l.cause_at, l.cause_id",
        [],
    )
    for row in shown:
        yield {
            "strength": LINK_STRENGTHS[row[0]],
            "proof": PROOFS[row[1]],
            "runs": row[18],
            "surplus": row[19],
            "score": score_of(row[1]) or None,
            "reasons": reasons_of(row[1]),
            "request_id": row[4],
            "trace_id": row[12].hex if row[12] else None,
            "span_id": span_hex(row[13]),
            "effect": {
                "at": moment(row[2]),
                "id": row[3],
                "request_id": row[4],
                "action": row[5],
                "resource": row[6],
                "source": row[7],
                "credential": row[8],
            },
            "cause": {
                "at": moment(row[9]),
                "id": row[10],
                "request_id": row[11],
                "trace_id": row[12].hex if row[12] else None,
                "span_id": span_hex(row[13]),
                "action": row[14],
                "activity": ACTIVITIES[row[15]],
                "source": row[16],
                "agent": row[17],
            },
        }


def events() -> Iterator[Row]:
    """Every event, in time order."""
    stored = _stream(
        "SELECT e.at, e.id, e.received_at, s.name, e.deposit_id, e.ordinal, e.plane, e.activity,"  # noqa: S608 - our own names; values are parameters
        " e.outcome, a.value, r.value, p.value, c.value, g.value, o.value, e.request_id, e.trace,"
        " e.span, e.parent_span, e.duration, ad.value, er.value, e.time_basis, tk.value, cv.value"
        " FROM evidence_event e JOIN evidence_source s ON s.id = e.source_id"
        " JOIN evidence_term a ON a.id = e.action_id"
        " LEFT JOIN evidence_term r ON r.id = e.resource_id"
        " LEFT JOIN evidence_actor p ON p.id = e.principal_id"
        " LEFT JOIN evidence_actor c ON c.id = e.credential_id"
        f" LEFT JOIN evidence_actor g ON g.id = {agents.of('e')}"
        " LEFT JOIN evidence_actor o ON o.id = e.on_behalf_id"
        " LEFT JOIN evidence_term ad ON ad.id = e.address_id"
        " LEFT JOIN evidence_term er ON er.id = e.error_id"
        " LEFT JOIN evidence_term tk ON tk.id = e.task_id"
        " LEFT JOIN evidence_term cv ON cv.id = e.conversation_id ORDER BY e.at, e.id",
        [],
    )
    for row in stored:
        yield {
            "at": moment(row[0]),
            "id": row[1],
            "received_at": moment(row[2]),
            "time_basis": "stated" if row[22] == 1 else "received",
            "source": row[3],
            "deposit": row[4],
            "position": row[5],
            "plane": PLANES[row[6]],
            "activity": ACTIVITIES[row[7]],
            "outcome": OUTCOMES[row[8]],
            "action": row[9],
            "resource": row[10],
            "principal": row[11],
            "credential": row[12],
            "agent": row[13],
            "on_behalf": row[14],
            "request_id": row[15],
            "trace_id": row[16].hex if row[16] else None,
            "span_id": span_hex(row[17]),
            "parent_span_id": span_hex(row[18]),
            "duration_us": row[19],
            "address": row[20],
            "error": row[21],
            "task": row[23],
            "conversation": row[24],
        }


def credentials() -> Iterator[Row]:
    """Every credential: issued when, by whom, to whom, out of which credential."""
    issued = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (i.credential_id) i.credential_id, i.at, p.value, b.value,"
            " t.value, i.standing, i.expires_at, e.request_id FROM evidence_issuance i"
            " JOIN evidence_event e ON e.at = i.at AND e.id = i.event_id"
            " LEFT JOIN evidence_actor p ON p.id = i.by_principal_id"
            " LEFT JOIN evidence_actor b ON b.id = i.by_credential_id"
            " LEFT JOIN evidence_actor t ON t.id = i.issued_to_id"
            " ORDER BY i.credential_id, i.at, i.event_id"
        )
        issued = {row[0]: row[1:] for row in cursor.fetchall()}
    rows = Credential.objects.select_related("actor", "identity").order_by("number")
    for row in rows.iterator(chunk_size=PAGE):
        at, by, through, to, standing, expires, request = issued.get(
            row.actor_id, (None, None, None, None, row.standing, row.expires_at, None)
        )
        yield {
            "credential": row.actor.value,
            "key": row.key,
            "kind": row.kind,
            "standing": standing,
            "state": row.state,
            "identity": row.identity.name if row.identity else None,
            "identity_key": row.identity.key if row.identity else None,
            "issued_at": moment(at),
            "issued_by": by,
            "issued_with": through,
            "issued_to": to,
            "issued_request_id": request,
            "expires_at": moment(expires),
            "contradiction": row.contradiction,
        }


def findings() -> Iterator[Row]:
    """Every finding with its rule, strength, actors, request ids and trace."""
    rows = (
        Finding.objects.select_related("identity")
        .prefetch_related(Prefetch("events", FindingEvent.objects.order_by("at", "event_id")))
        .order_by("number")
    )
    for row in rows.iterator(chunk_size=200):
        under = [(one.at, one.event_id) for one in row.events.all()]
        seen = _events_of(under)
        reached = {row.trace} if row.trace else {one["trace"] for one in seen}
        traces = {trace for trace in reached if trace}
        actors = sorted(
            {
                one[role]
                for one in seen
                for role in ("principal", "credential", "agent")
                if one[role]
            }
            | set(row.details.get("agents", []))
        )
        yield {
            "finding": row.key,
            "rule": row.rule,
            "strength": STRENGTHS[row.strength],
            "strengths": row.strengths,
            "state": row.state,
            "identity": row.identity.name if row.identity else None,
            "identity_key": row.identity.key if row.identity else None,
            "family": row.family,
            "actors": actors,
            "credential": row.details.get("credential"),
            "agents": row.details.get("agents", []),
            "request_ids": [one["request_id"] for one in seen if one["request_id"]],
            "trace_id": next(iter(traces)).hex if traces and len(reached) == 1 else None,
            "trace_ids": sorted(trace.hex for trace in traces),
            "count": row.count,
            "first_at": moment(row.first_at),
            "last_at": moment(row.last_at),
            "controls": row.controls,
            "words": row.words,
            "events": [{"at": moment(at), "id": number} for at, number in under],
        }


def _events_of(under: list[tuple[datetime, int]]) -> list[dict[str, Any]]:
    """The events of a finding with their actors, and the trace that an exact link reaches."""
    if not under:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.request_id, p.value, c.value, g.value,"  # noqa: S608 - our own names; values are parameters
            " (SELECT s.trace FROM evidence_shownlink l JOIN evidence_event s"
            "   ON s.at = l.cause_at AND s.id = l.cause_id"
            "  WHERE l.effect_at = e.at AND l.effect_id = e.id AND l.strength = %s"
            "  ORDER BY l.cause_at, l.cause_id LIMIT 1)"
            " FROM unnest(%s::timestamptz[], %s::bigint[]) WITH ORDINALITY AS k(at, id, n)"
            " JOIN evidence_event e ON e.at = k.at AND e.id = k.id"
            " LEFT JOIN evidence_actor p ON p.id = e.principal_id"
            " LEFT JOIN evidence_actor c ON c.id = e.credential_id"
            f" LEFT JOIN evidence_actor g ON g.id = {agents.of('e')} ORDER BY k.n",
            [EXACT, [at for at, _ in under], [number for _, number in under]],
        )
        return [
            dict(zip(("request_id", "principal", "credential", "agent", "trace"), row, strict=True))
            for row in cursor.fetchall()
        ]


def unclaimed() -> Iterator[Row]:
    """Every actor that acts in evidence and is bound to no identity, itself or by its parent."""
    for row in _stream(
        "WITH RECURSIVE claimed AS ("
        " SELECT b.actor_id AS id FROM identities_binding b WHERE b.state = 'confirmed'"
        "  AND b.superseded_at IS NULL"
        " UNION SELECT under.id FROM claimed p CROSS JOIN LATERAL ("
        "  SELECT c.id FROM evidence_actor c WHERE c.parent_id = p.id UNION ALL"
        "  SELECT i.credential_id FROM evidence_issuance i WHERE i.issued_to_id = p.id) under)"
        " SELECT a.realm, a.kind, a.value, p.value, a.created_at FROM evidence_actor a"
        " LEFT JOIN evidence_actor p ON p.id = a.parent_id"
        " WHERE NOT EXISTS (SELECT 1 FROM claimed WHERE claimed.id = a.id) ORDER BY a.id",
        [],
    ):
        yield {
            "realm": row[0],
            "kind": row[1],
            "actor": row[2],
            "parent": row[3],
            "first_seen_at": moment(row[4]),
        }


def lines(rows: Iterator[Row]) -> Iterator[bytes]:
    """Rows as NDJSON."""
    return (orjson.dumps(row) + b"\n" for row in rows)


EXPORTS = {
    "links": links,
    "events": events,
    "credentials": credentials,
    "findings": findings,
    "unclaimed": unclaimed,
    "ocsf-findings": ocsf.findings,
    "ocsf-incidents": ocsf.incidents,
}
