"""Sources, their deposits, and how far each consumer has got through them."""

from django.contrib.postgres.fields import ArrayField, DateTimeRangeField
from django.db import models
from django.db.models import Q


class Source(models.Model):
    """A connected system that evidence comes from."""

    name = models.SlugField(max_length=80, unique=True)
    title = models.TextField(blank=True)
    # "identity" logs or "ai" traces: the side of the timeline its events are drawn on.
    plane = models.TextField(default="identity")
    format = models.TextField(blank=True)
    # The realms a pushing source may speak for; empty: any. Else its record is a reject.
    realms = ArrayField(models.TextField(), default=list, blank=True)
    # How late its records normally are; absence waits for watermark and lag.
    lag_seconds = models.PositiveIntegerField(default=900)
    # 1.0 = everything is sent. Below, nothing may be concluded from absence.
    sampling = models.FloatField(default=1.0)
    # Event time up to which the source is known to be complete; null: not known.
    watermark = models.DateTimeField(null=True, blank=True)
    # What shows the completeness: heartbeat, cursor, digest, declared; empty: not known.
    completeness = models.TextField(blank=True)
    keep_content = models.BooleanField(default=False)
    retention_days = models.PositiveIntegerField(default=3650)
    # What its records must be to be kept: [[keep or drop, identity or action, pattern], …].
    keep_rules = models.JSONField(default=list, blank=True)
    # Where a run of this source names its task (decisions 9); empty: the usual attributes.
    task_attribute = models.TextField(blank=True)
    # The push token: only its digest is kept. Shown once.
    token_digest = models.BinaryField(null=True, unique=True)
    token_hint = models.TextField(blank=True)
    token_expires_at = models.DateTimeField(null=True, blank=True)
    token_used_at = models.DateTimeField(null=True, blank=True)
    expected_every_seconds = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField()
    created_by = models.TextField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="source_sampling_is_a_share",
                condition=Q(sampling__gt=0) & Q(sampling__lte=1),
            ),
            models.CheckConstraint(
                name="source_plane_is_known", condition=Q(plane__in=["identity", "ai"])
            ),
            # Completeness is shown or not known; a watermark without a basis proves nothing.
            models.CheckConstraint(
                name="source_watermark_has_a_basis",
                condition=Q(watermark__isnull=True) | ~Q(completeness=""),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Deposit(models.Model):
    """The bytes kept of one body, with what was received and what was read from it.

    Insert-only. Its identity is (source, digest of the received bytes): a repeat is answered
    with the first result.
    """

    source = models.ForeignKey(Source, models.PROTECT, related_name="deposits")
    received_at = models.DateTimeField()
    received_by = models.TextField()  # "user:<uuid>", "source:<name>", "command"
    name = models.TextField(blank=True)  # the file's name, when it had one
    format = models.TextField()
    received_digest = models.BinaryField()  # keyed, 32 bytes
    received_bytes = models.BigIntegerField()
    kept_digest = models.BinaryField()  # SHA-256 of the uncompressed kept bytes
    kept_bytes = models.BigIntegerField()
    place = models.TextField(blank=True)  # empty: DepositBody; else "file:<digest>"
    rule_version = models.IntegerField()
    # Version of the format that read it last; `format` and the counts below are that reading's.
    format_version = models.SmallIntegerField(db_default=1)
    records = models.IntegerField()
    events = models.IntegerField()
    duplicates = models.IntegerField()
    rejects = models.IntegerField()
    # Records older than what is read of their source: kept in the bytes, no events.
    old = models.IntegerField(db_default=0)
    old_from = models.DateTimeField(null=True)
    old_to = models.DateTimeField(null=True)
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    redactions = models.JSONField(default=dict)  # kind -> {count, characters}, and first places

    class Meta:
        constraints = [
            # The race of two senders of the same bytes: one row wins.
            models.UniqueConstraint(name="deposit_once", fields=["source", "received_digest"])
        ]
        indexes = [
            # A source's newest deposits, on its page.
            models.Index(name="deposit_newest", fields=["source", "-received_at"]),
            # What an older version of a format read (evidence/rereading).
            models.Index(name="deposit_read_as", fields=["format", "format_version"]),
        ]

    def __str__(self) -> str:
        return f"deposit {self.pk}"


class DepositBody(models.Model):
    """The compressed bytes of a deposit, up to 1 MiB; monthly partitions by `received_at`."""

    pk = models.CompositePrimaryKey("received_at", "deposit_id")
    received_at = models.DateTimeField()
    deposit_id = models.BigIntegerField()
    body = models.BinaryField()  # zstd


class Reject(models.Model):
    """A record inside a deposit that became no event: its place and the reason."""

    deposit = models.ForeignKey(Deposit, models.PROTECT, related_name="reject_rows")
    position = models.TextField()
    reason = models.TextField()
    excerpt = models.TextField(blank=True)
    # Its number among all that the body holds, and whether no record was read there: from both,
    # reading again tells which event was read from what.
    place = models.IntegerField(null=True)
    unread = models.BooleanField(db_default=True)
    # Its time, where it is no event because it is older than what is read of its source.
    old_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.position}: {self.reason}"


class Consumer(models.Model):
    """Somebody who handles each deposit once, by name; its own app's migration writes the row."""

    name = models.TextField(primary_key=True)
    # The consumer that has to be done with a deposit first; empty: none.
    after = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.name


class Progress(models.Model):
    """One deposit that waits for one consumer, or that it has handled (evidence/consumers.py).

    Written by a trigger in the transaction that brings the deposit: whoever looks for work by an
    ascending id or a time would lose a row that commits late. Another trigger gives it its turn
    among all sources, so that many deposits of one hold up only that one.
    """

    consumer = models.TextField()
    deposit = models.ForeignKey(Deposit, models.CASCADE, related_name="+")
    leased_until = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    attempts = models.IntegerField(default=0)
    failed_why = models.TextField(blank=True)
    failed_since = models.DateTimeField(null=True)  # its first failure, until it is done
    # Both as of when it began to wait (docs/decisions/0005).
    source_id = models.IntegerField(null=True)
    turn = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            # A deposit waits for a consumer once, whoever writes the row.
            models.UniqueConstraint(name="progress_once", fields=["consumer", "deposit"])
        ]
        indexes = [
            # consumers.CLAIM: a million deposits that are done cost nothing.
            models.Index(
                name="progress_waiting",
                fields=["consumer", "turn", "deposit"],
                condition=Q(done_at=None),
            ),
            # The trigger: the last turn that a source has.
            models.Index(
                name="progress_of_source",
                fields=["consumer", "source_id", "turn"],
                condition=Q(done_at=None),
            ),
            # evidence/queries/failures.py: looked at with every page of sources.
            models.Index(
                name="progress_failed",
                fields=["consumer", "deposit"],
                condition=Q(done_at=None) & ~Q(failed_why=""),
            ),
        ]


class Gap(models.Model):
    """A stretch of event time in which a source is known to have been silent."""

    source = models.ForeignKey(Source, models.CASCADE, related_name="gaps")
    during = DateTimeRangeField()
    reason = models.TextField()
    recorded_at = models.DateTimeField()
