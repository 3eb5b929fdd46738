"""Campaigns: many reviews that are opened together under one policy, and the time they stood still.

Only reviews.campaigns writes `Campaign.state`.
"""

from django.db import models
from django.db.models import Q

from evidence.keys import uuid7
from evidence.models.numbers import NextNumber
from identities.models import Identity

from .policies import ReviewPolicy

CAMPAIGN_STATES = ("draft", "running", "paused", "closed")
CAMPAIGN_STEPS = ("resume", "extend", "close", "reiterate")
APPLIES = ("at_once", "at_end")


class Campaign(models.Model):
    """Access reviews of every identity in a scope, asked about together."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    number = models.BigIntegerField(unique=True, db_default=NextNumber("campaign_number"))
    name = models.TextField()
    # The version it runs under to its end, and what of that policy's scope it is about.
    policy = models.ForeignKey(ReviewPolicy, models.PROTECT, related_name="campaigns")
    scope = models.JSONField(default=dict, blank=True)
    state = models.TextField(default="draft")
    # When what is decided goes out: at once, or at the end (reviews/actions/carrying.py).
    applies = models.TextField(default="at_once")
    # Its deadlines are being moved (reviews/campaigns/steps.py): nothing of it is swept until then.
    moving = models.BooleanField(default=False)
    reason = models.TextField()
    made_at = models.DateTimeField()
    made_by = models.TextField()
    made_by_name = models.TextField(blank=True)
    # By when it is decided; null before the launch: as the policy says.
    deadline_at = models.DateTimeField(null=True)
    launched_at = models.DateTimeField(null=True)
    launched_by = models.TextField(blank=True)
    launched_by_name = models.TextField(blank=True)
    # Every review is open and everybody is told: the launch is over.
    asked_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    closed_by = models.TextField(blank=True)
    closed_by_name = models.TextField(blank=True)
    # What was counted last (reviews/campaigns/progress.py), and when it is counted again.
    progress = models.JSONField(default=dict, blank=True)
    counted_at = models.DateTimeField(null=True)
    count_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="campaign_state_is_known", condition=Q(state__in=CAMPAIGN_STATES)
            ),
            models.CheckConstraint(
                name="campaign_applies_is_known", condition=Q(applies__in=APPLIES)
            ),
            models.CheckConstraint(
                name="campaign_launched_has_a_deadline",
                condition=Q(launched_at__isnull=True) | Q(deadline_at__isnull=False),
            ),
        ]
        indexes = [
            # The sweep that launches (reviews/tasks.py, campaigns).
            models.Index(
                name="campaign_to_launch",
                fields=["launched_at"],
                condition=Q(state="running", asked_at__isnull=True),
            ),
            # The sweep that counts.
            models.Index(
                name="campaign_to_count", fields=["count_at"], condition=Q(count_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.name}"

    @property
    def key(self) -> str:
        return f"CMP-{self.number}"


class CampaignPause(models.Model):
    """A stretch in which a campaign stood still: nobody's silence counts in it."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="pauses")
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)
    reason = models.TextField()

    class Meta:
        constraints = [
            # Two people pausing at once: one pause.
            models.UniqueConstraint(
                name="campaign_pause_once", fields=["campaign"], condition=Q(until__isnull=True)
            ),
            models.CheckConstraint(
                name="campaign_pause_runs_forward",
                condition=Q(until__isnull=True) | Q(until__gte=models.F("since")),
            ),
        ]


class CampaignIdentity(models.Model):
    """An identity that was in scope when the campaign was launched: its case, or why it has none.

    The row is the queue of the launch: it waits until it has one of the two.
    """

    campaign = models.ForeignKey(
        Campaign, models.CASCADE, related_name="identities", db_index=False
    )
    identity = models.ForeignKey(Identity, models.PROTECT, related_name="+")
    case = models.ForeignKey("reviews.Case", models.PROTECT, null=True, related_name="+")
    joined = models.BooleanField(default=False)  # its review was open already
    left_out = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="campaign_identity_once", fields=["campaign", "identity"]),
            models.CheckConstraint(
                name="campaign_identity_is_asked_or_not",
                condition=Q(case__isnull=True) | Q(left_out=""),
            ),
        ]
        indexes = [
            # The sweep that launches: what waits for its case.
            models.Index(
                name="campaign_identity_waits",
                fields=["campaign", "id"],
                condition=Q(case__isnull=True, left_out=""),
            ),
            # Who was left out, for the page.
            models.Index(
                name="campaign_identity_left_out",
                fields=["campaign"],
                condition=~Q(left_out=""),
            ),
        ]
        verbose_name_plural = "campaign identities"


class CampaignStep(models.Model):
    """Something that touches each review of a campaign, for the worker: the row is its queue.

    `after` is the last review that is done: a step that is killed goes on from there.
    """

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="steps")
    kind = models.TextField()
    asked_at = models.DateTimeField()
    asked_by = models.TextField()
    asked_by_name = models.TextField(blank=True)
    reason = models.TextField()
    # By so much deadlines move.
    moves_by = models.DurationField(null=True)
    reviews = models.IntegerField()  # as counted when it was asked for
    done = models.IntegerField(default=0)
    after = models.UUIDField(null=True)
    # Of asking again: in how many reviews each person has not answered, and how many were told.
    found = models.JSONField(default=dict, blank=True)
    told = models.IntegerField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="campaign_step_is_known", condition=Q(kind__in=CAMPAIGN_STEPS)
            ),
            # One after the other; its index is the sweep's as well (reviews/tasks.py, campaigns).
            models.UniqueConstraint(
                name="campaign_step_once", fields=["campaign"], condition=Q(ended_at__isnull=True)
            ),
        ]
