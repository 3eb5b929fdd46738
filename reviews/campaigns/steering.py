"""Making a campaign, and steering one that runs: pause, resume, extend, ask again, close.

Owns `Campaign.state`. A pause moves every open deadline by as long as it took, and its time counts
as nobody's silence (reviews/actions/clock.py). What touches each review is done by the worker
(steps.py): nothing here takes longer for many reviews than for one.
"""

from datetime import datetime, time, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Sum

from evidence.words import counted
from identities.models import User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews.actions import attention, planting, policy_versions
from reviews.models import Campaign, CampaignIdentity, CampaignPause, ReviewPolicy
from reviews.models.campaigns import APPLIES

from . import progress, rows, steps
from .scope import narrowing
from .steps import span

LONGEST_NAME = 120
LONGEST = timedelta(days=366)
STOPPED = "the campaign was closed before it was asked"


class Left(NamedTuple):
    """How far a campaign was when it was closed; `provisional` is a sentence or ""."""

    items: int
    decided: int
    open_cases: int
    provisional: str


def make(
    *,
    name: str,
    policy: ReviewPolicy,
    scope: dict[str, Any],
    by: User,
    now: datetime,
    reason: str,
    deadline_at: datetime | None = None,
    applies: str = "at_once",
    planted: int = 0,
) -> Campaign:
    """A campaign as a draft: nobody is asked before it is launched.

    `applies`: at_once, or at_end; what is decided goes out then (reviews/actions/carrying.py).
    `planted`: of a hundred items so many are to be planted (reviews/planted.py).
    """
    require(rows.why_not_run(by))
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME or "\0" in name:
        raise NotPossible(f"Name the campaign in at most {LONGEST_NAME} characters.")
    reason = reason_given(reason, what="what is looked at, and what for")
    if policy.state != "signed":
        raise NotPossible(f"{policy} is not signed: nobody may be asked by it.")
    if applies not in APPLIES:
        raise NotPossible("Say when what is decided goes out: at_once or at_end.")
    policy_versions.require_known(narrowing(scope, policy))
    _lies_ahead(deadline_at, now)
    with transaction.atomic():
        campaign = Campaign.objects.create(
            name=name,
            policy=policy,
            scope=scope,
            reason=reason,
            made_at=now,
            made_by=by.ref,
            made_by_name=by.called,
            deadline_at=deadline_at,
            applies=applies,
        )
        campaign.refresh_from_db(fields=["number"])
        planting.ask_for(campaign, planted)
        rows.note(
            campaign,
            act="campaign.made",
            words=f"{by.called} prepared {campaign.name} under {policy}: {reason}",
            by=by,
            now=now,
            data={
                "policy": str(policy.pk),
                "scope": scope,
                "applies": applies,
                "planted_share": planted,
            },
        )
    return campaign


def _lies_ahead(deadline_at: datetime | None, now: datetime) -> None:
    if deadline_at is not None and not now < deadline_at <= now + LONGEST:
        raise NotPossible("The deadline has to lie ahead, at most 366 days.")


def pause(*, campaign: Campaign, by: User, now: datetime, reason: str) -> Campaign:
    """Reminders and clocks of its reviews stand still. Answers can still be given."""
    with transaction.atomic():
        campaign = rows.locked(campaign.pk)
        require(rows.why_not_pause(by, campaign))
        reason = reason_given(reason, what="why it stands still")
        CampaignPause.objects.create(campaign=campaign, since=now, reason=reason)
        rows.changed(campaign, state="paused")
        rows.note(
            campaign,
            act="campaign.paused",
            words=f"{by.called} paused {campaign.name}: {reason}",
            by=by,
            now=now,
        )
    return campaign


def resume(*, campaign: Campaign, by: User, now: datetime, reason: str) -> Campaign:
    """Its reviews go on, each deadline as much later as the pause took, once all are moved."""
    with transaction.atomic():
        campaign = rows.locked(campaign.pk)
        require(rows.why_not_resume(by, campaign))
        reason = reason_given(reason, what="why it goes on")
        took = _go_on(campaign, "resume", by=by, now=now, reason=reason)
        rows.note(
            campaign,
            act="campaign.resumed",
            words=f"{by.called} resumed {campaign.name}, each deadline {span(took)} later:"
            f" {reason}",
            by=by,
            now=now,
            data={"seconds": round(took.total_seconds())},
        )
    return campaign


def _go_on(campaign: Campaign, kind: str, *, by: User, now: datetime, reason: str) -> timedelta:
    """End the pause of a locked campaign and have its deadlines moved; by how much."""
    last = campaign.pauses.select_for_update().get(until__isnull=True)
    last.until = max(now, last.since)
    last.save(update_fields=["until"])
    took = last.until - last.since
    due = campaign.deadline_at
    rows.changed(campaign, deadline_at=None if due is None else due + took, moving=True)
    steps.begin(campaign, kind, by=by, now=now, reason=reason, moves_by=took)
    return took


def extend(*, campaign: Campaign, to: datetime, by: User, now: datetime, reason: str) -> Campaign:
    """Give everybody time until a later moment; each review as much more as the campaign."""
    with transaction.atomic():
        campaign = rows.locked(campaign.pk)
        require(rows.why_not_extend(by, campaign))
        reason = reason_given(reason, what="why there is more time")
        _lies_ahead(to, now)
        before = campaign.deadline_at
        if before is None or to <= before:
            raise NotPossible(f"It is due {_at(before)} already: name a later moment.")
        rows.changed(campaign, deadline_at=to, moving=True)
        step = steps.begin(campaign, "extend", by=by, now=now, reason=reason, moves_by=to - before)
        rows.note(
            campaign,
            act="campaign.extended",
            words=f"{by.called} extended {campaign.name} from {_at(before)} to {_at(to)},"
            f" {counted(step.reviews, 'review')}: {reason}",
            by=by,
            now=now,
            data={"from": before.isoformat(), "to": to.isoformat(), "cases": step.reviews},
        )
    return campaign


def reiterate(*, campaign: Campaign, by: User, now: datetime, reason: str) -> Campaign:
    """Ask those again whose answers are missing, and nobody else.

    Whoever was asked again on this day already is not asked twice.
    """
    with transaction.atomic():
        campaign = rows.locked(campaign.pk)
        require(rows.why_not_reiterate(by, campaign))
        reason = reason_given(reason, what="why they are asked again")
        step = steps.begin(campaign, "reiterate", by=by, now=now, reason=reason)
        if not step.reviews:
            raise NotPossible("Nobody is asked: no review of it is open any more.")
        rows.note(
            campaign,
            act="campaign.asked_again",
            words=f"{by.called} had everybody asked again who has not answered in"
            f" {campaign.name}, {counted(step.reviews, 'open review')}: {reason}",
            by=by,
            now=now,
            data={"cases": step.reviews},
        )
    return campaign


def told_on(campaign: Campaign, day: datetime) -> int | None:
    """How many people were asked again on this day already; None: it was not done on it."""
    begun = datetime.combine(day.date(), time.min, tzinfo=day.tzinfo)
    rows = campaign.steps.filter(kind="reiterate", told__isnull=False, asked_at__gte=begun)
    many: int | None = rows.aggregate(many=Sum("told"))["many"]
    return many


def close(*, campaign: Campaign, by: User, now: datetime, reason: str) -> Left:
    """End a campaign: what is decided stands and goes out; what is left, as it was counted now.

    Reviews that are still open keep their deadlines, and what silence does then.
    """
    with transaction.atomic():
        campaign = rows.locked(campaign.pk)
        require(rows.why_not_close(by, campaign))
        reason = reason_given(reason, what="why it ends now")
        if campaign.state == "paused":
            _go_on(campaign, "close", by=by, now=now, reason=reason)
        CampaignIdentity.objects.filter(campaign=campaign, case__isnull=True, left_out="").update(
            left_out=STOPPED
        )
        rows.changed(
            campaign,
            state="closed",
            closed_at=now,
            closed_by=by.ref,
            closed_by_name=by.called,
        )
        found = progress.count(campaign, now=now)
        provisional = attention.of_campaigns([campaign.pk]).get(campaign.pk, 0)
        said = attention.in_words(provisional)
        left = found.items - found.decided
        rows.note(
            campaign,
            act="campaign.closed",
            words=f"{by.called} closed {campaign.name}: {found.decided:,} of"
            f" {counted(found.items, 'item')} decided, {left:,} left in"
            f" {counted(found.open_cases, 'open review')}{f'; {said}' if said else ''}: {reason}",
            by=by,
            now=now,
            data={
                "items": found.items,
                "decided": found.decided,
                "open": found.open_cases,
                "provisional": provisional,
            },
        )
    return Left(found.items, found.decided, found.open_cases, said)


def _at(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%-d %b %Y %H:%M} UTC"
