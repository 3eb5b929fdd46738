"""The ledger's head as it was signed, and where copies of it lie that nobody here can rewrite.

`SealKey` and `Anchor` only grow; of a copy, what is kept does not change any more: triggers and
the app's rights see to that.
"""

from django.db import models


class SealKey(models.Model):
    """A public key that signed here, kept for good: what it signed is checked after it is changed."""

    kid = models.TextField(primary_key=True)  # RFC 7638 thumbprint
    jwk = models.JSONField()
    first_used_at = models.DateTimeField()


class Anchor(models.Model):
    """One signed statement: seal `number` of the ledger has this hash, and so many rows this tree."""

    number = models.BigIntegerField(primary_key=True)
    hash = models.BinaryField()
    tree = models.BinaryField()  # the root over all rows (evidence/merkle.py)
    peaks = models.BinaryField()  # what the next one goes on from
    statement = models.TextField()  # JWS, compact (evidence/stores/anchors/keys.py)
    key = models.ForeignKey(SealKey, models.PROTECT, related_name="+")
    made_at = models.DateTimeField()


class AnchorCopy(models.Model):
    """A statement on its way to one place, and what that place answered."""

    anchor = models.ForeignKey(Anchor, models.PROTECT, related_name="copies")
    place = models.TextField()  # its name in the settings
    kind = models.TextField()  # rfc3161, s3, webhook, mail
    state = models.TextField(default="waiting")  # waiting, kept, left
    not_before = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    attempts = models.IntegerField(default=0)
    why = models.TextField(blank=True)  # what went wrong the last time
    # What shows that it is kept: a timestamp token, the version of an object, an answer.
    receipt = models.BinaryField(null=True)
    words = models.TextField(blank=True)
    kept_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="anchor_once_a_place", fields=["anchor", "place"]),
            models.CheckConstraint(
                name="anchor_copy_state",
                condition=models.Q(state__in=["waiting", "kept", "left"]),
            ),
            models.CheckConstraint(
                name="anchor_kept_shows_it",
                condition=~models.Q(state="kept")
                | models.Q(receipt__isnull=False, kept_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                name="anchor_waits", fields=["not_before"], condition=models.Q(state="waiting")
            ),
            models.Index(name="anchor_of_place", fields=["place", "-anchor"]),
        ]
