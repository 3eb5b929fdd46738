"""How deposits are read: mappings and their versions, readings made again, and those before.

What a deposit keeps never changes; what was read from it is derived and may be derived again
(docs/decisions/0009). Earlier readings stay here.
"""

from django.db import models
from django.db.models import Q

from .jobs import Job
from .sources import Deposit, Source


class MappingVersion(models.Model):
    """One version of a mapping file (evidence/formats/mapping.py). Insert-only.

    Deposits name it: ``mapping:<name>@<version>``.
    """

    name = models.TextField()
    version = models.PositiveIntegerField()
    title = models.TextField()
    plane = models.TextField()
    text = models.TextField()
    made_at = models.DateTimeField()
    made_by = models.TextField()
    made_name = models.TextField(blank=True)

    class Meta:
        constraints = [
            # Two people save at once: one of them is version N, the other N + 1.
            models.UniqueConstraint(name="mapping_version_once", fields=["name", "version"])
        ]

    def __str__(self) -> str:
        return f"mapping:{self.name}@{self.version}"


class Rereading(Job):
    """A wish to read deposits again, and how far it is; `problem` is the first.

    Deposits up to `through` are gone through by their ids; `after` is written in the transaction
    of each deposit, so that whoever goes on after a crash repeats and leaves out nothing.
    """

    RUNNING, DONE, CANCELLED = "running", "done", "cancelled"

    source = models.ForeignKey(Source, models.PROTECT, null=True, related_name="+")
    deposit = models.ForeignKey(Deposit, models.PROTECT, null=True, related_name="+")
    # Read as this format; empty: as before, where that has a newer version.
    to_format = models.TextField(blank=True)
    since = models.DateTimeField(null=True)  # received from then on
    state = models.TextField(default=RUNNING)
    through = models.BigIntegerField()
    after = models.BigIntegerField(default=0)
    total = models.PositiveIntegerField()
    done = models.PositiveIntegerField(default=0)
    # What became of the events so far: {"same", "changed", "moved", "added", …}.
    counts = models.JSONField(default=dict)
    failed = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="rereading_state_is_known",
                condition=Q(state__in=["running", "done", "cancelled"]),
            ),
            # Asked twice is asked once.
            models.UniqueConstraint(
                name="rereading_live_once",
                fields=["source", "deposit", "to_format", "since"],
                condition=Q(state="running"),
                nulls_distinct=False,
            ),
        ]
        indexes = [models.Index(name="rereading_live", fields=["id"], condition=Q(state="running"))]


class Reading(models.Model):
    """A deposit was read again: as what, when, for whom, and what became of its events."""

    deposit = models.ForeignKey(Deposit, models.PROTECT, related_name="readings")
    rereading = models.ForeignKey(Rereading, models.PROTECT, null=True, related_name="+")
    read_at = models.DateTimeField()
    format_before = models.TextField()
    version_before = models.IntegerField()
    format = models.TextField()
    version = models.IntegerField()
    # A person said so: records that look like another format's are read by this one as well.
    forced = models.BooleanField(default=False)
    counts = models.JSONField(default=dict)


class PastReading(models.Model):
    """A row as it was before its deposit was read again: an event, link, issuance or reject.

    `now_at`, `now_id`: the event that took its place under another key; null: the same key.
    """

    reading_id = models.BigIntegerField()
    kind = models.TextField()
    at = models.DateTimeField(null=True)
    event_id = models.BigIntegerField(null=True)
    now_at = models.DateTimeField(null=True)
    now_id = models.BigIntegerField(null=True)
    row = models.JSONField()

    class Meta:
        indexes = [
            # Where an event went, for addresses and capsules that name it by its old key.
            models.Index(name="past_reading_of", fields=["at", "event_id"]),
            # What one reading replaced: its traces, and what an erasure forgets.
            models.Index(name="past_reading_by", fields=["reading_id"]),
        ]
