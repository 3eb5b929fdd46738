"""What launching a campaign would do: who is asked about what, who has nobody, what silence does.

Owns the dry run: its numbers (`look`), and whom it would ask about each identity; the rows under
the numbers are would.py. Set-based: identities that have the same people behind them are looked at
once. Writes nothing.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from identities.models import Identity, Party, Person, Service
from reviews import persons
from reviews.actions import deadlines, opening, reviewable, rungs, seats, sitting, staging
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

    kind: str  # of the seat
    seat: str  # in words
    many: int
    identities: list[Identity]


class Preview(NamedTuple):
    """What a launch would do now."""

    identities: int  # in scope
    opened: int  # a review would be opened, or a proposed one sent
    items: int  # to decide in those
    joined: int  # a review is open already: it joins
    elsewhere: int  # of these, reviews of another campaign: they stay with it
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
    draft: bool
    integration: bool
    alone: UUID | None


type Asked = list[tuple[str, Sequence[Person]]]
"""The signing seats of a review, each with whom it would ask; nobody where it is empty."""


def look(policy: ReviewPolicy, scope: dict[str, Any], *, now: datetime) -> Preview:
    """The dry run. Raises NotPossible for a scope that cannot be read."""
    dry = Dry(policy, scope, now=now)
    everything = population(_without_exemptions(policy), scope, now=now).count()
    return Preview(
        identities=dry.total,
        opened=len(dry.opened),
        items=sum(dry.items.get(pk, 0) for pk in dry.opened),
        joined=dry.joined,
        elsewhere=dry.elsewhere,
        exempt=everything - dry.total,
        asked=dry.shares(),
        vacant=[_vacant(kind, those) for kind, those in dry.vacant().items()],
        silence=[(words, len(those)) for words, those in dry.silence().items()],
    )


def _without_exemptions(policy: ReviewPolicy) -> ReviewPolicy:
    document = {key: value for key, value in policy.document.items() if key != "exemptions"}
    return ReviewPolicy(name=policy.name, document=document)


def _vacant(kind: str, identities: Sequence[UUID]) -> Vacant:
    rows = Identity.objects.filter(pk__in=identities).order_by("name")
    return Vacant(kind, SEAT_WORDS[kind], len(identities), list(rows[:MOST_NAMED]))


class Dry:
    """The reading of a dry run: what would be opened, and who would be asked there."""

    def __init__(self, policy: ReviewPolicy, scope: dict[str, Any], *, now: datetime) -> None:
        self.policy, self.now = policy, now
        self.rows = population(policy, scope, now=now)
        self.items = reviewable.count(self.rows, now=now)
        self.total = self.joined = self.elsewhere = 0
        self.alike: dict[_Alike, list[UUID]] = {}
        self._read()

    def _read(self) -> None:
        live = {
            identity: (state, campaign)
            for identity, state, campaign in self._live().values_list(
                "identity", "state", "campaign__state"
            )
        }
        shared = seats.sharing(self.rows, now=self.now)
        found = self.rows.values_list(
            *("pk", "kind", "state", "owner", "backup", "sponsor", "service", "mode", "criticality")
        )
        for pk, kind, stands, owner, backup, sponsor, service, mode, criticality in found:
            self.total += 1
            state, campaign = live.get(pk, ("", None))
            if state == "open":
                self.joined += 1
                self.elsewhere += campaign not in (None, "closed")
                continue
            alone = pk if kind == "human" or pk in shared else None
            like = _Alike(
                owner,
                backup,
                sponsor,
                service,
                mode,
                criticality,
                draft=stands == "draft",
                integration=kind == "integration",
                alone=alone,
            )
            self.alike.setdefault(like, []).append(pk)

    @cached_property
    def opened(self) -> dict[UUID, _Alike]:
        """The identities of which a review would be opened."""
        return {pk: like for like, those in self.alike.items() for pk in those}

    @cached_property
    def seats(self) -> dict[_Alike, Asked]:
        """Who would be asked in each of these reviews."""
        plans = _plans(self.alike, self.policy, now=self.now)
        behind = persons.of_parties(
            [
                one
                for plan in plans.values()
                for seat in plan
                for one in (seat.party_id, seat.backup_id)
            ],
            now=self.now,
        )
        alone = Identity.objects.filter(pk__in=[one.alone for one in self.alike if one.alone])
        subjects = persons.subjects(alone)
        return {
            like: [
                (
                    seat.kind,
                    _first(
                        seat,
                        behind,
                        subjects.get(like.alone, frozenset()) if like.alone else frozenset(),
                    ),
                )
                for seat in plan
                if seat.kind in SIGNING
            ]
            for like, plan in plans.items()
        }

    def of(self, identity: UUID) -> Asked:
        """Who would be asked about an identity; nobody where no review would be opened."""
        like = self.opened.get(identity)
        return [] if like is None else self.seats[like]

    def shares(self) -> list[Share]:
        """Whom it would ask about how much, who is asked the most first."""
        reviews, many = Counter[UUID](), Counter[UUID]()
        known: dict[UUID, Person] = {}
        for like, identities in self.alike.items():
            whole = sum(self.items.get(pk, 0) for pk in identities)
            once = {one.pk: one for _, those in self.seats[like] for one in those}
            for pk, person in once.items():
                known[pk] = person
                reviews[pk] += len(identities)
                many[pk] += whole
        shares = [Share(known[pk], count, many[pk]) for pk, count in reviews.items()]
        return sorted(shares, key=lambda one: (-one.items, one.person.name))

    def vacant(self) -> dict[str, list[UUID]]:
        """The seats in which nobody could be asked, or sits in a review that is open, each with
        the identities."""
        found: dict[str, list[UUID]] = {}
        for like, identities in self.alike.items():
            # An AI system that shares an actor may stand behind an identity twice.
            for kind in dict.fromkeys(kind for kind, those in self.seats[like] if not those):
                found.setdefault(kind, []).extend(identities)
        # Reviews that are open already join, with the seats in which nobody sits by now.
        empty = Seat.objects.filter(
            case__in=self._live().filter(state="open"), kind__in=SIGNING, turn="now"
        ).filter(party=None, backup=None, person=None)
        for kind, pk in empty.values_list("kind", "case__identity").distinct():
            found.setdefault(kind, []).append(pk)
        return found

    def _live(self) -> QuerySet[Case]:
        return Case.objects.filter(
            identity__in=self.rows, door="access_review", trigger="", state__in=opening.LIVE
        )

    def silence(self) -> dict[str, list[UUID]]:
        """What happens where nobody decides in time, and to which; the most first."""
        found: dict[str, list[UUID]] = {}
        for like, identities in self.alike.items():
            identity = Identity(
                name="it",
                mode=like.mode,
                criticality=like.criticality,
                state="draft" if like.draft else "active",
                kind="integration" if like.integration else "",
            )
            silence = rungs.silence(self.policy, identity)
            case = Case(identity=identity, silence=silence, policy=self.policy)
            said = f"{deadlines.sentence(case)}{rungs.then(case, self._later(case))}"
            found.setdefault(said, []).extend(identities)
        return dict(sorted(found.items(), key=lambda one: -len(one[1])))

    def _later(self, case: Case) -> list[str]:
        """What the ladder of the policy does after the answers are due, where it cuts."""
        within = self.policy.decide_within_hours
        return [
            one.does
            for one in rungs.of_policy(self.policy, case.identity)
            if one.after_hours > within and one.does in deadlines.CUTS
        ]

    def asking(self, person: UUID) -> list[UUID]:
        """The identities about which this person would be asked."""
        return [
            pk
            for like, those in self.alike.items()
            if any(one.pk == person for _, asked in self.seats[like] for one in asked)
            for pk in those
        ]


def _plans(
    alike: Iterable[_Alike], policy: ReviewPolicy, *, now: datetime
) -> dict[_Alike, list[Seat]]:
    """The seats that each group would have, as the launch would make them."""
    groups = list(alike)
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
