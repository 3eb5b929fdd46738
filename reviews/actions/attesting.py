"""Renewing purpose and expiry within the bounds of the policy that an identity is under.

Owns which policy that is, and renewing many at once. The statement itself is
identities/actions/identities.py (attest); what a policy may say is reviews/attestation_bounds.py.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from identities import permissions
from identities.actions import identities as identity_actions
from identities.models import Attestation, Credential, Finding, Identity, User
from identities.permissions import NotAllowed, NotPossible
from reviews import attestation_bounds, owner_permissions, policy_scope
from reviews.attestation_bounds import Bound
from reviews.policy_document import REQUESTS

from . import policy_versions

# Renewed together at most.
MOST = 100
OPEN = ("open", "confirmed")


class Terms(NamedTuple):
    """What an identity is under, and which policy says so."""

    says: attestation_bounds.Attestation
    policy: str  # "agents, version 3"


class Under(NamedTuple):
    """The identities that one policy's attestation is about, the terms of all of them."""

    rows: QuerySet[Identity]
    terms: Terms


class Renewed(NamedTuple):
    """What became of one of many; `why` it was not renewed, else ""."""

    identity: Identity
    why: str


def all_terms(*, now: datetime) -> list[Under]:
    """Which identities are under which policy: the first by name that says something of
    attestations and has them in scope; the policy of access reviews comes last."""
    signed = [one for one in policy_versions.all_signed() if one.name != REQUESTS]
    signed.sort(key=lambda one: (one.name == policy_versions.POLICY, one.name))
    found: list[Under] = []
    taken: list[QuerySet[Identity]] = []
    for policy in signed:
        document = policy_versions.document_of(policy)
        if document.attestation is None:
            continue
        scope = policy_scope.in_scope(document, now=now)
        rows = scope
        for other in taken:
            rows = rows.exclude(pk__in=other.values("pk"))
        taken.append(scope)
        found.append(Under(rows, Terms(document.attestation, str(policy))))
    rest = Identity.objects.exclude(state="retired")
    for other in taken:
        rest = rest.exclude(pk__in=other.values("pk"))
    shipped = attestation_bounds.read(attestation_bounds.SHIPPED)
    default = Terms(shipped, "the product's own policy")
    return [*found, Under(rest, default)]


def terms_of(identities: Iterable[UUID], *, now: datetime) -> dict[UUID, Terms]:
    """The terms of each of these; a query for each policy that says something."""
    wanted = set(identities)
    found: dict[UUID, Terms] = {}
    groups = all_terms(now=now)
    for rows, terms in groups[:-1]:
        left = wanted - found.keys()
        if left:
            found |= dict.fromkeys(rows.filter(pk__in=left).values_list("pk", flat=True), terms)
    return found | dict.fromkeys(wanted - found.keys(), groups[-1].terms)


def standing(identities: Iterable[UUID]) -> set[UUID]:
    """Those of them that have a standing credential."""
    rows = Credential.objects.filter(
        identity__in=list(identities), standing=True, state__in=["active", "held"]
    )
    return {pk for pk in rows.values_list("identity", flat=True) if pk is not None}


def bound_of(identity: Identity, terms: Terms, *, standing: bool) -> Bound | None:
    """How long an attestation of it may last."""
    return terms.says.longest(
        kind=identity.kind, criticality=identity.criticality, standing=standing
    )


def attest(
    *,
    identity: Identity,
    purpose: str,
    expires_at: datetime,
    by: User,
    now: datetime,
    read: str | None = None,
) -> Attestation:
    """An owner's statement of purpose and expiry; NotPossible names the bound it breaks. `read`: the
    mark of what stood there when a form was opened."""
    with transaction.atomic():
        identity = identity_actions.locked(identity.pk)
        permissions.require(permissions.why_not_attest(by, identity, now=now))
        _within(identity, purpose, expires_at, now=now)
        return identity_actions.attest(
            identity=identity,
            purpose=purpose,
            expires_at=expires_at,
            by=by,
            now=now,
            read=read,
        )


def _within(identity: Identity, purpose: str, expires_at: datetime, *, now: datetime) -> None:
    terms = terms_of([identity.pk], now=now)[identity.pk]
    bound = bound_of(identity, terms, standing=identity.pk in standing([identity.pk]))
    for why in (
        terms.says.why_not_purpose(purpose, policy=terms.policy),
        terms.says.why_not_until(expires_at, bound, now=now, policy=terms.policy),
    ):
        if why is not None:
            raise NotPossible(why)


def attest_many(
    *, identities: Sequence[Identity], expires_at: datetime, by: User, now: datetime
) -> list[Renewed]:
    """The same date for many of low risk, each with the purpose it has: a statement of each, or
    the sentence why not. What is renewed stays so whatever becomes of the rest."""
    if not identities:
        raise NotPossible("Select what is to be renewed.")
    if len(identities) > MOST:
        raise NotPossible(f"At most {MOST} are renewed at once.")
    doubtful = with_findings([one.pk for one in identities])
    found = []
    for one in identities:
        why = owner_permissions.why_not_renew_together(by, one, found=one.pk in doubtful, now=now)
        if why is None:
            try:
                attest(identity=one, purpose=one.purpose, expires_at=expires_at, by=by, now=now)
            except (NotAllowed, NotPossible) as problem:
                why = str(problem)
        found.append(Renewed(one, why or ""))
    return found


def with_findings(identities: Iterable[UUID]) -> set[UUID]:
    """Those of them with an open or confirmed finding."""
    rows = Finding.objects.filter(identity__in=list(identities), state__in=OPEN)
    return {pk for pk in rows.values_list("identity", flat=True) if pk is not None}
