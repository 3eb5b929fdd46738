"""The frame of every act on a campaign: who may, its locked row, its ledger entry.

Owns `why_not_<verb>(user, campaign) -> str | None` of campaigns, in the manner of
reviews/permissions.py: acts require it, pages disable the button and show it.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from evidence import ledger, nudge
from identities import visible
from identities.acting import By, acting
from identities.models import User
from identities.permissions import AUDITOR, INACTIVE, groups
from reviews.models import Campaign

RUNNING = frozenset({"reviewer", "administrator"})
SEEING = "Campaigns are shown to reviewers, responders, auditors and administrators."


def why_not_see(user: User) -> str | None:
    """See campaigns and how far each team and person is."""
    return None if visible.sees_all(user) else SEEING


def why_not_run(user: User) -> str | None:
    """Make and steer campaigns at all."""
    if not user.is_active:
        return INACTIVE
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
    if campaign.state in able:
        return None
    return f"{campaign.key} is {campaign.state}: it cannot be {verb}."


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


def locked(pk: UUID) -> Campaign:
    """The campaign's row, locked until the transaction ends."""
    return Campaign.objects.select_for_update(of=("self",)).select_related("policy").get(pk=pk)


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
