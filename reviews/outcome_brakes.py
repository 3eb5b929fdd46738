"""Which campaigns keep back what is decided in them, and what of it would cut: sets.

Owns when a campaign that applies at its end has ended, and what waits for a look of the brake.
Looks at none and lets nothing out (reviews/campaigns/letting_out.py).
"""

from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from reviews.ladder import CUTS
from reviews.models import Campaign, Item, OutcomeBrake
from reviews.models.outcome_brakes import HELD


def ended(now: datetime) -> Q:
    """Closed, or due; one that stands still is not due."""
    return Q(state="closed") | Q(state="running", moving=False, deadline_at__lte=now)


def unlooked(*, now: datetime) -> QuerySet[Campaign]:
    """Campaigns that have ended under a policy with a brake, which nobody has looked at since."""
    looked = OutcomeBrake.objects.filter(
        campaign=OuterRef("pk"),
        ended_at=Coalesce(OuterRef("closed_at"), OuterRef("deadline_at")),
    )
    rows = Campaign.objects.filter(ended(now), applies="at_end", policy__document__has_key="brake")
    return rows.filter(~Exists(looked), launched_at__isnull=False)


def kept_back(*, now: datetime) -> QuerySet[Campaign]:
    """Campaigns of which nothing goes out now: they have not ended, or the brake has not let go."""
    running = Q(state__in=["running", "paused"]) & ~ended(now)
    held = OutcomeBrake.objects.filter(HELD, campaign=OuterRef("pk"))
    waits = running | Exists(held) | Q(pk__in=unlooked(now=now).values("pk"))
    return Campaign.objects.filter(waits, applies="at_end")


def cutting(campaign: Campaign) -> QuerySet[Item]:
    """What of its decided reviews takes something away once it goes out."""
    return Item.objects.filter(
        case__campaign=campaign,
        case__state="decided",
        outcome__in=CUTS,
        carried_out_at__isnull=True,
    )
