"""Backups and sponsors who have left: another in their place, or nobody.

Owns what may stand in a place, for one identity and for all of one leaver. Who owns an identity
changes by being asked (offers.py); a place beside the owner is named, and whoever is named is told.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from identities import presence
from identities.actions import identities as identity_actions
from identities.actions import owning
from identities.models import Identity, Party, Person, User
from identities.permissions import NotAllowed, NotPossible, answers_for, require
from identities.reasons import reason_given
from reviews import owner_permissions

from . import handing, offers, seats_of_owner

# Named together at most.
MOST = 100
# What a page says of each.
WITH = (
    "service",
    *(f"{one}__{of}" for one in ("owner", *owning.PLACES) for of in ("person", "team")),
)
WHY = "whoever is named reads it"


class Placed(NamedTuple):
    """What became of one place of one identity; `why` it is as before, else ""."""

    identity: Identity
    place: str
    why: str


def named(gone: Party, identities: QuerySet[Identity]) -> QuerySet[Identity]:
    """Those of these in which a party stands beside the owner, in their order."""
    rows = identities.filter(Q(backup=gone) | Q(sponsor=gone)).exclude(state="retired")
    return rows.select_related(*WITH).order_by("number")


def owners_there(those: Iterable[Identity], *, now: datetime) -> set[UUID]:
    """The owners of these that somebody stands for."""
    owners = {one.owner_id for one in those if one.owner_id is not None}
    return set(presence.there(now=now).filter(pk__in=owners).values_list("pk", flat=True))


def left(one: Identity, gone: Collection[UUID]) -> list[str]:
    """The places of an identity that are of these parties, of which nobody is there any more."""
    return [place for place in owning.PLACES if getattr(one, f"{place}_id") in gone]


def name(
    *, identity: Identity, place: str, to: str, reason: str, by: User, now: datetime
) -> Identity:
    """Have somebody stand in a place in which nobody is; `to` "": leave it empty."""
    with transaction.atomic():
        identity = identity_actions.locked(identity.pk)
        require(owner_permissions.why_not_name(by, identity, now=now))
        reason = reason_given(reason, what=WHY)
        party = handing.party_called(to) if to.strip() else None
        _put(identity, place, party, reason, by=by, now=now)
    return identity


def name_all(
    *,
    those: Sequence[tuple[Identity, str]],
    to: str,
    reason: str,
    by: User,
    now: datetime,
) -> list[Placed]:
    """The same in many places: what is refused in one keeps nothing from the others."""
    if not those:
        raise NotPossible("Select what it is about.")
    if len(those) > MOST:
        raise NotPossible(f"At most {MOST} are named at once.")
    there = owners_there([one for one, _ in those], now=now)
    whys = [owner_permissions.why_not_name(by, one, now=now, there=there) for one, _ in those]
    if all(whys):
        require(whys[0])
    reason = reason_given(reason, what=WHY)
    party = handing.party_called(to) if to.strip() else None
    found = []
    for (one, place), barred in zip(those, whys, strict=True):
        why = barred
        if why is None:
            try:
                with transaction.atomic():
                    identity = identity_actions.locked(one.pk)
                    require(owner_permissions.why_not_name(by, identity, now=now))
                    _put(identity, place, party, reason, by=by, now=now)
            except (NotAllowed, NotPossible) as refused:
                why = str(refused)
        found.append(Placed(one, place, why or ""))
    return found


def _put(
    identity: Identity, place: str, to: Party | None, reason: str, *, by: User, now: datetime
) -> None:
    """Write it in a locked identity, or NotPossible."""
    if place not in owning.PLACES:
        raise NotPossible(f"{place[:40]!r} is no place: choose {' or '.join(owning.PLACES)}.")
    was: Party | None = getattr(identity, place)
    if was is not None and presence.there(now=now).filter(pk=was.pk).exists():
        raise NotPossible(f"{was} is its {place} and has not left: a registration file says else.")
    if to is None and was is None:
        raise NotPossible(f"Nobody is its {place}: say who.")
    told: list[Person] = []
    if to is not None:
        for other in ("owner", *owning.PLACES):
            if getattr(identity, f"{other}_id") == to.pk:
                raise NotPossible(f"{to} is its {other}: owner, sponsor and backup differ.")
        told = offers.able(to, identity, now=now)
        if by.person in told and not answers_for(by, identity, now=now):
            raise NotPossible(
                f"You do not answer for {identity.name}, and nobody makes themselves its {place}:"
                " a registration file says it, which a second person signs."
            )
    owning.place(identity=identity, place=place, to=to, by=by, now=now, because=reason)
    if was is not None and place == "backup":
        seats_of_owner.back_up(identity, was=was, to=to, by=by, now=now)
    offers.tell(
        told,
        identity,
        occasion=f"{place} {now.isoformat()}",
        subject=f"you are its {place} now",
        body=f"{by.called} named you {place} of {identity.key}, of which"
        f" {identity.owner or 'nobody'} is the owner. If it is not yours, tell them.",
        now=now,
    )
