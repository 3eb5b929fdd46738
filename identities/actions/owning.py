"""Making somebody the owner of an identity, or naming who stands beside them. Owns OwnerChange rows.

Whether the new owner has accepted, or takes over because whoever answered is no longer there, is
settled above and said in `basis`; so is who may. Must not know of offers, cases or policies.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from identities.acting import Acting, By, acting
from identities.models import Identity, OwnerChange, Party
from identities.permissions import NotPossible

from .identities import locked, record

# Who stands beside the owner.
PLACES = ("backup", "sponsor")
WORDS = {"accepted": "has accepted to be", "succession": "is by succession"}


def taken(
    *, identities: Iterable[UUID], to: Party, basis: str, by: Acting, now: datetime, because: str
) -> None:
    """Write that these, which nobody owned, are `to`'s now: in one statement, under their locks."""
    OwnerChange.objects.bulk_create(
        [
            OwnerChange(
                identity_id=pk, to=to, basis=basis, at=now, by=by.ref, by_name=by.name,
                because=because,
            )
            for pk in identities
        ],
        batch_size=1_000,
    )  # fmt: skip


def give(
    *, identity: Identity, to: Party, basis: str, by: By, now: datetime, because: str
) -> Identity:
    """Make `to` the owner; a place as backup or sponsor that was theirs is empty from then on."""
    with transaction.atomic():
        identity = locked(identity.pk)
        if identity.state == "retired":
            raise NotPossible(f"{identity.name} is retired: nobody has to answer for it.")
        if identity.owner_id == to.pk:
            return identity
        was = identity.owner
        emptied = [name for name in PLACES if getattr(identity, f"{name}_id") == to.pk]
        for name in emptied:
            setattr(identity, name, None)
        identity.owner = to
        gone = {"owner", *emptied}
        identity.inherited = [name for name in identity.inherited if name not in gone]
        identity.save(update_fields=["owner", *emptied, "inherited"])
        who = acting(by)
        OwnerChange.objects.create(
            identity=identity,
            was=was,
            to=to,
            basis=basis,
            at=now,
            by=who.ref,
            by_name=who.name,
            because=because,
        )
        empty = f"; nobody is its {' or '.join(emptied)} now" if emptied else ""
        record(
            identity,
            by=by,
            now=now,
            act="identity.owner",
            words=f"{to} {WORDS[basis]} the owner of {identity.name}, in place of"
            f" {was or 'nobody'}: {because}{empty}"[:1_000],
            data={
                "from": None if was is None else str(was.pk),
                "to": str(to.pk),
                "basis": basis,
                "because": because,
                "emptied": emptied,
            },
        )
    return identity


def place(
    *, identity: Identity, place: str, to: Party | None, by: By, now: datetime, because: str
) -> None:
    """Have this party stand in a place of a locked identity, or nobody; its service's backup and
    sponsor are not followed there any more."""
    was: Party | None = getattr(identity, place)
    setattr(identity, place, to)
    identity.inherited = [name for name in identity.inherited if name != place]
    identity.save(update_fields=[place, "inherited"])
    record(
        identity,
        by=by,
        now=now,
        act=f"identity.{place}",
        words=f"{to or 'Nobody'} is the {place} of {identity.name} now, in place of"
        f" {was or 'nobody'}: {because}"[:1_000],
        data={
            "from": None if was is None else str(was.pk),
            "to": None if to is None else str(to.pk),
            "because": because,
        },
    )
