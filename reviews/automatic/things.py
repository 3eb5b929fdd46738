"""What an automatic hold stops: the smallest thing that all of its evidence was done with.

One key, else what the target allows one principal, else the identity with all its keys: choosing
one of two would stop what may have had no part in it. Set-based; reads only.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Count

from identities.models import Binding, DelegationVersion, Finding, Identity
from reviews.actions import reviewable

from .proof import Seen


class Thing(NamedTuple):
    """An item's kind and reference, and its title."""

    kind: str
    ref: UUID
    title: str
    actor: int | None = None  # of a key: evidence.Actor


class Depends(NamedTuple):
    """Who else feels it: other identities of the same name or key, and what was passed on."""

    shared: tuple[str, ...]
    children: int


def of(
    findings: Iterable[Finding], seen: Mapping[UUID, Sequence[Seen]], *, now: datetime
) -> dict[UUID, Thing]:
    """The thing that each of these findings would stop; they have an identity."""
    known = [one for one in findings if one.identity is not None and one.pk in seen]
    identities = {one.identity_id for one in known}
    rows = [row for one in known for row in seen[one.pk]]
    keys = {
        (one.identity_id, one.actor_id): Thing(
            "credential", one.pk, f"Credential {one.short}", one.actor_id
        )
        for one in reviewable.credentials()
        .filter(identity__in=identities, actor__in={row.credential for row in rows} - {None})
        .select_related("actor")
    }
    names = {name for row in rows for name in (row.principal, row.above)} - {None}
    allowed: dict[tuple[UUID | None, str], Thing] = {
        (one.identity_id, one.principal): Thing(
            "entitlement", one.pk, f"What {one.system.upper()} allows {one.principal}"
        )
        for one in reviewable.entitlements(now).filter(identity__in=identities, principal__in=names)
    }
    found = {}
    for one in known:
        if one.identity is None:
            continue
        of_it, here = one.identity_id, seen[one.pk]
        by_key = [keys.get((of_it, row.credential or 0)) for row in here]
        by_name = [
            allowed.get((of_it, row.principal or "")) or allowed.get((of_it, row.above or ""))
            for row in here
        ]
        found[one.pk] = _only(by_key) or _only(by_name) or itself(one.identity)
    return found


def itself(identity: Identity) -> Thing:
    """The identity with all its keys."""
    return Thing("identity", identity.pk, f"{identity.name} with all its keys")


def _only(those: Sequence[Thing | None]) -> Thing | None:
    """The one that all of these are."""
    refs = {None if one is None else one.ref for one in those}
    return those[0] if len(refs) == 1 else None


def depending(identities: Iterable[Identity], *, now: datetime) -> dict[UUID, Depends]:
    """Who else uses a name or key of each of these, by name, and how many delegations were passed
    on from theirs. Three queries."""
    pks = {one.pk for one in identities}
    bound = Binding.objects.filter(
        state="confirmed", superseded_at__isnull=True, during__contains=now
    )
    of_actor: dict[int, set[UUID]] = {}
    for actor, pk in bound.filter(identity__in=pks).values_list("actor", "identity"):
        of_actor.setdefault(actor, set()).add(pk)
    shared: dict[UUID, set[str]] = {}
    others = bound.filter(actor__in=of_actor).values_list("actor", "identity", "identity__name")
    for actor, pk, name in others:
        for one in of_actor[actor] - {pk}:
            shared.setdefault(one, set()).add(name)
    passed_on = dict(
        DelegationVersion.objects.filter(
            delegation__parent__grantee__in=pks,
            superseded_at__isnull=True,
            state="in_force",
            during__contains=now,
        )
        .values_list("delegation__parent__grantee")
        .annotate(n=Count("delegation", distinct=True))
    )
    return {pk: Depends(tuple(sorted(shared.get(pk, ()))), passed_on.get(pk, 0)) for pk in pks}
