"""The append-only record of every act, and its chain (decisions 12).

`LedgerEntry` is written in the action's own transaction, without a lock. `LedgerSeal` is
written by one sealer for entries whose transactions are over, so that numbers have no gaps.
Triggers refuse UPDATE, DELETE and TRUNCATE; the app's role may only insert and select.
"""

from django.db import models


class CurrentTransaction(models.Func):
    """The id of the running transaction, as a number: pg_current_xact_id()."""

    template = "(pg_current_xact_id()::text::bigint)"
    output_field = models.BigIntegerField()


class LedgerEntry(models.Model):
    """One act: who, what, on what, why, with the data that proves it."""

    at = models.DateTimeField()  # when it happened (for a deadline: the deadline)
    recorded_at = models.DateTimeField()
    by = models.TextField()  # "user:<uuid>", "countersign", "source:<name>"
    by_name = models.TextField()
    act = models.TextField()  # "case.opened", "item.answered" …
    subject = models.TextField()  # "CS-12", "NHI-4", "source:lab"
    words = models.TextField()  # the sentence a person reads
    data = models.JSONField(default=dict)
    salt = models.BinaryField()  # makes the commitment of erasable text unguessable
    digest = models.BinaryField()  # SHA-256 of the canonical form (evidence/ledger)
    version = models.SmallIntegerField(default=1)
    # A sealed case's rows are commitments for everybody else.
    sealed_case = models.UUIDField(null=True)
    # Which transaction wrote it; the sealer waits until it is over. Filled by the database.
    xid = models.BigIntegerField(db_default=CurrentTransaction())

    class Meta:
        indexes = [
            # The ledger of one case or identity, newest first.
            models.Index(name="ledger_of_subject", fields=["subject", "-id"]),
        ]


class LedgerSeal(models.Model):
    """Entry number N of the chain: its digest, and the hash over it and the previous hash."""

    number = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField(LedgerEntry, models.PROTECT, related_name="seal")
    entry_digest = models.BinaryField()
    previous = models.BinaryField()
    hash = models.BinaryField()
    sealed_at = models.DateTimeField()
