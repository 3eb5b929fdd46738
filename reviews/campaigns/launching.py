"""Launching: a review for every identity in scope, in batches, and one word to everybody asked.

Owns the queue of a launch: a row of CampaignIdentity waits until it has its case, or a reason why
it has none. A batch is one transaction, so a launch that is killed goes on where it was, and two
workers take different rows. What a review is made of is reviews/actions/opening.py.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef

from evidence.words import counted
from identities.acting import Acting
from identities.models import User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews import planted
from reviews.actions import opening, planting
from reviews.models import Campaign, CampaignIdentity, Case

from . import rows, telling
from .scope import population

BATCH = 250
# Each of the reviews carries it; the whole reason is the campaign's.
LONGEST_REASON = 400
RETIRED = "it was retired before it was asked"


def launch(*, campaign: Campaign, by: User, now: datetime, reason: str) -> Campaign:
    """Fix who is in scope, and begin to open their reviews. Nobody is asked before all are open."""
    with transaction.atomic():
        campaign = rows.locked(campaign.pk)
        require(rows.why_not_launch(by, campaign))
        reason = reason_given(reason, what="why everybody is asked now")
        # What was said when it was prepared holds; the policy's time counts from the launch.
        due = campaign.deadline_at or now + timedelta(hours=campaign.policy.decide_within_hours)
        if due <= now:
            raise NotPossible(
                f"As prepared it was due {due:%Y-%m-%d %H:%M} UTC, which has passed: close this"
                " campaign and prepare it with a later deadline."
            )
        inside = list(
            population(campaign.policy, campaign.scope, now=now)
            .order_by("number")
            .values_list("pk", flat=True)
        )
        if not inside:
            raise NotPossible("No identity is in this scope: nobody would be asked.")
        CampaignIdentity.objects.bulk_create(
            [CampaignIdentity(campaign=campaign, identity_id=pk) for pk in inside], batch_size=5_000
        )
        rows.changed(
            campaign,
            state="running",
            launched_at=now,
            launched_by=by.ref,
            launched_by_name=by.called,
            deadline_at=due,
            count_at=now,
        )
        has = planting.of_campaign(campaign)
        share = 0 if has is None else has.share
        rows.note(
            campaign,
            act="campaign.launched",
            words=f"{by.called} launched {campaign.name}:"
            f" {counted(len(inside), 'identity', 'identities')} by {campaign.policy}, due"
            f" {due:%Y-%m-%d %H:%M} UTC{f', {share} in 100 items planted' if share else ''}:"
            f" {reason}",
            by=by,
            now=now,
            data={
                "identities": len(inside),
                "deadline_at": due.isoformat(),
                "planted_share": share,
            },
        )
    return campaign


def launch_next(*, now: datetime) -> bool:
    """Open the reviews of one batch of a running campaign; False when nothing waits."""
    with transaction.atomic():
        waiting = CampaignIdentity.objects.filter(case__isnull=True, left_out="")
        first = (
            Campaign.objects.filter(state="running", moving=False, asked_at__isnull=True)
            .filter(Exists(waiting.filter(campaign=OuterRef("pk"))))
            .order_by("launched_at", "pk")
            .first()
        )
        first = None if first is None else rows.as_it_stays(first.pk)
        if first is not None:
            batch = list(
                waiting.select_for_update(skip_locked=True)
                .filter(campaign=first)
                .order_by("pk")[:BATCH]
            )
            if batch:
                _open(first, batch, now=now)
            # Another worker has the rest: it is not this one's to finish.
            return bool(batch)
    return _ask_next(now=now)


def _open(campaign: Campaign, batch: Sequence[CampaignIdentity], *, now: datetime) -> None:
    by = Acting(campaign.launched_by, campaign.launched_by_name)
    identities = opening.locked([row.identity_id for row in batch])
    before = dict(
        Case.objects.filter(
            identity__in=identities, door="access_review", trigger="", state__in=opening.LIVE
        ).values_list("identity", "state")
    )
    left_out = {one.pk: RETIRED for one in identities if one.state == "retired"}
    how = opening.How(
        by=by,
        now=now,
        reason=f"{campaign.key} {campaign.name}: {campaign.reason}"[:LONGEST_REASON],
        policy=campaign.policy,
        deadline_at=campaign.deadline_at,
        campaign=campaign,
    )
    cases: dict[UUID, Case] = {}
    for case in opening.open_many([one for one in identities if one.pk not in left_out], how):
        if case.identity_id is None:
            continue
        if case.campaign_id != campaign.pk:
            left_out[case.identity_id] = "it is being reviewed already, outside this campaign"
        else:
            cases[case.identity_id] = case
    for row in batch:
        row.case = cases.get(row.identity_id)
        row.joined = row.case is not None and before.get(row.identity_id) == "open"
        row.left_out = left_out.get(row.identity_id, "")
    CampaignIdentity.objects.bulk_update(batch, ["case", "joined", "left_out"])
    Campaign.objects.filter(pk=campaign.pk, count_at__isnull=True).update(count_at=now)


def _ask_next(*, now: datetime) -> bool:
    """Tell everybody of one campaign whose reviews are all open; False when there is none."""
    with transaction.atomic():
        waiting = CampaignIdentity.objects.filter(
            campaign=OuterRef("pk"), case__isnull=True, left_out=""
        )
        campaign = (
            Campaign.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
            .filter(state="running", moving=False, asked_at__isnull=True)
            .exclude(Exists(waiting))
            .order_by("launched_at", "pk")
            .first()
        )
        if campaign is None or campaign.deadline_at is None:
            return False
        has = planting.of_campaign(campaign)
        opened = Case.objects.filter(campaign=campaign, state="open").exclude(
            pk__in=CampaignIdentity.objects.filter(campaign=campaign, joined=True).values("case")
        )
        # Before anybody is asked: the ledger is committed to what was planted.
        many = planting.sow(campaign, now=now)
        said = f" {planted.sentence(has.share)}" if has is not None and many else ""
        told = telling.tell(
            campaign,
            telling.waiting(opened.filter(sealed=False), now=now).values(),
            occasion="asked",
            subject="your signatures are needed",
            why=f"asks you about access.{said}",
            now=now,
        )
        rows.changed(campaign, asked_at=now, count_at=now)
        rows.note(
            campaign,
            act="campaign.asked",
            words=f"Every review of {campaign.name} is open:"
            f" {counted(told, 'person was', 'people were')} told",
            by=Acting(campaign.launched_by, campaign.launched_by_name),
            now=now,
            data={"told": told},
        )
    return True
