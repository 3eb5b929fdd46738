"""Going on from one stage of a case to the next: whose turn it is, until when, and who is told.

Owns the moment at which the running stages end and others begin. What the answers come to is
stages.py and settling.py; the sweep that calls this is climbing.py.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from evidence import nudge
from identities.acting import COUNTERSIGN
from identities.models import Person
from identities.permissions import NotPossible
from reviews import outcomes, policy_stages
from reviews.models import Campaign, Case, Decision, Item, Notice, Rung, Seat, Stage

from . import disclosing, entries, reminders, rungs, seats, stages, staging
from .asked import Asked

# What changes of a case when its stage does.
WRITTEN = [
    "stage",
    "next_stage",
    "asked_since",
    "deadline_at",
    "not_counted",
    "silence_done_at",
    "backups_since",
    "version",
]


def go_on_all(cases: Sequence[Case], *, now: datetime) -> None:
    """End the running stages of locked cases and let the next ones begin, in as many statements as
    for one.

    Their time is their own: a deadline from now on, its reminders, its silence.
    """
    rows: dict[UUID, list[Stage]] = {case.pk: [] for case in cases}
    for row in Stage.objects.select_for_update().filter(case__in=rows).order_by("case", "position"):
        rows[row.case_id].append(row)
    turned: list[Stage] = []
    acts: list[entries.Said] = []
    for case in cases:
        over, begins, after = _next(case, rows[case.pk])
        for one in over:
            one.state, one.ended_at, one.due_at = "done", now, case.deadline_at
        for one in begins:
            one.state, one.begun_at = "running", now
        turned += [*over, *begins]
        before, case.stage = case.stage, staging.names(begins)
        case.next_stage = staging.names(after)
        case.asked_since, case.deadline_at = now, now + max(one.within for one in begins)
        case.not_counted, case.silence_done_at, case.backups_since = timedelta(), None, None
        case.version += 1
        acts.append(
            entries.Said(
                case,
                "case.stage",
                f"{before} is over in {case.key}: {case.stage} is asked until"
                f" {case.deadline_at:%Y-%m-%d %H:%M} UTC",
                {"from": before, "to": case.stage, "deadline_at": case.deadline_at.isoformat()},
            )
        )
    Stage.objects.bulk_update(turned, ["state", "begun_at", "ended_at", "due_at"])
    for state, turn in (("done", "past"), ("running", "now")):
        those = [one.pk for one in turned if one.state == state]
        Seat.objects.filter(stage__in=those).update(turn=turn)
    # What was still to come of the stage that is over never happens.
    Rung.objects.filter(case__in=rows, state="waiting").delete()
    Case.objects.bulk_update(cases, WRITTEN)
    rungs.make(cases)
    entries.note_all(acts, by=COUNTERSIGN, now=now)
    for case in cases:
        _disclose(case, rows[case.pk], now=now)
    seats.never_alone_all(cases, now=now)
    tell(cases, now=now)
    nudge.after_commit("case.changed")


def _next(
    case: Case, rows: Sequence[Stage]
) -> tuple[list[Stage], Sequence[Stage], Sequence[Stage]]:
    """The stages that are over, those that begin now, and those after them."""
    plan = stages.plan_of(case)
    groups = policy_stages.groups(() if plan is None else plan.rules)
    waiting = [[rows[place] for place in group] for group in groups]
    waiting = [group for group in waiting if group[0].state == "waiting"]
    if not waiting:
        raise NotPossible(f"No stage follows {case.stage} in {case.key}.")
    over = [one for one in rows if one.state == "running"]
    return over, waiting[0], waiting[1] if waiting[1:] else ()


def ask_again_all(cases: Sequence[Case]) -> dict[UUID, list[Stage]]:
    """Let the stages that had no answer be asked again beside the last one, whose time is over, in
    locked cases that have something left for lack of it; which, by case.

    What no stage decides waits for the missing seats (outcomes.py), so it has to be their turn:
    else nobody could ever end it. `case.stage` is changed, and saved by the caller.
    """
    lacking = _without_answer(cases)
    rows = (
        Stage.objects.select_for_update()
        .filter(case__in=lacking, state__in=("done", "running"))
        .order_by("case", "position")
    )
    there: dict[UUID, list[Stage]] = {}
    for row in rows:
        there.setdefault(row.case_id, []).append(row)
    found = {
        pk: [row for row in those if row.state == "done" and row.position in lacking[pk]]
        for pk, those in there.items()
    }
    turned = [row for those in found.values() for row in those]
    for row in turned:
        row.state, row.ended_at = "running", None
    for case in cases:
        if found.get(case.pk):
            case.stage = staging.names([row for row in there[case.pk] if row.state == "running"])
    Stage.objects.bulk_update(turned, ["state", "ended_at"])
    Seat.objects.filter(stage__in=turned).update(turn="now")
    return {pk: those for pk, those in found.items() if those}


def _without_answer(cases: Sequence[Case]) -> dict[UUID, set[int]]:
    """The places of the stages that gave what is left in these cases no answer: in none of which
    anybody said what it came to."""
    items = Item.objects.filter(
        case__in=[case for case in cases if not case.next_stage], outcome__in=stages.OPEN
    )
    given: dict[UUID, set[str]] = {}
    for item, answer in Decision.objects.filter(
        item__in=items, superseded_at__isnull=True
    ).values_list("item", "answer"):
        given.setdefault(item, set()).add(answer)
    found: dict[UUID, set[int]] = {}
    for case, item, said in items.values_list("case", "pk", "stage_outcomes"):
        for place, came in said.items():
            answers = given.get(item, ())
            if came == outcomes.NO_RESPONSE or policy_stages.by_nobody(came, answers):
                found.setdefault(case, set()).add(int(place))
    return found


def _disclose(case: Case, rows: Sequence[Stage], *, now: datetime) -> None:
    """Nobody has to be kept from earlier answers any more, once no blind stage is left."""
    plan = stages.plan_of(case)
    left = [one for one in rows if one.state != "done"]
    if plan is not None and not any(one.position in plan.blind for one in left):
        disclosing.disclose(case, now=now)


def tell(cases: Sequence[Case], *, now: datetime) -> None:
    """The word to those whose turn it is. In a campaign one a day, however many reviews it is."""
    asked = Asked(cases, now=now)
    found: list[Notice] = []
    together: dict[tuple[UUID, str], dict[UUID, Person]] = {}
    for case in cases:
        waiting = asked.waiting_for(case)
        if case.campaign_id is not None and not case.sealed:
            known = together.setdefault((case.campaign_id, case.stage), {})
            known |= {one.pk: one for one in waiting}
            continue
        found += reminders.notices(
            case,
            waiting,
            occasion=f"asked {case.stage} {now.isoformat()}",
            subject="your signature is needed",
            body=(
                f"{case.stage} has begun: your answers are asked for until"
                f" {case.deadline_at:%Y-%m-%d %H:%M} UTC."
            ),
            now=now,
        )
    campaigns = Campaign.objects.in_bulk([campaign for campaign, _ in together])
    for (campaign, stage), persons in together.items():
        found += _of_campaign(campaigns[campaign], stage, persons.values(), now=now)
    reminders.send(found)


def _of_campaign(
    campaign: Campaign, stage: str, persons: Iterable[Person], *, now: datetime
) -> list[Notice]:
    return [
        Notice(
            person=person,
            channel="mail",
            subject=f"{campaign.key}: your signatures are needed",
            body=f"{stage} has begun in reviews of {campaign.name} that wait for you."
            f"\n\n{settings.BASE_URL}/queue/\n",
            campaign=campaign.pk,
            occasion=f"{campaign.key} {stage} {now:%Y-%m-%d}",
            created_at=now,
            not_before=now,
        )
        for person in persons
    ]
