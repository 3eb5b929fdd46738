"""The seats of a case that is asked in stages: whose they are in each, and whose turn is first.

Owns Stage rows until the first stage runs, and who is asked in a stage; going_on.py makes the
next one's turn come. Nobody is asked in two stages while somebody else is there.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from identities.models import Identity, Party, Service
from reviews import policy_stages
from reviews.models import Case, ReviewPolicy, Seat, Stage

from . import policy_versions, sitting, stages


class Staged(NamedTuple):
    """The stages of a version of a policy, and who sits where in each."""

    plan: stages.Plan
    orders: tuple[sitting.Order, ...]


def of_policy(policy: ReviewPolicy | None, *, now: datetime) -> Staged | None:
    """What this version says of stages; None where it has none, which asks nothing."""
    plan = stages.of_policy(policy)
    if plan is None or policy is None:
        return None
    plain = policy_versions.document_of(policy).seats
    return Staged(plan, tuple(sitting.Order({**plain, **one.seats}, now=now) for one in plan.rules))


def seats(
    case: Case | None, identity: Identity, systems: Sequence[Service], staged: Staged
) -> list[Seat]:
    """The seats of all stages, with their stages, as rows not yet saved."""
    found: list[Seat] = []
    first = policy_stages.groups(staged.plan.rules)[0]
    seated: set[UUID] = set()
    for place, rules in enumerate(staged.plan.rules):
        order, now_asked = staged.orders[place], place in first
        stage = Stage(case=case, position=place, name=rules.name)
        here: list[Seat] = []
        for kind, service, named in (
            ("identity_owner", None, sitting.of_identity(identity)),
            *(("ai_owner", one, sitting.of_service(one)) for one in systems),
        ):
            for number, (party, backup) in enumerate(
                _asked(order, kind, named, seated, each=rules.asks == "each")
            ):
                here.append(
                    Seat(
                        case=case,
                        kind=kind,
                        service=service,
                        stage=stage,
                        turn="now" if now_asked else "later",
                        party=party,
                        backup=backup,
                        place=number,
                        position=len(found) + len(here),
                    )
                )
        seated |= {one.party_id for one in here if one.party_id is not None}
        found += here
    return found


def _asked(
    order: sitting.Order,
    kind: str,
    named: dict[str, Party | None],
    seated: set[UUID],
    *,
    each: bool,
) -> list[tuple[Party | None, Party | None]]:
    """(who sits, who stands in) of one seat; several where each answers for himself."""
    if each and order.owns(kind):
        every = order.each(kind, named)
        free = [one for one in every if one.pk not in seated] or every
        return [(one, None) for one in free] or [(None, None)]
    every = order.ordered(kind, named) if order.owns(kind) else order.present(named)
    free = [one for one in every if one.pk not in seated] or every
    return [((*free, None, None)[0], (*free, None, None)[1])]


def begin(cases: Sequence[Case], rows: Sequence[Seat], staged: dict[UUID | None, Staged]) -> None:
    """Save the stages of these seats, and let the first one of each new case run: what the whole
    time is, its deadline said before; each stage has its share."""
    made = {id(seat.stage): seat.stage for seat in rows if seat.stage is not None}
    of = {case.pk: case for case in cases}
    for stage in made.values():
        case = of[stage.case_id]
        rules = staged[case.policy_id].plan.rules
        whole = case.deadline_at - case.opened_at
        stage.within = whole * rules[stage.position].hours / policy_stages.hours(rules)
    for case in cases:
        said = policy_stages.groups(staged[case.policy_id].plan.rules)
        mine = sorted(
            (one for one in made.values() if one.case_id == case.pk), key=lambda one: one.position
        )
        for place in said[0]:
            mine[place].state, mine[place].begun_at = "running", case.opened_at
        case.deadline_at = case.opened_at + mine[0].within
        case.stage = names([mine[place] for place in said[0]])
        case.next_stage = names([mine[place] for place in said[1]]) if said[1:] else ""
    Stage.objects.bulk_create(made.values())
    Case.objects.bulk_update(cases, ["deadline_at", "stage", "next_stage"])


def names(rows: Sequence[Stage]) -> str:
    """What stages that run side by side are called together."""
    return " and ".join(one.name for one in rows)
