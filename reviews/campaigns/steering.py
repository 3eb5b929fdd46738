"""Making a campaign, and steering one that runs: pause, resume, extend, ask again, close.

Owns `Campaign.state` and the deadlines that move with a campaign. A pause moves every open
deadline by as long as it took, and its time counts as nobody's silence (reviews/actions/clock.py).
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F

from evidence.words import counted
from identities.models import User
from identities.permissions import NotPossible, require
from reviews.actions import entries, rungs
from reviews.models import Campaign, CampaignIdentity, CampaignPause, Case, Notice, ReviewPolicy

from . import progress, rows, telling
from .scope import narrowing

LONGEST_NAME = 120
LONGEST = timedelta(days=366)
STOPPED = "the campaign was closed before it was asked"


def make(
    *,
    name: str,
    policy: ReviewPolicy,
    scope: dict[str, Any],
    by: User,
    now: datetime,
    reason: str,
    deadline_at: datetime | None = None,
) -> Campaign:
    """A campaign as a draft: nobody is asked before it is launched."""
    require(rows.why_not_run(by))
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME or "\0" in name:
        raise NotPossible(f"Name the campaign in at most {LONGEST_NAME} characters.")
    reason = entries.reason_given(reason, what="what is looked at, and what for")
    if policy.state != "signed":
        raise NotPossible(f"{policy} is not signed: nobody may be asked by it.")
    narrowing(scope, policy)
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
        )
        campaign.refresh_from_db(fields=["number"])
        rows.note(
            campaign,
            act="campaign.made",
            words=f"{by.called} prepared {campaign.name} under {policy}: {reason}",
            by=by,
            now=now,
            data={"policy": str(policy.pk), "scope": scope},
        )
    return campaign


def _lies_ahead(deadline_at: datetime | None, now: datetime) -> None:
    if deadline_at is not None and not now < deadline_at <= now + LONGEST:
        raise NotPossible("The deadline has to lie ahead, at most 366 days.")


def pause(*, campaign: Campaign, by: User, now: datetime, reason: str) -> Campaign:
    """Reminders and clocks of its reviews stand still. Answers can still be given."""
    reason = entries.reason_given(reason, what="why it stands still")
    with transaction.atomic():
        campaign = rows.locked(campaign.pk)
        require(rows.why_not_pause(by, campaign))
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
    """Its reviews go on, each deadline as much later as the pause took."""
    reason = entries.reason_given(reason, what="why it goes on")
    with transaction.atomic():
        campaign = rows.locked(campaign.pk)
        require(rows.why_not_resume(by, campaign))
        moved, by_so_much = _go_on(campaign, now=now)
        rows.changed(campaign, state="running", deadline_at=campaign.deadline_at)
        rows.note(
            campaign,
            act="campaign.resumed",
            words=f"{by.called} resumed {campaign.name},"
            f" {counted(moved, 'deadline')} moved by {_span(by_so_much)}: {reason}",
            by=by,
            now=now,
            data={"cases": moved, "seconds": round(by_so_much.total_seconds())},
        )
    return campaign


def _go_on(campaign: Campaign, *, now: datetime) -> tuple[int, timedelta]:
    """End the pause of a locked campaign; how many deadlines moved, and by how much."""
    last = campaign.pauses.select_for_update().get(until__isnull=True)
    last.until = max(now, last.since)
    last.save(update_fields=["until"])
    took = last.until - last.since
    if campaign.deadline_at is not None:
        campaign.deadline_at += took
    return _move(campaign, took, now=now), took


def _move(campaign: Campaign, by: timedelta, *, now: datetime) -> int:
    """Move the deadlines of its open reviews, and the rungs before and after them.

    What silence has done already stays as it is.
    """
    waiting = Case.objects.filter(campaign=campaign, state="open", silence_done_at__isnull=True)
    # In the order of their ids: somebody who locks many waits, and is not waited for.
    pks = list(waiting.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
    Case.objects.filter(pk__in=pks).update(
        deadline_at=F("deadline_at") + by, not_counted=F("not_counted") + by
    )
    rungs.move([rungs.Moved(pk, by) for pk in pks], now=now)
    return len(pks)


def extend(*, campaign: Campaign, to: datetime, by: User, now: datetime, reason: str) -> Campaign:
    """Give everybody time until a later moment; each review as much more as the campaign."""
    reason = entries.reason_given(reason, what="why there is more time")
    with transaction.atomic():
        campaign = rows.locked(campaign.pk)
        require(rows.why_not_extend(by, campaign))
        _lies_ahead(to, now)
        before = campaign.deadline_at
        if before is None or to <= before:
            raise NotPossible(f"It is due {_at(before)} already: name a later moment.")
        moved = _move(campaign, to - before, now=now)
        rows.changed(campaign, deadline_at=to)
        rows.note(
            campaign,
            act="campaign.extended",
            words=f"{by.called} extended {campaign.name} from {_at(before)} to {_at(to)},"
            f" {counted(moved, 'review')}: {reason}",
            by=by,
            now=now,
            data={"from": before.isoformat(), "to": to.isoformat(), "cases": moved},
        )
    return campaign


def reiterate(*, campaign: Campaign, by: User, now: datetime, reason: str) -> int:
    """Ask those again whose answers are missing, and nobody else; how many people that are.

    Whoever was asked again on this day already is not asked twice.
    """
    reason = entries.reason_given(reason, what="why they are asked again")
    with transaction.atomic():
        campaign = rows.locked(campaign.pk)
        require(rows.why_not_reiterate(by, campaign))
        occasion = f"asked again {now:%Y-%m-%d}"
        same = Notice.objects.filter(campaign=campaign.pk, occasion=f"{campaign.key} {occasion}")
        before = same.count()
        telling.tell_waiting(
            campaign,
            Case.objects.filter(campaign=campaign, state="open"),
            occasion=occasion,
            subject="your answers are missing",
            why="asks you again about access.",
            now=now,
        )
        told = same.count() - before
        if not told:
            raise NotPossible("Nobody is asked: all have answered, or were asked again today.")
        rows.note(
            campaign,
            act="campaign.asked_again",
            words=f"{by.called} asked {counted(told, 'person', 'people')} again in"
            f" {campaign.name}: {reason}",
            by=by,
            now=now,
            data={"told": told},
        )
    return told


def close(*, campaign: Campaign, by: User, now: datetime, reason: str) -> progress.Progress:
    """End a campaign: what is decided stands and goes out; what is left, as it was counted now.

    Reviews that are still open keep their deadlines, and what silence does then.
    """
    reason = entries.reason_given(reason, what="why it ends now")
    with transaction.atomic():
        campaign = rows.locked(campaign.pk)
        require(rows.why_not_close(by, campaign))
        if campaign.state == "paused":
            _go_on(campaign, now=now)
        CampaignIdentity.objects.filter(campaign=campaign, case__isnull=True, left_out="").update(
            left_out=STOPPED
        )
        rows.changed(
            campaign,
            state="closed",
            deadline_at=campaign.deadline_at,
            closed_at=now,
            closed_by=by.ref,
            closed_by_name=by.called,
        )
        found = progress.count(campaign, now=now)
        left = found.items - found.decided
        rows.note(
            campaign,
            act="campaign.closed",
            words=f"{by.called} closed {campaign.name}: {found.decided:,} of"
            f" {counted(found.items, 'item')} decided, {left:,} left in"
            f" {counted(found.open_cases, 'open review')}: {reason}",
            by=by,
            now=now,
            data={"items": found.items, "decided": found.decided, "open": found.open_cases},
        )
    return found


def _at(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%-d %b %Y %H:%M} UTC"


def _span(took: timedelta) -> str:
    hours, minutes = divmod(round(took.total_seconds() / 60), 60)
    return f"{hours:,} h {minutes} min"
