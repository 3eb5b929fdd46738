"""The stages of a case, from rows: what its answers come to in each, and whether it may go on.

Owns `Item.stage_outcomes` as far as the running stages go; how answers add up is
reviews/policy_stages.py. Making the next stage's turn come is going_on.py.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

from reviews import outcomes, policy_stages
from reviews import standing as standing_keys
from reviews.models import Case, Decision, Item, ReviewPolicy, Seat, Stage
from reviews.permissions import SIGNING
from reviews.policy_stages import Rules

from . import answers, policy_versions
from .asked import Asked

# Fields of a policy that make its reviews run in stages.
SAID = ("stages", *policy_stages.IF)
# Items that are not decided.
OPEN = ("", "conflict")


class Plan(NamedTuple):
    """What the policy of a case says of its stages."""

    rules: tuple[Rules, ...]
    strategy: str

    @property
    def blind(self) -> list[int]:
        """The places of the stages that do not see earlier answers."""
        return [place for place, one in enumerate(self.rules) if one.sight == "blind"]

    def blind_after(self, position: int) -> bool:
        """Whether a stage after this one answers without seeing what was answered before."""
        return any(place > position for place in self.blind)


class AddedUp(NamedTuple):
    """An item over the stages: its outcome so far, and what each stage that is known came to."""

    outcome: outcomes.Outcome
    stages: dict[str, str]


WAITS = outcomes.Outcome(outcomes.WAITS, None, None, (), "")


def of_policy(policy: ReviewPolicy | None) -> Plan | None:
    """The stages of this version; None where it has none, which asks nothing."""
    if policy is None or not any(policy.document.get(one) for one in SAID):
        return None
    document = policy_versions.document_of(policy)
    return Plan(document.stages, document.strategy)


def plan_of(case: Case) -> Plan | None:
    """The stages that a case was sent with; None for one that asks every seat at once."""
    return of_policy(case.policy) if case.stage else None


class Reading:
    """What adding up reads of the stages of some locked cases, once for all their items."""

    def __init__(self, cases: Sequence[Case], *, now: datetime, asked: Asked | None = None) -> None:
        self.now = now
        self._cases = [case for case in cases if case.stage]
        self._asked = asked
        self._plans: dict[object, Plan | None] = {}
        # Items whose `stage_outcomes` have changed, not yet saved.
        self.changed: list[Item] = []

    def plan(self, case: Case) -> Plan | None:
        """The stages that a case was sent with."""
        if not case.stage:
            return None
        if case.policy_id not in self._plans:
            self._plans[case.policy_id] = of_policy(case.policy)
        return self._plans[case.policy_id]

    @cached_property
    def running(self) -> dict[UUID, list[Stage]]:
        """The stages of each case that run, in their order."""
        found: dict[UUID, list[Stage]] = {case.pk: [] for case in self._cases}
        rows = Stage.objects.filter(case__in=found, state="running").order_by("position")
        for row in rows:
            found[row.case_id].append(row)
        return found

    @cached_property
    def seats(self) -> dict[int, list[Seat]]:
        """The signing seats of each stage that runs."""
        found: dict[int, list[Seat]] = {}
        here = [row.pk for rows in self.running.values() for row in rows]
        rows = Seat.objects.filter(stage__in=here, kind__in=SIGNING).select_related("party")
        for seat in rows.order_by("position"):
            if seat.stage_id is not None:
                found.setdefault(seat.stage_id, []).append(seat)
        return found

    @cached_property
    def items(self) -> dict[UUID, list[Item]]:
        """The items of each case that are not decided, locked."""
        found: dict[UUID, list[Item]] = {case.pk: [] for case in self._cases}
        by_pk = {case.pk: case for case in self._cases}
        rows = Item.objects.select_for_update().filter(case__in=found, outcome__in=OPEN)
        for item in rows.order_by("case", "position"):
            item.case = by_pk[item.case_id]
            found[item.case_id].append(item)
        return found

    @cached_property
    def standing(self) -> dict[UUID, list[Decision]]:
        """The answers that stand on each of those items, in the order they were made."""
        pks = [item.pk for rows in self.items.values() for item in rows]
        found: dict[UUID, list[Decision]] = {pk: [] for pk in pks}
        for row in (
            Decision.objects.filter(item__in=pks, superseded_at__isnull=True)
            .select_related("seat", "person", "by")
            .order_by("at", "pk")
        ):
            found[row.item_id].append(row)
        return found

    def anybody(self, case: Case, stage: Stage, standing: Sequence[Decision]) -> bool:
        """Whether somebody can be asked in a stage for what is missing of an item: where one seat has
        answered and nobody may sit in the other, there is no reviewer."""
        if self._asked is None or case.pk not in self._asked.seats:
            self._asked = Asked([case], now=self.now)
        seats, given = self.seats.get(stage.pk, ()), {row.seat_id for row in standing}
        silent = [seat for seat in seats if seat.pk not in given]
        if silent and len(silent) < len(seats):
            return not all(self._asked.nobody(case, seat) for seat in silent)
        return any(self._asked.of(case, seat) for seat in seats)

    def complete(self, case: Case) -> bool:
        """Whether a next stage waits, and the running ones came to something on all that is left."""
        places = [str(row.position) for row in self.running[case.pk]] if case.next_stage else []
        left = [item for item in self.items[case.pk] if item.outcome in OPEN]
        return bool(places and left) and all(
            item.outcome == "" and all(place in item.stage_outcomes for place in places)
            for item in left
        )

    def save(self) -> None:
        """Write what the stages came to."""
        Item.objects.bulk_update(self.changed, ["stage_outcomes"])
        self.changed = []


def add_up(
    case: Case,
    item: Item,
    standing: Sequence[Decision],
    reading: Reading,
    *,
    due: bool,
) -> AddedUp:
    """What the answers that stand on an item of a case in stages come to.

    `due`: the running stage is over, so what is missing is missing.
    """
    plan = reading.plan(case)
    if plan is None:
        raise ValueError(f"{case.key} is not asked in stages")
    # A stage in which something is still open after its deadline stays over.
    over = due or case.silence_done_at is not None
    running = reading.running[case.pk]
    places = {str(row.position) for row in running}
    known = {place: said for place, said in item.stage_outcomes.items() if place not in places}
    differ = []
    for row in running:
        asked = _asked(row, standing, reading)
        found = policy_stages.of_stage(
            asked,
            plan.rules[row.position],
            possible=answers.OF_KIND[item.kind],
            over=over,
            tie_break=_tie_break(asked, standing, row),
        )
        if found.kind == outcomes.CONFLICT:
            differ.append(found)
        elif found.answer is not None or over:
            anybody = found.answer is not None or reading.anybody(case, row, standing)
            known[str(row.position)] = _came_to(
                case, item, found, plan.rules[row.position], anybody=anybody, now=reading.now
            )
    if differ:
        held = outcomes.stricter(one.held or outcomes.DONT_KNOW for one in differ)
        return AddedUp(differ[0]._replace(held=held), known)
    said_of = {int(place): answer for place, answer in known.items()}
    final = policy_stages.of_all(said_of, plan.rules, plan.strategy)
    given = {row.answer for row in standing}
    if final is None or final == outcomes.NO_RESPONSE or policy_stages.by_nobody(final, given):
        return AddedUp(WAITS, known)
    return AddedUp(WAITS._replace(kind=outcomes.DECIDED, answer=final), known)


def spoken(
    case: Case, item: Item, standing: Sequence[Decision], reading: Reading
) -> list[str | None]:
    """The answer of each seat in the stages that run, now that they are over; None: silent."""
    plan = reading.plan(case)
    if plan is None:
        raise ValueError(f"{case.key} is not asked in stages")
    return [
        policy_stages.of_seat(
            given, plan.rules[row.position].strategy, possible=answers.OF_KIND[item.kind], over=True
        )
        for row in reading.running[case.pk]
        for given in _asked(row, standing, reading).values()
    ]


def _asked(
    stage: Stage, standing: Sequence[Decision], reading: Reading
) -> dict[str, list[str | None]]:
    """What each seat of a stage has answered, each for himself where several are asked."""
    by_seat = {row.seat_id: row.answer for row in standing}
    found: dict[str, list[str | None]] = {}
    for seat in reading.seats.get(stage.pk, ()):
        name = f"{seat.kind} {seat.service_id or ''}"
        found.setdefault(name, []).append(by_seat.get(seat.pk))
    return found


def _tie_break(
    asked: Mapping[str, Sequence[str | None]], standing: Sequence[Decision], stage: Stage
) -> str | None:
    """What the tie-breaker decided in this stage, between answers that are given in it."""
    said = {one for group in asked.values() for one in group}
    rows = [row for row in standing if row.seat.kind == "tie_breaker" and row.answer in said]
    since = stage.begun_at
    return next((row.answer for row in rows if since is None or row.at >= since), None)


def _came_to(
    case: Case,
    item: Item,
    found: outcomes.Outcome,
    rules: Rules,
    *,
    anybody: bool,
    now: datetime,
) -> str:
    kept = outcomes.KEEP in rules.defaults
    return policy_stages.default(
        found,
        rules,
        request=case.silence == "deny",
        anybody=anybody,
        may_keep=kept and standing_keys.why_not_keep(case, item, now=now) is None,
        may_cut=_may_cut(case),
    )


def _may_cut(case: Case) -> bool:
    """Whether silence may cut anything here at all; what else holds it back is braking.py."""
    one = case.identity
    if one is None or one.mode != "enforce":
        return False
    return one.criticality != "critical" and one.kind != "integration"


def silence_denies(case: Case) -> bool:
    """Whether a request is denied when nobody answers in the stage that runs; else the next one
    is asked, because its policy lets one stage's approval do. Asks nothing but `case.policy`."""
    plan = plan_of(case) if case.silence == "deny" else None
    if plan is None:
        return False
    for group in policy_stages.groups(plan.rules):
        running = [plan.rules[place] for place in group]
        if " and ".join(one.name for one in running) == case.stage:
            return any(policy_stages.stops(outcomes.DENY, one, plan.strategy) for one in running)
    return False


def withholds(case: Case, stage: Stage | None = None) -> bool:
    """Whether a later stage must not learn what is answered in this one; None: in the one that
    runs, of whose ties the tie-breaker is."""
    plan = plan_of(case)
    if plan is None or not plan.blind:
        return False
    if stage is None:
        stage = case.stages.filter(state="running").order_by("position").first()
    return stage is not None and plan.blind_after(stage.position)
