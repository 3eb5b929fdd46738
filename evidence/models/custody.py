"""How long evidence is kept, what holds it, what is gone, and what shows that nothing else is.

Seals chain the deposits of a source; tombstones and dropped months are written by functions of
the database's owner alone (migration 0008), so the app can neither forge nor remove them.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from evidence.keys import uuid7
from evidence.sketch import estimate

from .capsules import Capsule
from .events import Actor
from .ledger import LedgerEntry
from .sources import Deposit, Source


class DepositSeal(models.Model):
    """Deposit number N of its source's chain: its digest, and the hash over it and the last one."""

    source = models.ForeignKey(Source, models.PROTECT, related_name="+")
    number = models.BigIntegerField()
    deposit = models.OneToOneField(Deposit, models.PROTECT, related_name="seal")
    digest = models.BinaryField()
    previous = models.BinaryField()
    hash = models.BinaryField()
    sealed_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Two sealers at once, or a row put in by hand: a number stands once.
            models.UniqueConstraint(name="deposit_seal_once", fields=["source", "number"])
        ]


class RetentionSaid(models.Model):
    """A period that a source was given, and since when; written by a trigger on the source."""

    source_id = models.BigIntegerField()
    days = models.IntegerField()
    said_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(name="retention_said_of", fields=["source_id", "-id"])]


class Holder(models.Model):
    """Who may hold evidence: a function of the database that names the events it holds.

    (begins, ends) -> (at, event_id, because). Each app's own migration adds its row; the app's
    role may only read them. `names` is another one: which of these actors its rows name without
    a foreign key, (ids) -> ids; empty: none.
    """

    name = models.TextField(primary_key=True)
    function = models.TextField()
    names = models.TextField(db_default="")
    words = models.TextField()  # "an open case"

    def __str__(self) -> str:
        return self.name


class Dropped(models.Model):
    """What retention let go of one source in one month: rows that went, and rows that are held."""

    source = models.ForeignKey(Source, models.PROTECT, related_name="dropped")
    month = models.DateField()
    events = models.BigIntegerField()
    held = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        indexes = [
            # What is settled already (evidence/retention.py), and what a page says is gone.
            models.Index(name="dropped_of_source", fields=["source", "-month"])
        ]


class Tombstone(models.Model):
    """The content of a deposit, or of one record in it, that is gone: by which rule or by whom.

    `gone_digest` is the SHA-256 of the bytes that lay there before, `left_digest` of what lies
    there now; null: nothing does.
    """

    RETENTION, ERASURE = "retention", "erasure"

    deposit = models.ForeignKey(Deposit, models.PROTECT, related_name="tombstones")
    ordinal = models.IntegerField(null=True)  # null: the whole deposit
    cause = models.TextField()
    why = models.TextField()
    asked_by = models.TextField(blank=True)
    asked_name = models.TextField(blank=True)
    confirmed_by = models.TextField(blank=True)
    confirmed_name = models.TextField(blank=True)
    at = models.DateTimeField()
    gone_digest = models.BinaryField()
    gone_bytes = models.BigIntegerField()
    left_digest = models.BinaryField(null=True)
    # The keyed digest of the record: the same record sent again is known, and not kept.
    record_digest = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="tombstone_cause_is_known", condition=Q(cause__in=["retention", "erasure"])
            ),
            # Nobody erases alone.
            models.CheckConstraint(
                name="tombstone_erasure_took_two",
                condition=~Q(cause="erasure")
                | (~Q(asked_by="") & ~Q(confirmed_by="") & ~Q(asked_by=models.F("confirmed_by"))),
            ),
        ]


class CapsuleTombstone(models.Model):
    """Rows of a capsule that lost their words, by whom and why.

    `gone_digest` is the capsule's digest before, `left_digest` the one after.
    """

    capsule = models.ForeignKey(Capsule, models.PROTECT, related_name="tombstones")
    erasure = models.ForeignKey("evidence.Erasure", models.PROTECT, related_name="+")
    events = models.IntegerField()
    why = models.TextField()
    asked_by = models.TextField()
    asked_name = models.TextField()
    confirmed_by = models.TextField()
    confirmed_name = models.TextField()
    at = models.DateTimeField()
    gone_digest = models.BinaryField()
    left_digest = models.BinaryField()

    class Meta:
        constraints = [
            # Nobody erases alone.
            models.CheckConstraint(
                name="capsule_erasure_took_two",
                condition=~Q(asked_by=models.F("confirmed_by")),
            )
        ]


class LedgerTombstone(models.Model):
    """A row of the ledger that lost words and its salt: its digest before, and after."""

    entry = models.ForeignKey(LedgerEntry, models.PROTECT, related_name="tombstones")
    erasure = models.ForeignKey("evidence.Erasure", models.PROTECT, related_name="+")
    at = models.DateTimeField()
    gone_digest = models.BinaryField()
    left_digest = models.BinaryField()


class LegalHold(models.Model):
    """Evidence that stays until somebody releases it, whatever its period says.

    What is not named is not a condition: without a source all of them, without times always.
    """

    source = models.ForeignKey(Source, models.PROTECT, null=True, blank=True, related_name="holds")
    deposit = models.ForeignKey(
        Deposit, models.PROTECT, null=True, blank=True, related_name="holds"
    )
    actor = models.ForeignKey(Actor, models.PROTECT, null=True, blank=True, related_name="+")
    begins = models.DateTimeField(null=True, blank=True)
    ends = models.DateTimeField(null=True, blank=True)
    reason = models.TextField()
    placed_at = models.DateTimeField()
    placed_by = models.TextField()
    placed_name = models.TextField(blank=True)
    released_at = models.DateTimeField(null=True, blank=True)
    released_by = models.TextField(blank=True)
    released_name = models.TextField(blank=True)

    class Meta:
        indexes = [
            # What holds now: read by each run of retention.
            models.Index(name="legal_hold_live", fields=["source"], condition=Q(released_at=None))
        ]


class Erasure(models.Model):
    """Content that somebody asked to have removed: asked, confirmed by another, done; or refused.

    A row is the queue: what is confirmed is carried out by a task, and by the next one after a
    crash: first what capsules froze and what quotes the content, then the content (`emptied_at`),
    then the names and texts that its events had, if nothing else needs them (`named_at`), then what
    quotes those.
    """

    ASKED, CONFIRMED, DONE, REFUSED = "asked", "confirmed", "done", "refused"

    id = models.UUIDField(primary_key=True, default=uuid7)
    deposit = models.ForeignKey(Deposit, models.PROTECT, related_name="erasures")
    ordinal = models.IntegerField(null=True)  # null: the whole deposit
    names = models.BooleanField(default=False)  # also who the events name
    reason = models.TextField()
    state = models.TextField(default=ASKED)
    asked_at = models.DateTimeField()
    asked_by = models.TextField()
    asked_name = models.TextField()
    asked_person = models.TextField(blank=True)
    settled_at = models.DateTimeField(null=True)
    settled_by = models.TextField(blank=True)
    settled_name = models.TextField(blank=True)
    settled_reason = models.TextField(blank=True)
    emptied_at = models.DateTimeField(null=True)
    people = ArrayField(models.BigIntegerField(), default=list)  # of evidence.Actor, until done
    texts = ArrayField(models.BigIntegerField(), default=list)  # of evidence.Term, until done
    named_at = models.DateTimeField(null=True)
    words = ArrayField(models.TextField(), default=list)  # names and texts that went, until done
    # Short texts of the content that go wherever they are quoted, until it is settled.
    pieces = ArrayField(models.TextField(), default=list)
    done_at = models.DateTimeField(null=True)
    # How many: capsules, names, names_kept, texts, rows, pieces, pieces_kept.
    became = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="erasure_state_is_known",
                condition=Q(state__in=["asked", "confirmed", "done", "refused"]),
            ),
            models.CheckConstraint(
                name="erasure_is_confirmed_by_another",
                condition=~Q(state__in=["confirmed", "done"]) | ~Q(settled_by=models.F("asked_by")),
            ),
            # Asked twice is asked once.
            models.UniqueConstraint(
                name="erasure_live_once",
                fields=["deposit", "ordinal"],
                condition=Q(state__in=["asked", "confirmed"]),
                nulls_distinct=False,
            ),
        ]


class FilteredOut(models.Model):
    """How many records a keep-filter left out on one day, by its rule (evidence/keeping.py).

    Written by a trigger from what the deposit says, in the transaction that brings it.
    """

    source = models.ForeignKey(Source, models.PROTECT, related_name="filtered")
    day = models.DateField()  # of receipt
    reason = models.TextField()
    records = models.BigIntegerField(default=0)  # as often as they were delivered
    # Of their digests (evidence/sketch.py); null: some were left out before these were counted.
    sketch = models.BinaryField(null=True, db_default=b"")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="filtered_once", fields=["source", "day", "reason"])
        ]

    @property
    def different(self) -> int | None:
        """About how many different records these are; None where nobody knows."""
        return None if self.sketch is None else min(self.records, estimate(bytes(self.sketch)))
