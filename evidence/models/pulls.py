"""How a source is asked, and each time it was: connections and pulls."""

from django.db import models
from django.db.models import Q

from .jobs import LeasedJob, Plan
from .sources import Source


class Connection(Plan):
    """How one source is pulled: which connector, with which settings, how often, and from where.

    Settings hold only the names of secrets (evidence/sources/connector_secrets.py).
    """

    source = models.OneToOneField(Source, models.PROTECT, related_name="connection")
    connector = models.TextField()
    settings = models.JSONField(default=dict)
    every_seconds = models.PositiveIntegerField(default=300)
    # How far back the very first pull goes.
    first_days = models.PositiveIntegerField(default=7)
    # Where the next page begins; written with each page that is on disk.
    cursor = models.JSONField(default=dict)
    # How far the source's clock is ahead of ours, as last measured.
    skew_seconds = models.FloatField(null=True)
    skew_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(name="connection_due", fields=["next_at"], condition=Q(paused=False))
        ]

    def __str__(self) -> str:
        return f"{self.source} by {self.connector}"


class Pull(LeasedJob):
    """One attempt to fetch from a source, from its asking to its end: done, failed or cancelled.

    The next page begins at the connection's cursor.
    """

    CANCELLED = "cancelled"

    source = models.ForeignKey(Source, models.PROTECT, related_name="pulls")
    # Event time: from where it began, how far it is, where it will end.
    since = models.DateTimeField()
    reached = models.DateTimeField(null=True)
    until = models.DateTimeField()
    records = models.PositiveBigIntegerField(default=0)
    events = models.PositiveBigIntegerField(default=0)
    duplicates = models.PositiveBigIntegerField(default=0)
    rejects = models.PositiveBigIntegerField(default=0)
    received_bytes = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(null=True)  # records, where the source says it
    cancel = models.BooleanField(default=False)

    class Meta:
        constraints = [
            # Two pulls of one source would fight over its cursor.
            models.UniqueConstraint(
                name="pull_one_at_a_time",
                fields=["source"],
                condition=Q(state__in=["waiting", "running"]),
            ),
            models.CheckConstraint(
                name="pull_state_is_known",
                condition=Q(state__in=["waiting", "running", "done", "failed", "cancelled"]),
            ),
        ]
        indexes = [
            models.Index(name="pull_newest", fields=["source", "-asked_at"]),
            models.Index(
                name="pull_live",
                fields=["not_before"],
                condition=Q(state__in=["waiting", "running"]),
            ),
        ]

    def __str__(self) -> str:
        return f"pull {self.pk} of {self.source}"
