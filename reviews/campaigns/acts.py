"""What can be done to a campaign: the table that pages and the API read.

Owns which act is behind a word of an address, and what is said once it is done.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from evidence.words import counted
from reviews.models import Campaign

from . import launching, steering


class Act(NamedTuple):
    """`does(campaign=…, by=…, now=…, reason=…)`, and `to` where it names a moment."""

    does: Callable[..., Any]
    said: Callable[[Campaign, Any], str]  # of the campaign, and what `does` has answered
    moment: bool = False


def _closed(campaign: Campaign, left: steering.Left) -> str:
    said = (
        f"{campaign.name} is closed: {left.decided:,} of {counted(left.items, 'item')} decided,"
        f" {counted(left.open_cases, 'review')} still open."
    )
    return f"{said} {left.provisional}" if left.provisional else said


ACTS = {
    "launch": Act(
        launching.launch,
        lambda campaign, _: f"{campaign.name} is being launched. Nobody is asked twice.",
    ),
    "pause": Act(
        steering.pause,
        lambda campaign, _: f"{campaign.name} stands still: no reminder, no deadline.",
    ),
    "resume": Act(
        steering.resume,
        lambda campaign, _: f"{campaign.name} goes on, as much later as it stood still.",
    ),
    "extend": Act(
        steering.extend, lambda campaign, _: f"{campaign.name} has more time.", moment=True
    ),
    "reiterate": Act(
        steering.reiterate,
        lambda campaign, _: f"Whoever has not answered in {campaign.name} is asked again.",
    ),
    "close": Act(steering.close, _closed),
}
