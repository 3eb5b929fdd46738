"""Why a person has to release what silence would cut: nobody was at work, a change freeze holds,
or a brake does.

Owns the sentences, the count behind the brake and the holding of rungs. Ends of granted access
are no cuts, and what people signed item by item goes out: neither comes here. When is climbing.py.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Q

from evidence import locks
from evidence.locks import Lock
from identities.models import Identity, Person
from reviews import freezes, ladder, policies, policy_scope
from reviews.models import Case, Freeze, ReviewPolicy, Rung

from . import clock, policy_versions, rungs
from .silencing import consequence

HOUR = timedelta(hours=1)
HELD = ["state", "held_at", "held_why", "freeze"]


class Why(NamedTuple):
    """The sentence why a rung is held; with the freeze that holds it, if one does."""

    words: str
    freeze: Freeze | None = None

    @property
    def asked(self) -> list[Person]:
        """Who is asked beside those above the case."""
        return [] if self.freeze is None else [self.freeze.asked]


def away(lost: policies.Stretch, at: datetime) -> Why:
    """It came due at this moment, while Countersign was not at work."""
    begins, ends = lost
    # The first sweep afterwards comes before the first word that we are at work again.
    until = f"from {clock.in_words(begins)} to {clock.in_words(ends)}"
    if ends <= at:
        until = f"since {clock.in_words(begins)}"
    return Why(f"It came due while Countersign was not at work, {until}.")


def hold(rung: Rung, why: Why, *, now: datetime) -> None:
    """A person has to release it; unsaved."""
    rung.state, rung.held_at, rung.held_why, rung.freeze = "held", now, why.words, why.freeze


def _untold(rung: Rung, freeze: Freeze) -> bool:
    """Whether nobody released a rung knowing of a freeze: something else held it, or the freeze was
    signed afterwards. Of several that hold, who is told of one finds the others beside it."""
    released, signed = rung.settled_at, freeze.settled_at
    return released is None or rung.freeze_id is None or signed is None or signed > released


def save(held: Sequence[Rung]) -> None:
    """Write what is held, in two statements."""
    Rung.objects.bulk_update([one for one in held if one.pk], HELD)
    Rung.objects.bulk_create([one for one in held if not one.pk])


class Reasons:
    """Why rungs of these cases are held, as a sweep asks it of each: freezes and brakes are read
    once, however many cases there are."""

    def __init__(
        self,
        cases: Sequence[Case],
        climb: Mapping[UUID, Sequence[Rung]],
        doubts: Mapping[UUID, str],
        *,
        now: datetime,
    ) -> None:
        self.doubts, self.now, self._cases = doubts, now, cases
        due = [
            one.at
            for case in cases
            for one in climb[case.pk]
            if one.state == "waiting" and one.at <= now
        ]
        known = freezes.between(min(due), now) if due else []
        identities = {case.identity_id for case in cases if case.identity_id is not None}
        self._freezes = freezes.of(identities, known, now=now)

    def why(self, case: Case, rung: Rung, *, does: str = "") -> Why | None:
        """Why it may not be cut now; None where it may, or would cut nothing.

        `does`: of a later rung; without it, when the answers are due. What a person has released
        is held again only by a freeze that they were not told of.
        """
        chosen = consequence(case, does=does, doubt=self.doubts.get(case.pk, ""))
        if chosen not in ladder.CUTS:
            return None
        frozen = self.frozen(case, rung)
        return frozen if frozen or rung.settled_at is not None else self._braked(case)

    def before(
        self, case: Case, rung: Rung, heard: Sequence[policies.Stretch], climb: Sequence[Rung]
    ) -> Why | None:
        """Why a later rung may not even be looked at: an outage, or a step of its case before it.

        `heard`: when Countersign was at work. `climb`: all rungs of the case.
        """
        if consequence(case, does=rung.does) not in ladder.CUTS or rung.settled_at is not None:
            return None
        lost = policies.away(rung.at, heard)
        if lost is not None:
            return away(lost, rung.at)
        for one in climb:
            if one.state == "held" and one.after <= rung.after:
                return Why(f"A step before it is held ({rungs.words(case, one.does)}).")
        return None

    def frozen(self, case: Case, rung: Rung) -> Why | None:
        """The freeze that this rung came due in, or is looked at in."""
        held_by = self._freezes.get(case.identity_id, ()) if case.identity_id is not None else ()
        for one in held_by:
            if one.over_at > rung.at and _untold(rung, one):
                return Why(f"{freezes.words(one)}: {one.asked.name} is asked instead.", one)
        return None

    def _braked(self, case: Case) -> Why | None:
        """The sentence of the brake of the case's policy; what is let through is counted."""
        policy = case.policy
        if policy is None or "brake" not in policy.document:
            return None
        most, lately = self._brakes[policy.pk]
        cut = len(lately - {case.identity_id})
        if cut >= most:
            return Why(
                f"The brake of {policy}: silence may cut {most:,} within one hour, and has cut"
                f" {cut:,}. Look whether something is wrong before you release it."
            )
        lately.add(case.identity_id)
        return None

    @cached_property
    def _brakes(self) -> dict[UUID, tuple[int, set[UUID | None]]]:
        """By policy: how many silence may cut, and whom it has cut in the last hour.

        Locked in one order, whatever the order of the cases.
        """
        braked = {
            one.pk: one
            for one in (case.policy for case in self._cases)
            if one is not None and "brake" in one.document
        }
        names = sorted({one.name for one in braked.values()})
        with connection.cursor() as cursor:
            for name in names:
                locks.take(cursor, Lock.CUTS_UNDER_POLICY, name)
        lately = {name: _cut_lately(name, now=self.now) for name in names}
        return {pk: (most_of(one, now=self.now), lately[one.name]) for pk, one in braked.items()}


def most_of(policy: ReviewPolicy, *, now: datetime) -> int:
    """How many identities may be cut at once under a version that has a brake."""
    document = policy_versions.document_of(policy)
    if document.brake is None:
        raise ValueError(f"{policy} has no brake")
    many = 0
    if document.brake.percent is not None:
        many = policy_scope.in_scope(document, now=now).count()
    return document.brake.most(many)


def _cut_lately(name: str, *, now: datetime) -> set[UUID | None]:
    """The identities whose silence came due in the last hour, under a policy, where it cuts.

    At most: one whose evidence was in doubt then is among them, though it was not cut.
    """
    cuts = Q(does__in=ladder.CUTS) | Q(does=ladder.DUE, case__silence__in=ladder.CUTS)
    rows = Rung.objects.filter(
        cuts, state="done", done_at__gt=now - HOUR, done_at__lte=now, case__policy__name=name
    )
    identities = Identity.objects.filter(mode="enforce").exclude(criticality="critical")
    return set(identities.filter(pk__in=rows.values("case__identity")).values_list("pk", flat=True))
