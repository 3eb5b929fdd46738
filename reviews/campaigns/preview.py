"""What launching a campaign would do: who is asked how many items, who has nobody, what silence does.

Set-based: identities that have the same people behind them are looked at once. Writes nothing.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from identities.models import Identity, Party, Person, Service
from reviews import persons
from reviews.actions import deadlines, opening, reviewable, seats, sitting, staging
from reviews.models import Case, ReviewPolicy, Seat
from reviews.permissions import SEAT_WORDS, SIGNING

from .scope import population

# So many identities without anybody are named; the rest are counted.
MOST_NAMED = 100


class Share(NamedTuple):
    """Whom a launch would ask, in how many reviews, about how many items."""

    person: Person
    reviews: int
    items: int


class Vacant(NamedTuple):
    """A seat in which nobody could be asked, of how many identities, and the first of them."""

    seat: str
    many: int
    identities: list[Identity]


class Preview(NamedTuple):
    """What a launch would do now."""

    identities: int  # in scope
    opened: int  # a review would be opened, or a proposed one sent
    items: int  # to decide in those
    joined: int  # a review is open already: it joins
    elsewhere: int  # of these, reviews of another campaign: they stay with it
    nothing: int  # there is nothing to decide
    exempt: int
    asked: list[Share]  # the most first
    vacant: list[Vacant]
    silence: list[tuple[str, int]]  # the words, and for how many identities


class _Alike(NamedTuple):
    """What decides who is asked and what silence does. `alone`: nobody else is like it."""

    owner: UUID | None
    backup: UUID | None
    sponsor: UUID | None
    service: UUID | None
    mode: str
    criticality: str
    alone: UUID | None


def look(policy: ReviewPolicy, scope: dict[str, Any], *, now: datetime) -> Preview:
    """The dry run. Raises NotPossible for a scope that cannot be read."""
    rows = population(policy, scope, now=now)
    everything = population(_without_exemptions(policy), scope, now=now).count()
    items = reviewable.count(rows, now=now)
    live = {
        identity: (state, campaign)
        for identity, state, campaign in Case.objects.filter(
            identity__in=rows, door="access_review", trigger="", state__in=opening.LIVE
        ).values_list("identity", "state", "campaign__state")
    }
    shared = seats.sharing(rows, now=now)
    groups: dict[_Alike, list[UUID]] = {}
    total = joined = elsewhere = nothing = 0
    for pk, kind, owner, backup, sponsor, service, mode, criticality in rows.values_list(
        "pk", "kind", "owner", "backup", "sponsor", "service", "mode", "criticality"
    ):
        total += 1
        state, campaign = live.get(pk, ("", None))
        if state == "open":
            joined += 1
            elsewhere += campaign not in (None, "closed")
        elif pk not in items and not state:
            nothing += 1
        else:
            alone = pk if kind == "human" or pk in shared else None
            like = _Alike(owner, backup, sponsor, service, mode, criticality, alone)
            groups.setdefault(like, []).append(pk)
    asked, vacant = _asked(groups, items, policy, now=now)
    opened = [pk for those in groups.values() for pk in those]
    return Preview(
        identities=total,
        opened=len(opened),
        items=sum(items.get(pk, 0) for pk in opened),
        joined=joined,
        elsewhere=elsewhere,
        nothing=nothing,
        exempt=everything - total,
        asked=asked,
        vacant=vacant,
        silence=_silence(groups, policy),
    )


def _without_exemptions(policy: ReviewPolicy) -> ReviewPolicy:
    document = {key: value for key, value in policy.document.items() if key != "exemptions"}
    return ReviewPolicy(name=policy.name, document=document)


def _asked(
    groups: dict[_Alike, list[UUID]],
    items: dict[UUID, int],
    policy: ReviewPolicy,
    *,
    now: datetime,
) -> tuple[list[Share], list[Vacant]]:
    plans = _plans(groups, policy, now=now)
    behind = persons.of_parties(
        [
            one
            for plan in plans.values()
            for seat in plan
            for one in (seat.party_id, seat.backup_id)
        ],
        now=now,
    )
    alone = Identity.objects.filter(pk__in=[one.alone for one in groups if one.alone])
    subjects = persons.subjects(alone)
    reviews, many = Counter[UUID](), Counter[UUID]()
    known: dict[UUID, Person] = {}
    nobody: dict[str, list[UUID]] = {}
    for like, identities in groups.items():
        barred = subjects.get(like.alone, frozenset()) if like.alone else frozenset()
        whole = sum(items.get(pk, 0) for pk in identities)
        once: dict[UUID, Person] = {}
        for seat in plans[like]:
            if seat.kind not in SIGNING:
                continue
            those = _first(seat, behind, barred)
            if not those:
                nobody.setdefault(seat.kind, []).extend(identities)
            once |= {one.pk: one for one in those}
        for pk, person in once.items():
            known[pk] = person
            reviews[pk] += len(identities)
            many[pk] += whole
    shares = [Share(known[pk], count, many[pk]) for pk, count in reviews.items()]
    shares.sort(key=lambda one: (-one.items, one.person.name))
    return shares, [_vacant(kind, those) for kind, those in nobody.items()]


def _plans(
    groups: Iterable[_Alike], policy: ReviewPolicy, *, now: datetime
) -> dict[_Alike, list[Seat]]:
    """The seats that each group would have, as the launch would make them."""
    groups = list(groups)
    parties = Party.objects.in_bulk(
        {one for like in groups for one in (like.owner, like.backup, like.sponsor) if one}
    )
    services = (
        Service.objects.select_related("owner", "ai_owner", "backup", "sponsor")
        .filter(pk__in={like.service for like in groups if like.service})
        .in_bulk()
    )
    alone = Identity.objects.filter(pk__in=[like.alone for like in groups if like.alone])
    systems = seats.concerned_all(list(alone.select_related("service__ai_owner")), now=now)
    order = sitting.order_of(policy, now=now)
    staged = staging.of_policy(policy, now=now)

    def named(party: UUID | None) -> Party | None:
        return None if party is None else parties[party]

    found = {}
    for like in groups:
        service = None if like.service is None else services[like.service]
        identity = Identity(
            owner=named(like.owner),
            backup=named(like.backup),
            sponsor=named(like.sponsor),
            service=service,
        )
        behind = [service] if service is not None and service.ai_system else []
        if like.alone is not None:
            behind = systems.get(like.alone, [])
        found[like] = seats.plan(None, identity, behind, order, staged)
    return found


def _first(
    seat: Seat, behind: dict[UUID, list[Person]], barred: frozenset[UUID]
) -> Sequence[Person]:
    """Whom the seat would ask: its party's persons who may sign at all, else its backup's."""
    for party in (seat.party_id, seat.backup_id):
        free = [one for one in behind.get(party, ()) if one.pk not in barred] if party else []
        if free:
            return free
    return ()


def _vacant(kind: str, identities: list[UUID]) -> Vacant:
    rows = Identity.objects.filter(pk__in=identities).order_by("name")
    # An AI system that shares an actor may stand behind an identity twice.
    return Vacant(SEAT_WORDS[kind], len(set(identities)), list(rows[:MOST_NAMED]))


def _silence(groups: dict[_Alike, list[UUID]], policy: ReviewPolicy) -> list[tuple[str, int]]:
    """What happens where nobody decides in time, for how many identities; the most first."""
    found = Counter[str]()
    for like, identities in groups.items():
        identity = Identity(name="it", mode=like.mode, criticality=like.criticality)
        case = Case(identity=identity, silence=policy.silence, policy=policy)
        found[deadlines.sentence(case)] += len(identities)
    return found.most_common()
