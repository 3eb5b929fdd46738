"""What one person sent by hand, until a second person signs that it is read in."""

from django.db import models

from .sources import Source


class PendingUpload(models.Model):
    """One body of a file: kept as a deposit's would be, and no evidence of anything.

    Once it is signed, a worker makes a deposit of it and deletes this row (evidence/uploads.py).
    """

    source = models.ForeignKey(Source, models.PROTECT, related_name="+")
    received_at = models.DateTimeField()
    received_by = models.TextField()  # "user:<uuid>"
    name = models.TextField(blank=True)
    format = models.TextField()
    received_digest = models.BinaryField()  # keyed, 32 bytes
    received_bytes = models.BigIntegerField()
    kept_digest = models.BinaryField()  # SHA-256 of the uncompressed kept bytes
    body = models.BinaryField()  # zstd
    records = models.IntegerField()
    rejects = models.IntegerField()
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    # What the privacy rule removed, [[position, kind, length], …], and the digests of the records
    # as they were received, 16 bytes each: neither can be told from the kept bytes.
    redactions = models.JSONField()
    digests = models.BinaryField()
    signed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # The same body sent twice waits once.
            models.UniqueConstraint(
                name="pendingupload_once", fields=["source", "received_digest"]
            ),
        ]
        indexes = [
            models.Index(
                name="pendingupload_signed",
                fields=["id"],
                condition=models.Q(signed_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"upload {self.pk}"
