"""Review policies: numbers and people, versioned; a running case keeps its version."""

from django.db import models

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
