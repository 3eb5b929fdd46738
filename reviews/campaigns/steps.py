"""The long steps of a campaign, done by the worker: moving each deadline, asking everybody again.

Owns the queue of CampaignStep rows. A part is one transaction that carries its step on, so a step
that is killed goes on where it was, and nothing is moved twice. Until all deadlines are moved
no rung of the campaign is climbed and nothing of it is launched (`Campaign.moving`).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet

from evidence import nudge
from evidence.words import counted
from identities.acting import Acting
from identities.models import Person, User
from reviews.actions import rungs
from reviews.models import Campaign, CampaignStep, Case

from . import rows, telling

# So many reviews in one transaction.
PART = 1_000


class Kind(NamedTuple):
    """What a step does with some of its reviews, and once it has done it with all of them."""

    moves: bool  # deadlines: of what silence has done already they stay as they are
    part: "Callable[[CampaignStep, Sequence[UUID], datetime], None]"
    end: "Callable[[CampaignStep, datetime], None]"


def begin(
    campaign: Campaign,
    kind: str,
    *,
    by: User,
    now: datetime,
    reason: str,
    moves_by: timedelta | None = None,
) -> CampaignStep:
    """A step of a locked campaign, for the worker; `reviews` says of how many it is."""
    nudge.after_commit("campaign.changed")
    return CampaignStep.objects.create(
        campaign=campaign,
        kind=kind,
        asked_at=now,
        asked_by=by.ref,
        asked_by_name=by.called,
        reason=reason,
        moves_by=moves_by,
        reviews=_reviews(campaign.pk, KINDS[kind]).count(),
    )


def _reviews(campaign: UUID, kind: Kind) -> QuerySet[Case]:
    found = Case.objects.filter(campaign=campaign, state="open")
    # A sealed review is absent for whoever steers the campaign: nobody is counted or asked in it.
    return found.filter(silence_done_at__isnull=True) if kind.moves else found.filter(sealed=False)


def next_part(*, now: datetime) -> bool:
    """Do the next part of the step that waits longest; False when there is none to do."""
    with transaction.atomic():
        step = (
            CampaignStep.objects.select_for_update(of=("self",), skip_locked=True)
            .filter(ended_at__isnull=True)
            .select_related("campaign")
            .order_by("asked_at", "pk")
            .first()
        )
        if step is None:
            return False
        kind = KINDS[step.kind]
        if kind.moves and step.after is None:
            # A batch of the launch that goes by the old deadline is let through first.
            Campaign.objects.select_for_update().get(pk=step.campaign_id)
        found = _reviews(step.campaign_id, kind).order_by("pk")
        if step.after is not None:
            found = found.filter(pk__gt=step.after)
        if kind.moves:
            # In the order of their ids: somebody who locks many waits, and is not waited for.
            found = found.select_for_update(of=("self",))
        pks = list(found.values_list("pk", flat=True)[:PART])
        if pks:
            kind.part(step, pks, now)
            step.after, step.done = pks[-1], step.done + len(pks)
        if len(pks) < PART:
            kind.end(step, now)
            step.ended_at = now
        step.save(update_fields=["after", "done", "found", "told", "ended_at"])
    return True


def _move(step: CampaignStep, cases: Sequence[UUID], now: datetime) -> None:
    """Move the deadlines of these reviews, and the rungs before and after them."""
    by = step.moves_by
    if by is None:
        raise ValueError(f"step {step.pk} does not say by how much it moves")
    Case.objects.filter(pk__in=cases).update(
        deadline_at=F("deadline_at") + by, not_counted=F("not_counted") + by
    )
    rungs.move([rungs.Moved(pk, by) for pk in cases], now=now)


def _moved(step: CampaignStep, now: datetime) -> None:
    """Every deadline is moved: what stood still meanwhile goes on."""
    campaign = rows.locked(step.campaign_id)
    state = "running" if step.kind == "resume" and campaign.state == "paused" else campaign.state
    rows.changed(campaign, state=state, moving=False)
    _note(
        step,
        act="campaign.moved",
        words=f"{counted(step.done, 'deadline')} of {campaign.name} moved by"
        f" {span(step.moves_by or timedelta())}",
        now=now,
        data={"cases": step.done, "seconds": round((step.moves_by or timedelta()).total_seconds())},
    )


def _gather(step: CampaignStep, cases: Sequence[UUID], now: datetime) -> None:
    """Whose answers these reviews wait for, beside those who were found already."""
    found = telling.waiting(Case.objects.filter(pk__in=cases, sealed=False), now=now)
    many = Counter[str](step.found)
    many.update({str(pk): count for pk, (_, count) in found.items()})
    step.found = dict(many)


def _ask(step: CampaignStep, now: datetime) -> None:
    """One word to each of them, unless they were asked again on the day of this step already."""
    campaign = rows.locked(step.campaign_id)
    persons = Person.objects.in_bulk([UUID(pk) for pk in step.found])
    step.told = telling.tell(
        campaign,
        [(person, step.found[str(pk)]) for pk, person in persons.items()],
        occasion=f"asked again {step.asked_at:%Y-%m-%d}",
        subject="your answers are missing",
        why="asks you again about access.",
        now=now,
    )
    said = f"{counted(step.told, 'person was', 'people were')} asked again in {campaign.name}"
    if not step.told:
        said = (
            f"Nobody was asked again in {campaign.name}: all have answered, or were asked that day"
        )
    _note(step, act="campaign.told", words=said, now=now, data={"told": step.told})


def _note(step: CampaignStep, *, act: str, words: str, now: datetime, data: dict[str, int]) -> None:
    by = Acting(step.asked_by, step.asked_by_name)
    rows.note(step.campaign, act=act, words=words, by=by, now=now, data=data)


def span(took: timedelta) -> str:
    """ "26 h 5 min"."""
    hours, minutes = divmod(round(took.total_seconds() / 60), 60)
    return f"{hours:,} h {minutes} min"


KINDS = {
    "resume": Kind(moves=True, part=_move, end=_moved),
    "extend": Kind(moves=True, part=_move, end=_moved),
    "close": Kind(moves=True, part=_move, end=_moved),
    "reiterate": Kind(moves=False, part=_gather, end=_ask),
}
