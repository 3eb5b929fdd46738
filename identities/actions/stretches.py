"""Dated stretches of state, as version rows that never overlap (docs/decisions, 7).

Owns the split of timelines at one moment, of many in as many statements as of one. News about the
past arrives in any order, so a change is a point on the timeline: whatever the order of points,
the stretches are the same. Knows nothing of what the states mean.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from identities.models import Credential, CredentialState, Identity, IdentityState

type During = tuple[datetime | None, datetime | None]


def _split(
    rows: QuerySet[Any],
    of: str,
    make: Callable[[UUID, str, During], Any],
    points: Mapping[UUID, str],
    *,
    at: datetime,
    now: datetime,
) -> set[UUID]:
    """Make the state of each point true from `at` until its next known change; for which of them
    that was news. `of`: the column that says whose timeline a row is on."""
    known = rows.filter(superseded_at__isnull=True, **{f"{of}__in": list(points)})
    here = {getattr(row, of): row for row in known.filter(during__contains=at).select_for_update()}
    after: dict[UUID, datetime] = {}
    if len(here) < len(points):
        for row in known.filter(during__startswith__gt=at).order_by("during"):
            after.setdefault(getattr(row, of), row.during.lower)
    ended, made, news = [], [], set()
    for pk, state in points.items():
        row = here.get(pk)
        if row is not None and row.during.lower == at and row.state == state:
            continue
        news.add(pk)
        if row is None:
            made.append(make(pk, state, (at, after.get(pk))))
            continue
        ended.append(row.pk)
        if row.during.lower != at:
            made.append(make(pk, row.state, (row.during.lower, at)))
        made.append(make(pk, state, (at, row.during.upper)))
    if ended:
        rows.filter(pk__in=ended).update(superseded_at=now)
    rows.bulk_create(made)
    return news


def of_identity(
    identity: Identity, *, state: str, at: datetime, now: datetime, by: str, because: str = ""
) -> bool:
    """Record that the identity is in this state from `at`; its row must be locked."""
    return bool(of_identities({identity.pk: because}, state=state, at=at, now=now, by=by))


def of_identities(
    because: Mapping[UUID, str], *, state: str, at: datetime, now: datetime, by: str
) -> set[UUID]:
    """The same of many locked identities, each with its own words; for which it was news."""

    def make(pk: UUID, known: str, during: During) -> IdentityState:
        return IdentityState(
            identity_id=pk, state=known, during=during, recorded_at=now, because=because[pk], by=by
        )

    points = dict.fromkeys(because, state)
    return _split(IdentityState.objects.all(), "identity_id", make, points, at=at, now=now)


def of_credential(
    credential: Credential, *, state: str, at: datetime, now: datetime, because: str = ""
) -> bool:
    """Record that the credential is in this state from `at`; its row must be locked."""
    return bool(of_credentials({credential.pk: because}, state=state, at=at, now=now))


def of_credentials(
    because: Mapping[UUID, str], *, state: str, at: datetime, now: datetime
) -> set[UUID]:
    """The same of many locked credentials, each with its own words; for which it was news."""

    def make(pk: UUID, known: str, during: During) -> CredentialState:
        return CredentialState(
            credential_id=pk, state=known, during=during, recorded_at=now, because=because[pk]
        )

    points = dict.fromkeys(because, state)
    return _split(CredentialState.objects.all(), "credential_id", make, points, at=at, now=now)


def credential_state_at(credential: Credential, at: datetime) -> str | None:
    """The state that was true at that moment, as known now."""
    return (
        CredentialState.objects.filter(
            credential=credential, superseded_at__isnull=True, during__contains=at
        )
        .values_list("state", flat=True)
        .first()
    )
