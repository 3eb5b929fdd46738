"""Evidence frozen for a decision, and who looked at evidence."""

from django.db import models

from evidence.keys import uuid7

from .numbers import NextNumber


class Capsule(models.Model):
    """Evidence as it was shown when somebody signed: rows, deposit digests, completeness.

    Insert-only. `digest` is the SHA-256 of the canonical JSON of `body`.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    number = models.BigIntegerField(unique=True, db_default=NextNumber("capsule_number"))
    made_at = models.DateTimeField()
    made_by = models.TextField()
    subject = models.TextField()  # "CS-12"
    body = models.JSONField()
    digest = models.BinaryField()

    @property
    def key(self) -> str:
        return f"CAP-{self.number}"


class Looked(models.Model):
    """Somebody looked at evidence: written in batches after the response."""

    at = models.DateTimeField()
    by = models.TextField()
    by_name = models.TextField()
    kind = models.TextField()  # event, run, deposit, export, line, case, item
    ref = models.TextField()
    case = models.UUIDField(null=True)

    class Meta:
        indexes = [
            # "Looked at by", beside each event of a case.
            models.Index(name="looked_ref", fields=["kind", "ref"]),
        ]
