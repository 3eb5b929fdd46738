"""The frame of every act on a campaign: who may, its locked row, its ledger entry.

Owns `why_not_<verb>(user, campaign) -> str | None` of campaigns, in the manner of
reviews/permissions.py: acts require it, pages disable the button and show it.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from evidence import ledger, nudge
from evidence.words import counted
from identities import visible
from identities.acting import By, acting
from identities.models import User
from identities.permissions import AUDITOR, cannot_decide, groups
from reviews.models import Campaign, CampaignStep

RUNNING = frozenset({"reviewer", "administrator"})
SEEING = "Campaigns are shown to reviewers, responders, auditors and administrators."
KEY = re.compile(r"CMP-0*(\d{1,15})")
# What the worker is at, as the end of a sentence.
AT_WORK = {
    "resume": "is being resumed",
    "extend": "is being extended",
    "close": "is being closed",
    "reiterate": "is asking again",
}
# The row as it is now; who moves all its deadlines waits for whoever holds it, nobody else does.
STAYS = """
SELECT * FROM reviews_campaign WHERE id = %s AND state = 'running' AND NOT moving FOR KEY SHARE
"""


def why_not_see(user: User) -> str | None:
    """See campaigns and how far each team and person is."""
    return None if visible.sees_all(user) else SEEING


def why_not_run(user: User) -> str | None:
    """Make and steer campaigns at all."""
    if why := cannot_decide(user):
        return why
    mine = groups(user)
    if "auditor" in mine:
        return AUDITOR
    if mine.isdisjoint(RUNNING):
        return "Only a reviewer or an administrator may run a campaign."
    return None


def _why_not_in(user: User, campaign: Campaign, able: tuple[str, ...], verb: str) -> str | None:
    why = why_not_run(user)
    if why is not None:
        return why
    if campaign.state not in able:
        return f"{campaign.key} is {campaign.state}: it cannot be {verb}."
    step = unfinished(campaign)
    if step is not None:
        return f"{campaign.key} {far(step)}: wait for the rest."
    return None


def unfinished(campaign: Campaign) -> CampaignStep | None:
    """What the worker is doing with it; asked of the database once for each object."""
    if "_unfinished" not in campaign.__dict__:
        found = campaign.steps.filter(ended_at__isnull=True).first()
        campaign.__dict__["_unfinished"] = found
    step: CampaignStep | None = campaign.__dict__["_unfinished"]
    return step


def with_steps(found: Sequence[Campaign]) -> Sequence[Campaign]:
    """These, each with what the worker is doing with it: one query for all of them."""
    steps = {
        one.campaign_id: one
        for one in CampaignStep.objects.filter(campaign__in=found, ended_at__isnull=True)
    }
    for one in found:
        one.__dict__["_unfinished"] = steps.get(one.pk)
    return found


def far(step: CampaignStep) -> str:
    """ "is being extended, 3,000 of 20,000 reviews are done"."""
    return f"{AT_WORK[step.kind]}, {step.done:,} of {counted(step.reviews, 'review')} are done"


def why_not_launch(user: User, campaign: Campaign) -> str | None:
    """Open the reviews of everybody in scope."""
    return _why_not_in(user, campaign, ("draft",), "launched")


def why_not_pause(user: User, campaign: Campaign) -> str | None:
    """Let the reminders and the clock stand still."""
    return _why_not_in(user, campaign, ("running",), "paused")


def why_not_resume(user: User, campaign: Campaign) -> str | None:
    """Let them go on."""
    return _why_not_in(user, campaign, ("paused",), "resumed")


def why_not_extend(user: User, campaign: Campaign) -> str | None:
    """Give everybody more time."""
    return _why_not_in(user, campaign, ("running", "paused"), "extended")


def why_not_reiterate(user: User, campaign: Campaign) -> str | None:
    """Ask those again who have not answered."""
    why = _why_not_in(user, campaign, ("running",), "asked again")
    if why is None and campaign.asked_at is None:
        return "It is still being launched: nobody was asked yet."
    return why


def why_not_close(user: User, campaign: Campaign) -> str | None:
    """End the campaign: what is decided stands."""
    return _why_not_in(user, campaign, ("draft", "running", "paused"), "closed")


def by_key(key: str) -> Campaign | None:
    """The campaign that is called CMP-…, if there is one."""
    number = KEY.fullmatch(key)
    if number is None:
        return None
    found = Campaign.objects.select_related("policy", "planting")
    return found.filter(number=int(number.group(1))).first()


def locked(pk: UUID) -> Campaign:
    """The campaign's row, locked until the transaction ends."""
    rows = Campaign.objects.select_for_update(of=("self",), no_key=True)
    return rows.select_related("policy").get(pk=pk)


def as_it_stays(pk: UUID) -> Campaign | None:
    """A campaign that runs, whose deadlines are not moved before this transaction ends; else None."""
    return next(iter(Campaign.objects.raw(STAYS, [pk])), None)


def changed(campaign: Campaign, **fields: Any) -> None:
    """Save these fields, and say that the campaign has changed."""
    for name, value in fields.items():
        setattr(campaign, name, value)
    campaign.save(update_fields=[*fields])
    nudge.after_commit("campaign.changed")


def note(
    campaign: Campaign,
    *,
    act: str,
    words: str,
    by: By,
    now: datetime,
    data: dict[str, Any] | None = None,
) -> None:
    """One ledger entry of the campaign."""
    who = acting(by)
    ledger.append(
        at=now,
        by=who.ref,
        by_name=who.name,
        act=act,
        subject=campaign.key,
        words=words,
        data={"campaign": str(campaign.pk)} | (data or {}),
    )
