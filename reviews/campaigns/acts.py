"""What can be done to a campaign: the table that pages and the API read.

Owns which act is behind a word of an address, and what is said once it is done.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from evidence.words import counted
from identities.models import User
from reviews.models import Campaign

from . import launching, rows, steering


class Act(NamedTuple):
    """`does(campaign=…, by=…, now=…, reason=…)`, and `to` where it names a moment.

    `why_not` is asked before what was written is looked at, and by `does` again.
    """

    does: Callable[..., Any]
    why_not: Callable[[User, Campaign], str | None]
    # Of the campaign, what `does` has answered, and the moment it was asked at.
    said: Callable[[Campaign, Any, datetime], str]
    moment: bool = False


def _closed(campaign: Campaign, left: steering.Left, _: datetime) -> str:
    said = (
        f"{campaign.name} is closed: {left.decided:,} of {counted(left.items, 'item')} decided,"
        f" {counted(left.open_cases, 'review')} still open."
    )
    return f"{said} {left.provisional}" if left.provisional else said


def _asked_again(campaign: Campaign, _: Any, now: datetime) -> str:
    """Who that is, the worker finds; whoever was asked on the same day, it leaves alone."""
    told = steering.told_on(campaign, now)
    if told is None:
        return f"Whoever has not answered in {campaign.name} is asked again."
    return (
        f"{counted(told, 'person was', 'people were')} asked again in {campaign.name} today already"
        " and will not be asked twice: only who did not answer and was not asked today is. How many"
        " that were is said once it is done."
    )


ACTS = {
    "launch": Act(
        launching.launch,
        rows.why_not_launch,
        lambda campaign, *_: f"{campaign.name} is being launched. Nobody is asked twice.",
    ),
    "pause": Act(
        steering.pause,
        rows.why_not_pause,
        lambda campaign, *_: f"{campaign.name} stands still: no reminder, no deadline.",
    ),
    "resume": Act(
        steering.resume,
        rows.why_not_resume,
        lambda campaign, *_: f"{campaign.name} goes on, as much later as it stood still.",
    ),
    "extend": Act(
        steering.extend,
        rows.why_not_extend,
        lambda campaign, *_: f"{campaign.name} has more time.",
        moment=True,
    ),
    "reiterate": Act(
        steering.reiterate,
        rows.why_not_reiterate,
        _asked_again,
    ),
    "close": Act(steering.close, rows.why_not_close, _closed),
}
