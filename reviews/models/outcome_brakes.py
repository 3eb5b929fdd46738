"""What of a campaign goes out together at its end, and that a person has looked where it is much."""

from django.db import models
from django.db.models import F, Q

from .campaigns import Campaign

# More than may be cut at once, and nobody has let it out.
HELD = Q(released_at__isnull=True, cuts__gt=F("most"))


class OutcomeBrake(models.Model):
    """One end of a campaign whose policy has a brake: how many identities its outcomes cut.

    Where they are more than the policy lets be cut at once, nothing of the campaign goes out
    before a person has released it.
    """

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="brakes")
    # When it was closed or due; one that is extended ends again.
    ended_at = models.DateTimeField()
    looked_at = models.DateTimeField()
    cuts = models.IntegerField()
    most = models.IntegerField()
    # Who let it out, and why.
    released_at = models.DateTimeField(null=True)
    released_by = models.TextField(blank=True)
    released_by_name = models.TextField(blank=True)
    reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            # Two workers at once look once.
            models.UniqueConstraint(name="outcome_brake_once", fields=["campaign", "ended_at"]),
            models.CheckConstraint(
                name="outcome_brake_released_says_why",
                condition=Q(released_at__isnull=True) | ~Q(reason=""),
            ),
        ]
        indexes = [
            # What is held: asked by each sweep of decided cases (reviews/actions/carrying.py).
            models.Index(
                name="outcome_brake_held",
                fields=["campaign"],
                condition=HELD,
            ),
        ]
