"""Findings and incidents as OCSF objects, for lakes and SIEMs (docs/exports.md).

Owns which rows go out and what of ours stands in them; the mapping is evidence/formats/ocsf_out.py.
A sealed case goes out to nobody.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Prefetch

from evidence.formats import ocsf_out
from evidence.formats.record import ActorName
from evidence.intake.admitting import micros
from evidence.models import Actor
from identities.models import Finding
from reviews.models import Case

CHUNK = 200
# Acts change an incident's row without a time of their own; of these the newest counts.
MOMENTS = ("closed_at", "decided_at")


def findings() -> Iterator[dict[str, Any]]:
    """Every finding as IAM Analysis Finding (2008) or Detection Finding (2004)."""
    rows = Finding.objects.select_related("identity").order_by("number")
    for row in rows.iterator(chunk_size=CHUNK):
        actor = None
        if row.identity is None and row.actor_id is not None:
            found = Actor.objects.filter(pk=row.actor_id).first()
            actor = found and ActorName(found.realm, found.kind, found.value, None)
        yield ocsf_out.finding(
            {
                "key": row.key,
                "rule": row.rule,
                "words": row.words,
                "state": row.state,
                "strength": row.strength,
                "strengths": row.strengths,
                "count": row.count,
                "first_at": micros(row.first_at),
                "last_at": micros(row.last_at),
                "opened_at": micros(row.opened_at),
                "state_at": micros(row.state_at),
                "controls": row.controls,
                "resources": [row.family] if row.family else [],
                "identity_key": row.identity and row.identity.key,
                "identity_name": row.identity and row.identity.name,
                "actor": actor,
            }
        )


def incidents() -> Iterator[dict[str, Any]]:
    """Every incident as Incident Finding (2005), as it is now; sealed ones to nobody."""
    rows = (
        Case.objects.filter(door="incident", sealed=False)
        .select_related("room")
        .prefetch_related(Prefetch("findings", Finding.objects.order_by("number")))
        .order_by("number")
    )
    for row in rows.iterator(chunk_size=CHUNK):
        room = getattr(row, "room", None)
        yield ocsf_out.incident(
            {
                "key": row.key,
                "title": row.title,
                "words": row.reason,
                "state": row.state,
                "severity": "" if room is None else room.severity,
                "opened_at": micros(row.opened_at),
                "changed_at": micros(_changed(row)),
                "url": f"{settings.BASE_URL}/cases/{row.key}/room/",
                "outcome": "" if room is None else room.outcome,
                "findings": [
                    {"key": one.key, "words": one.words, "rule": one.rule}
                    for one in row.findings.all()
                ],
            }
        )


def _changed(row: Case) -> datetime:
    """When it was closed or decided last, else opened."""
    known: list[datetime] = [at for name in MOMENTS if (at := getattr(row, name)) is not None]
    room = getattr(row, "room", None)
    known += [at for at in (room and room.outcome_at, room and room.attributed_at) if at]
    return max([row.opened_at, *known])
