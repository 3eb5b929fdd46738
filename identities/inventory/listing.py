"""What the lists show now: of a source, and of the actors that somebody looks at.

Owns the reading back of what `storing` keeps, in a fixed number of queries. Says nothing of whose
anything is.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Count, F, Q, QuerySet

from evidence.models import Source
from identities.models import Discovery, InventoryRead

MOST_LISTED = 10_000
MOST_CREDENTIALS = 20


class Counts(NamedTuple):
    """How many things the lists of a source show now."""

    identities: int
    credentials: int


@dataclass(slots=True)
class Listed:
    """One actor as the newest list shows it, with the credentials it holds there."""

    kind: str
    title: str
    status: str
    created_at: datetime | None
    expires_at: datetime | None
    last_used_at: datetime | None
    read_at: datetime
    source: str
    hints: list[dict[str, str]]
    missing: str = ""
    gone_at: datetime | None = None
    credentials: list["Listed"] = field(default_factory=list)
    more: int = 0  # credentials that are not shown
    value: str = ""


def current(source: Source | None = None) -> QuerySet[Discovery]:
    """The rows that are true now."""
    rows = Discovery.objects.filter(superseded_at__isnull=True, during__upper_inf=True)
    return rows if source is None else rows.filter(source=source)


def counts(source: Source) -> Counts:
    found = current(source).aggregate(
        identities=Count("actor", distinct=True, filter=Q(credential=False)),
        credentials=Count("actor", distinct=True, filter=Q(credential=True)),
    )
    return Counts(found["identities"], found["credentials"])


def last_reads(source: Source, most: int = 5) -> list[InventoryRead]:
    return list(InventoryRead.objects.filter(source=source).order_by("-asked_at")[:most])


def as_data(source: Source) -> list[dict[str, Any]]:
    """What the lists of a source show now, a row each, as scripts read it."""
    rows = (
        current(source)
        .select_related("actor", "holder")
        .order_by("credential", "kind", "title", "pk")[:MOST_LISTED]
    )
    return [
        {
            "list": row.part,
            "kind": row.kind,
            "title": row.title,
            "credential": row.credential,
            "realm": row.actor.realm,
            "value": row.actor.value,
            "holder": row.holder.value if row.holder else None,
            "status": row.status,
            "created_at": _text(row.created_at),
            "expires_at": _text(row.expires_at),
            "last_used_at": _text(row.last_used_at),
            "read_at": _text(row.read_at),
            "hints": row.hints,
            "missing": row.missing,
        }
        for row in rows
    ]


# A credential hangs on its holder, or on what hangs below a bound name (an application's service
# principal); what is gone stands there with its end.
OF_ACTORS = """
SELECT w.id, d.id FROM unnest(%(actors)s::bigint[]) AS w (id)
CROSS JOIN LATERAL (
    SELECT id FROM identities_discovery WHERE actor_id = w.id AND superseded_at IS NULL
    ORDER BY upper_inf(during) DESC, read_at DESC, id DESC LIMIT 1
) d
"""
HELD_BY = """
SELECT w.id, d.id, d.n FROM unnest(%(actors)s::bigint[]) AS w (id)
CROSS JOIN LATERAL (
    SELECT id, count(*) OVER () AS n FROM identities_discovery
    WHERE holder_id = w.id AND superseded_at IS NULL AND upper_inf(during)
    ORDER BY created_at DESC NULLS LAST, id LIMIT %(most)s
) d
"""


def about(actors: Collection[int]) -> dict[int, Listed]:
    """What lists say of these actors, those that none names left out."""
    if not actors:
        return {}
    facts: dict[str, Any] = {"actors": list(actors), "most": MOST_CREDENTIALS}
    with connection.cursor() as cursor:
        cursor.execute(OF_ACTORS, facts)
        own = dict(cursor.fetchall())
        cursor.execute(HELD_BY, facts)
        held = cursor.fetchall()
    rows = {
        row.pk: row
        for row in Discovery.objects.filter(
            pk__in=[*own.values(), *(number for _, number, _ in held)]
        )
        .annotate(name=F("source__name"), value=F("actor__value"))
        .order_by("pk")
    }
    found = {actor: _listed(rows[number]) for actor, number in own.items()}
    for actor, number, total in held:
        if actor in found:
            found[actor].credentials.append(_listed(rows[number]))
            found[actor].more = total - len(found[actor].credentials)
    return found


def _listed(row: Any) -> Listed:
    return Listed(
        kind=row.kind,
        title=row.title,
        status=row.status,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        read_at=row.read_at,
        source=row.name,
        hints=row.hints,
        missing=row.missing,
        gone_at=row.during.upper,
        value=row.value,
    )


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
