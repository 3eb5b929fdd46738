"""What is asked for and not done yet: people's word for it, many at once, and what we may not do.

Owns no state of a revocation (enforcement.py): a statement says that a person made a change by
hand, a batch what one signature asked for, rights what an enforcer could not do last night.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from evidence.keys import uuid7
from evidence.models import Deposit
from evidence.models.numbers import NextNumber

from .enforcement import STEPS, Revocation
from .identity import Credential, Identity
from .people import Person

STATEMENT_STATES = ("proposed", "stands", "refused", "contradicted", "over")
BATCH_KINDS = ("cascade", "named")


class Statement(models.Model):
    """ "It was done by hand": who did it, when, and what shows it.

    proposed (a second person is missing) → stands, or refused. What stands makes its revocation
    effective at `counted_at`. The target is looked at until it shows the change as well (`seen_at`)
    or something else (contradicted); over: something else made or un-made it since.
    """

    revocation = models.ForeignKey(Revocation, models.PROTECT, related_name="statements")
    state = models.TextField(default="proposed")
    done_by = models.TextField()
    done_at = models.DateTimeField()
    note = models.TextField()
    stated_at = models.DateTimeField()
    stated_by = models.TextField()
    stated_by_name = models.TextField(blank=True)
    stated_person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    two_needed = models.BooleanField()
    counted_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    settled_by = models.TextField(blank=True)
    settled_by_name = models.TextField(blank=True)
    settled_person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    settled_reason = models.TextField(blank=True)
    # The proof: the bytes are evidence's, under the digest that is repeated here.
    deposit = models.ForeignKey(Deposit, models.PROTECT, null=True, related_name="+")
    file_name = models.TextField(blank=True)
    content_type = models.TextField(blank=True)
    kept_bytes = models.IntegerField(default=0)
    kept_digest = models.TextField(blank=True)  # SHA-256, in hex
    look_at = models.DateTimeField(null=True)
    leased_until = models.DateTimeField(null=True)
    looked_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    detail = models.TextField(blank=True)  # of the last look

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="statement_state_is_known", condition=Q(state__in=STATEMENT_STATES)
            ),
            # Two people who state the same at once: the second meets the first one's.
            models.UniqueConstraint(
                name="statement_once",
                fields=["revocation"],
                condition=Q(state__in=["proposed", "stands"]),
            ),
            models.CheckConstraint(
                name="statement_counts_from",
                condition=Q(state__in=["proposed", "refused", "over"])
                | Q(counted_at__isnull=False),
            ),
            # No path, not even SQL, lets one person sign for two.
            models.CheckConstraint(
                name="statement_by_two_persons",
                condition=Q(two_needed=False)
                | Q(counted_at__isnull=True)
                | (Q(settled_person__isnull=False) & ~Q(settled_person=F("stated_person"))),
            ),
        ]
        indexes = [
            # The sweep (actions/revocations/looking.py): what is looked at again, oldest first.
            models.Index(
                name="statement_look_due", fields=["look_at"], condition=Q(look_at__isnull=False)
            )
        ]


class Batch(models.Model):
    """What one signature asked for: a cascade from one identity, or named targets; once a key."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    number = models.BigIntegerField(unique=True, db_default=NextNumber("batch_number"))
    kind = models.TextField()
    step = models.TextField()
    root = models.ForeignKey(Identity, models.PROTECT, null=True, related_name="+")
    because = models.TextField()
    at = models.DateTimeField()
    by = models.TextField()
    by_name = models.TextField(blank=True)
    case = models.UUIDField(null=True)
    case_key = models.TextField(blank=True)
    # Sent again with the same content it is answered with what it made; with another it is refused.
    request_key = models.TextField()
    asked_digest = models.TextField()

    class Meta:
        verbose_name_plural = "batches"
        constraints = [
            models.UniqueConstraint(name="batch_once", fields=["by", "request_key"]),
            models.CheckConstraint(name="batch_kind_is_known", condition=Q(kind__in=BATCH_KINDS)),
            models.CheckConstraint(name="batch_step_is_known", condition=Q(step__in=STEPS)),
        ]

    @property
    def key(self) -> str:
        return f"BAT-{self.number}"


class BatchRow(models.Model):
    """One target of a batch and what became of it: the revocations that stand for it, or why there
    are none and until when it lives."""

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="rows")
    place = models.IntegerField()
    above = models.IntegerField(null=True)  # the place of what it came from
    depth = models.IntegerField(default=0)
    subject = models.TextField()  # as it was named, or its key
    words = models.TextField()
    identity = models.ForeignKey(Identity, models.PROTECT, null=True, related_name="+")
    credential = models.ForeignKey(Credential, models.PROTECT, null=True, related_name="+")
    revocations = ArrayField(models.UUIDField(), default=list)
    failed_why = models.TextField(blank=True)  # why nothing was asked for
    lives_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="batch_row_once", fields=["batch", "place"])]


class Rights(models.Model):
    """What the enforcer of one account said last of what it may not do; asked once a night.

    `missing`: [{"permission", "resource", "sentence"}]; `unstoppable`: those of our targets that
    could not be stopped, as {"name", "identity", "why"}.
    """

    system = models.TextField()
    account = models.TextField()
    night = models.DateField()
    leased_until = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    targets = models.IntegerField(default=0)
    missing = models.JSONField(default=list)
    unstoppable = models.JSONField(default=list)
    failed_why = models.TextField(blank=True)
    failed_at = models.DateTimeField(null=True)
    who_must_act = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "rights"
        constraints = [
            # Two workers in one night: one row, and the second finds it asked.
            models.UniqueConstraint(name="rights_once", fields=["system", "account"])
        ]
