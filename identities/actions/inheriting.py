"""Identities that were there before their criticality followed their service: from now on it does.

Owns the act and its preview. What a person has said stays: a value that is not what every identity
begins with, and one that a registration file has changed. New identities follow by themselves
(identities.inherit); so does whoever is told to here, in every later change of the service.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.db.models import QuerySet

from evidence.models import LedgerEntry
from evidence.words import counted
from identities.models import Identity, Service, User
from identities.permissions import NotPossible, cannot_sign, require
from identities.reasons import reason_given

from .identities import Act, record_all

FIELD = "criticality"
# What an identity has that nobody has said anything of (identities/models/identity.py).
UNSAID = "normal"
ABLE = frozenset({"administrator"})
ONLY = "Only an administrator may have identities follow their service."
SAID = "a person said {}: it stays"
# Of one service in one transaction; the rest is the next act's.
MOST = 5_000


class Would(NamedTuple):
    """One identity of a service that does not follow it: what it is, what it would become, and why
    it stays as it is; "": it would follow."""

    identity: Identity
    was: str
    to: str
    stays: str


def why_not_follow(user: User, *, now: datetime) -> str | None:
    """Have identities follow their service in criticality."""
    return cannot_sign(user, ABLE, ONLY, now=now)


def lags(identity: Identity) -> bool:
    """Whether its criticality is another than its service's and may only never have followed it."""
    service = identity.service
    if service is None or FIELD in identity.inherited or identity.criticality != UNSAID:
        return False
    return service.criticality != identity.criticality and identity.state != "retired"


def preview(service: Service) -> list[Would]:
    """Every identity of this service that does not follow it, by number; two queries."""
    return _would(service, list(_rows(service)))


def _rows(service: Service) -> QuerySet[Identity]:
    rows = Identity.objects.filter(service=service).exclude(state="retired")
    return rows.exclude(inherited__contains=[FIELD]).order_by("number")[:MOST]


def _would(service: Service, rows: Sequence[Identity]) -> list[Would]:
    said = set(
        LedgerEntry.objects.filter(
            subject__in=[one.key for one in rows],
            act__in=["registered.added", "registered.changed"],
            data__has_key=FIELD,
        ).values_list("subject", flat=True)
    )
    return [
        Would(
            one,
            one.criticality,
            service.criticality,
            SAID.format(one.criticality) if one.criticality != UNSAID or one.key in said else "",
        )
        for one in rows
    ]


def follow(
    *, service: Service, stay: Collection[str], reason: str, by: User, now: datetime
) -> list[Would]:
    """Have the identities of a service follow it in criticality, but for `stay` (keys) and what a
    person has said; those that do so from now on. Twice is once."""
    with transaction.atomic():
        require(why_not_follow(by, now=now))
        reason = reason_given(reason, what="why their own value is not meant")
        service = Service.objects.select_for_update(of=("self",)).get(pk=service.pk)
        rows = Identity.objects.select_for_update(of=("self",), no_key=True)
        pks = [one.pk for one in _rows(service)]
        locked = list(rows.filter(pk__in=pks, service=service).order_by("pk"))
        locked = [one for one in locked if FIELD not in one.inherited and one.state != "retired"]
        unknown = set(stay) - {one.key for one in locked}
        if unknown:
            raise NotPossible(
                f"{min(unknown)[:40]} does not stand in the list of {service.name}: look again."
            )
        would = _would(service, sorted(locked, key=lambda one: one.number))
        following = [one for one in would if not one.stays and one.identity.key not in stay]
        if not following:
            raise NotPossible(f"Nothing of {service.name} is to follow it: nothing changes.")
        for one in following:
            one.identity.criticality = one.to
            one.identity.inherited = [*one.identity.inherited, FIELD]
        Identity.objects.bulk_update([one.identity for one in following], [FIELD, "inherited"])
        record_all(
            [
                Act(
                    one.identity,
                    "identity.follows",
                    f"{by.called} had {one.identity.name} follow {service.name} in criticality,"
                    f" {one.was} → {one.to}: {reason}"[:1_000],
                    {"service": service.slug, "from": one.was, "to": one.to, "reason": reason},
                )
                for one in following
            ],
            by=by,
            now=now,
        )
    return following


def in_words(would: Sequence[Would]) -> str:
    """How many would follow, and of how many that changes something."""
    going = [one for one in would if not one.stays]
    changed = sum(one.was != one.to for one in going)
    said = counted(len(going), "identity would follow", "identities would follow")
    return f"{said}; of {changed:,} it changes the criticality now."
