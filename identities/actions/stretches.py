"""Dated stretches of state, as version rows that never overlap (docs/decisions, 7).

Owns the split of a timeline at one moment. News about the past arrives in any order, so a
change is a point on the timeline: whatever the order of points, the stretches are the same.
Knows nothing of what the states mean.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from identities.models import Credential, CredentialState, Identity, IdentityState


def _split(
    rows: QuerySet[Any],
    add: Callable[[str, tuple[datetime | None, datetime | None]], None],
    *,
    state: str,
    at: datetime,
    now: datetime,
) -> bool:
    """Make `state` true from `at` until the next known change; False when it was known."""
    here = rows.filter(superseded_at__isnull=True, during__contains=at).select_for_update().first()
    if here is not None and here.during.lower == at and here.state == state:
        return False
    if here is None:
        after = (
            rows.filter(superseded_at__isnull=True, during__startswith__gt=at)
            .order_by("during")
            .first()
        )
        add(state, (at, None if after is None else after.during.lower))
        return True
    rows.filter(pk=here.pk).update(superseded_at=now)
    if here.during.lower != at:
        add(here.state, (here.during.lower, at))
    add(state, (at, here.during.upper))
    return True


def of_identity(
    identity: Identity, *, state: str, at: datetime, now: datetime, by: str, because: str = ""
) -> bool:
    """Record that the identity is in this state from `at`; its row must be locked."""

    def add(known: str, during: tuple[datetime | None, datetime | None]) -> None:
        IdentityState.objects.create(
            identity=identity, state=known, during=during, recorded_at=now, because=because, by=by
        )

    return _split(IdentityState.objects.filter(identity=identity), add, state=state, at=at, now=now)


def of_credential(
    credential: Credential, *, state: str, at: datetime, now: datetime, because: str = ""
) -> bool:
    """Record that the credential is in this state from `at`; its row must be locked."""

    def add(known: str, during: tuple[datetime | None, datetime | None]) -> None:
        CredentialState.objects.create(
            credential=credential, state=known, during=during, recorded_at=now, because=because
        )

    return _split(
        CredentialState.objects.filter(credential=credential), add, state=state, at=at, now=now
    )


def credential_state_at(credential: Credential, at: datetime) -> str | None:
    """The state that was true at that moment, as known now."""
    return (
        CredentialState.objects.filter(
            credential=credential, superseded_at__isnull=True, during__contains=at
        )
        .values_list("state", flat=True)
        .first()
    )
