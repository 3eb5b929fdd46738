"""What evidence says still lives after a stop: sessions, and whether logs could tell.

Reads evidence; writes nothing. What the target says is the enforcer's `residual`.
"""

from datetime import datetime

from django.db import connection
from django.db.models import F

from evidence.models import Issuance, Source
from identities.enforcers.contract import KnownSession
from identities.models import Credential, Revocation


def sessions(row: Revocation, *, since: datetime, now: datetime) -> list[KnownSession]:
    """Sessions that evidence shows were opened with this credential and may live."""
    if row.credential is None:
        return []
    rows = (
        Issuance.objects.filter(
            by_credential_id=row.credential.actor_id, standing=False, at__lte=since
        )
        # An end that is stated to be before the start is no known end.
        .exclude(expires_at__lte=now, expires_at__gte=F("at"))
        .select_related("credential")
    )
    dead = set(
        Credential.objects.filter(
            actor_id__in=[item.credential_id for item in rows], state__in=["revoked", "expired"]
        ).values_list("actor_id", flat=True)
    )
    return [
        KnownSession(item.credential.value, item.at, item.ends_at)
        for item in rows
        if item.credential_id not in dead
    ]


def complete(row: Revocation, since: datetime) -> bool:
    """Whether every source that ever showed this credential is complete past the stop.

    Absence of sessions means nothing on a source that is late, sampled, filtered or not proven.
    """
    if row.credential is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.id FROM evidence_source s WHERE s.plane = 'identity' AND EXISTS ("
            " SELECT 1 FROM evidence_event e WHERE e.credential_id = %s AND e.source_id = s.id)",
            [row.credential.actor_id],
        )
        sources = [found[0] for found in cursor.fetchall()]
    if not sources:
        return False
    return not (
        Source.objects.filter(pk__in=sources)
        .exclude(watermark__gte=since, sampling=1.0, keep_rules=[])
        .exists()
    )
