"""What an identity was allowed at a moment: as it was, and as was known (docs/decisions, 7, 0080).

Two times answer two questions. `at` is the moment asked about; `known_at` is when somebody would
have asked. With `known_at` now the answer is what is true of `at` by all that is known today, which
is what behaviour is judged by; with `known_at` = `at` it is what could be known then, which is what
a decision was taken on. Reads version rows only, in a constant number of queries; knows neither
users nor cases.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from identities import at_moment
from identities.at_moment import known
from identities.models import (
    CredentialState,
    DelegationVersion,
    Entitlement,
    Identity,
    IdentityState,
    Revocation,
)

# What takes something away; a release or a resume gives it back.
STOPS = ("hold", "suspend", "revoke", "narrow")
MOST_STOPS = 50
MOST_DELEGATIONS = 1_000
MOST_ENTITLEMENTS = 200
MOST_HELD = 200


class Stop(NamedTuple):
    """A stop that had been asked for by then, and how far it had come by then."""

    revocation: Revocation
    step: str  # requested, sent, confirmed, effective


class Stood(NamedTuple):
    """What there was; lists are bounded, and `more` names those of which there was more."""

    identity: Identity
    at: datetime
    known_at: datetime
    state: str  # "": no stretch of it is recorded for that moment
    state_because: str
    delegations: list[DelegationVersion]
    entitlements: list[Entitlement]
    held: list[CredentialState]  # credentials in another state than active
    credentials: dict[bool, int]  # known of by then, by whether they are standing
    stops: list[Stop]
    more: tuple[str, ...]


def delegations(
    identities: Sequence[UUID], *, at: datetime, known_at: datetime | None
) -> QuerySet[DelegationVersion]:
    """The versions in force at `at` by what was known at `known_at`; None: by all that is known."""
    return DelegationVersion.objects.filter(
        known(known_at),
        Q(revoked_at__isnull=True) | Q(revoked_at__gt=at),
        delegation__grantee__in=identities,
        state="in_force",
        during__contains=at,
    )


def of(identity: Identity, *, at: datetime, known_at: datetime) -> Stood:
    """The authority of one identity as it stood."""
    state = IdentityState.objects.filter(
        known(known_at), identity=identity, during__contains=at
    ).first()
    granted = list(
        delegations([identity.pk], at=at, known_at=known_at)
        .select_related("delegation__grantor__person", "delegation__grantor__team")
        .select_related("delegation__parent")
        .order_by("delegation__number", "version")[: MOST_DELEGATIONS + 1]
    )
    read = list(
        Entitlement.objects.filter(known(known_at), identity=identity, during__contains=at)
        .order_by("system", "principal")[: MOST_ENTITLEMENTS + 1]
    )  # fmt: skip
    held = list(
        CredentialState.objects.filter(
            known(known_at), credential__identity=identity, during__contains=at
        )
        .exclude(state="active")
        .select_related("credential__actor")
        .order_by("credential__number")[: MOST_HELD + 1]
    )
    credentials: dict[bool, int] = {}
    for (standing, _), n in at_moment.credential_counts(identity, at=min(at, known_at)).items():
        credentials[standing] = credentials.get(standing, 0) + n
    asked = list(
        Revocation.objects.filter(identity=identity, requested_at__lte=min(at, known_at))
        .filter(step__in=STOPS)
        .exclude(state="undone")
        .select_related("credential__actor")
        .order_by("-requested_at", "-number")[: MOST_STOPS + 1]
    )
    found: dict[str, tuple[list[Any], int]] = {
        "delegations": (granted, MOST_DELEGATIONS),
        "entitlements": (read, MOST_ENTITLEMENTS),
        "held": (held, MOST_HELD),
        "stops": (asked, MOST_STOPS),
    }
    return Stood(
        identity=identity,
        at=at,
        known_at=known_at,
        state="" if state is None else state.state,
        state_because="" if state is None else state.because,
        delegations=granted[:MOST_DELEGATIONS],
        entitlements=read[:MOST_ENTITLEMENTS],
        held=held[:MOST_HELD],
        credentials=credentials,
        stops=[Stop(one, step_by(one, min(at, known_at))) for one in asked[:MOST_STOPS]],
        more=tuple(name for name, (rows, most) in found.items() if len(rows) > most),
    )


def step_by(one: Revocation, moment: datetime) -> str:
    """How far a stop had come by a moment."""
    steps = (
        ("effective", one.effective_at),
        ("confirmed", one.confirmed_at),
        ("sent", one.sent_at),
    )
    return next((step for step, when in steps if when and when <= moment), "requested")
