"""Review policies, versioned (a running case keeps its version), and the time they may count."""

from django.db import models
from django.db.models import Q

from evidence.keys import uuid7


class ReviewPolicy(models.Model):
    """By when a case is decided, what silence means, when it reminds and escalates."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    name = models.TextField()
    version = models.IntegerField(default=1)
    decide_within_hours = models.IntegerField(default=168)
    remind_before_hours = models.JSONField(default=list)  # [48, 4]
    escalate_before_hours = models.IntegerField(default=6)
    silence = models.TextField(default="escalate")  # escalate, narrow, suspend, revoke
    recorded_at = models.DateTimeField()
    recorded_by = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="policy_version_once", fields=["name", "version"])
        ]
        verbose_name_plural = "review policies"


class Heartbeat(models.Model):
    """A stretch in which Countersign was at work: the schedule was heard of every minute.

    One row for each stretch, extended while it lasts. What lies between two rows never counts as
    somebody's silence (product.md, rule 8).
    """

    since = models.DateTimeField()
    until = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="heartbeat_runs_forward", condition=Q(until__gte=models.F("since"))
            ),
            # Two workers at once begin a stretch: one row.
            models.UniqueConstraint(name="heartbeat_once", fields=["since"]),
        ]
        indexes = [
            # The newest stretch, and those since a case was opened.
            models.Index(name="heartbeat_newest", fields=["-until"])
        ]
