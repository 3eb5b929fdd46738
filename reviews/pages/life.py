"""The strip of months below the lanes: credentials as bars, delegations as brackets, calls a day.

Owns its part of the JSON that static/lanes.js draws (times in microseconds UTC). Bounded rows.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from evidence.intake.admitting import micros
from identities.models import Credential, DelegationVersion, Identity
from reviews.pages import usage

ENDED = ("revoked", "expired")


def of(identity: Identity, now: datetime, *, live: bool) -> dict[str, Any]:
    """The strip of months: credentials as bars, delegations as brackets, density per day."""
    credentials: list[dict[str, Any]] = [
        {
            "from": micros(row.issued_at),
            "to": micros(min(row.state_at, now) if row.state in ENDED else now),
            "label": row.short,
            "state": "active" if row.state in ENDED and row.state_at > now else row.state,
        }
        for row in Credential.objects.filter(identity=identity, standing=True, issued_at__lte=now)
        .select_related("actor")
        .order_by("issued_at", "pk")[:8]
        if row.issued_at is not None
    ]
    delegations: list[dict[str, Any]] = [
        {
            "from": micros(row.during.lower or now),
            "to": _ends(row, now),
            "label": row.delegation.key,
        }
        for row in DelegationVersion.objects.filter(
            state="in_force",
            delegation__grantee=identity,
            superseded_at__isnull=True,
            during__startswith__lte=now,
        )
        .select_related("delegation")
        .order_by("during", "pk")[:8]
    ]
    density = [
        [_midnight(day), _midnight(day + timedelta(days=1)), count, outside]
        for day, count, outside in usage.days(identity.number, now, live=live)
    ]
    starts: list[int] = [
        one["from"] for one in [*credentials, *delegations] if one["from"] is not None
    ]
    starts += [int(one[0]) for one in density[:1]]
    ends = [one["to"] for one in delegations if one["to"] is not None]
    return {
        "from": min(starts, default=micros(now - timedelta(days=1))),
        "to": max([micros(now), *ends]),
        "credentials": credentials,
        "delegations": delegations,
        "density": density,
    }


def _ends(row: DelegationVersion, now: datetime) -> int | None:
    """Its end as stated; where it was taken back by the moment, that."""
    ends = row.during.upper
    if row.revoked_at is not None and row.revoked_at <= now:
        ends = row.revoked_at if ends is None else min(ends, row.revoked_at)
    return None if ends is None else micros(ends)


def _midnight(day: date) -> int:
    return micros(datetime(day.year, day.month, day.day, tzinfo=UTC))
