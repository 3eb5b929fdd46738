"""What a finding has to rest on before it may hold by itself: exact or key, in time, unsampled.

Owns the question to the evidence, asked the same of now and of the past. Inferred, absent, late
and sampled evidence is none (product.md, rule 5); it goes to people by the ordinary road.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from evidence.vocabulary import KEY, TIME_STATED
from identities.findings.rules import CREDENTIAL, SECRET
from identities.models import Finding
from identities.models.behaviour import BY_KEY

# What was received longer ago holds nothing: the worker was away, and people look first.
FRESH = timedelta(hours=1)
# Looked at of each finding, the newest first.
MOST_EVENTS = 100
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
# The event is the identity's by its name or key, the finding has it by a key or an exact link; its
# time is its own; it came within the normal delay of its source; neither that source nor a source
# of the run behind it is sampled. That a run left its task is said because of a secret it read or
# a credential it minted, so only such an event carries a hold.
CORE = f"""
FROM identities_findingevent fe
JOIN evidence_event e ON e.at = fe.at AND e.id = fe.event_id
JOIN evidence_source s ON s.id = e.source_id
JOIN identities_attribution a ON a.at = fe.at AND a.event_id = fe.event_id
    AND a.identity_no = {{number}} AND a.strength >= {BY_KEY}
LEFT JOIN evidence_actor n ON n.id = e.principal_id
LEFT JOIN evidence_actor above ON above.id = n.parent_id
WHERE fe.finding_id = {{finding}} AND fe.strength >= {KEY} AND e.time_basis = {TIME_STATED}
    AND (fe.reason IN ('{SECRET}', '{CREDENTIAL}') OR NOT EXISTS (
        SELECT FROM identities_finding t WHERE t.id = fe.finding_id AND t.rule = 'left_task'))
    AND s.sampling >= 1 AND e.received_at <= e.at + make_interval(secs => s.lag_seconds)
    AND fe.at >= %s AND e.received_at >= %s
    AND NOT EXISTS (
        SELECT FROM evidence_link l
        JOIN evidence_event c ON c.at = l.cause_at AND c.id = l.cause_id
        JOIN evidence_source t ON t.id = c.source_id
        WHERE l.effect_at = fe.at AND l.effect_id = fe.event_id AND t.sampling < 1)
"""  # noqa: S608 - of constants
OF_FINDINGS = f"""
SELECT f.id, p.* FROM unnest(%s::uuid[], %s::int[]) AS f(id, number)
CROSS JOIN LATERAL (
    SELECT fe.at, fe.event_id, e.received_at, fe.strength, e.credential_id, n.value, above.value
    {CORE.format(number="f.number", finding="f.id")}
    ORDER BY fe.at DESC, fe.event_id DESC LIMIT {MOST_EVENTS}) p(
    at, event_id, received_at, strength, credential, principal, above)
"""  # noqa: S608 - of constants
FIRST = f"""
SELECT f.id, p.first_at, p.events FROM unnest(%s::uuid[], %s::int[]) AS f(id, number)
CROSS JOIN LATERAL (
    SELECT min(e.received_at) AS first_at, count(*) AS events
    {CORE.format(number="f.number", finding="f.id")}) p
WHERE p.events > 0
"""  # noqa: S608 - of constants


class Seen(NamedTuple):
    """One event that a finding may hold on."""

    at: datetime
    event: int
    received_at: datetime
    strength: int
    credential: int | None  # evidence.Actor
    principal: str | None
    above: str | None  # the longer-lived actor behind the principal


class First(NamedTuple):
    """Since when a finding could have held, and how many events say so."""

    at: datetime
    events: int


def rests_on_it(since: datetime, *, now: datetime) -> RawSQL:
    """Of a query over findings: those with evidence that holds, from `since` on."""
    number = "(SELECT number FROM identities_identity WHERE id = identities_finding.identity_id)"
    core = CORE.format(number=number, finding="identities_finding.id")
    # Only the two moments vary, and they are parameters.
    return RawSQL(f"EXISTS (SELECT {core})", (since, now - FRESH), output_field=BooleanField())  # noqa: S611 - of constants


def of(
    findings: Iterable[Finding], since: datetime, received_since: datetime
) -> dict[UUID, list[Seen]]:
    """The newest events that each of these findings may hold on; those with none are left out."""
    found: dict[UUID, list[Seen]] = {}
    for pk, *said in _asked(OF_FINDINGS, findings, since, received_since):
        found.setdefault(pk, []).append(Seen(*said))
    return found


def first(findings: Iterable[Finding], since: datetime) -> dict[UUID, First]:
    """When each of these findings could have held first; those that never could are left out."""
    return {pk: First(at, many) for pk, at, many in _asked(FIRST, findings, since, ALWAYS)}


def _asked(
    sql: str, findings: Iterable[Finding], since: datetime, received_since: datetime
) -> list[tuple[Any, ...]]:
    known = [(one.pk, one.identity.number) for one in findings if one.identity is not None]
    if not known:
        return []
    with connection.cursor() as cursor:
        columns = [list(column) for column in zip(*known, strict=True)]
        cursor.execute(sql, [*columns, since, received_since])
        return list(cursor.fetchall())
