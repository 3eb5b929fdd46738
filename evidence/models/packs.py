"""Packs: what was taken out to show it elsewhere, and whom it was given to.

A pack's row outlives its file. Transfers only grow: a trigger and the app's rights see
to that. What a pack is of is the caller's word (`subject`: "CS-12", "NHI-3", "CMP-1", "CAP-7").
"""

from django.db import models
from django.db.models import Q

from evidence.keys import uuid7

from .numbers import NextNumber

PACK_STATES = ("asked", "ready", "failed", "gone")


class Pack(models.Model):
    """One pack that somebody asked for: a zip that shows something without this app."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    number = models.BigIntegerField(unique=True, db_default=NextNumber("pack_number"))
    subject = models.TextField()
    sealed_case = models.UUIDField(null=True)  # where what it is of is sealed
    by = models.TextField()
    by_name = models.TextField()
    asked_at = models.DateTimeField()
    with_deposits = models.BooleanField(default=False)
    state = models.TextField(default="asked")
    not_before = models.DateTimeField()  # whoever makes it has until then
    attempts = models.IntegerField(default=0)
    why = models.TextField(blank=True)  # what went wrong the last time
    made_at = models.DateTimeField(null=True)
    size = models.BigIntegerField(null=True)  # bytes
    digest = models.BinaryField(null=True)  # SHA-256 of the zip
    manifest_digest = models.BinaryField(null=True)
    signed = models.BooleanField(default=False)
    kept_until = models.DateTimeField(null=True)  # the file; null: it was given out at once

    class Meta:
        constraints = [
            models.CheckConstraint(name="pack_state_is_known", condition=Q(state__in=PACK_STATES)),
            models.CheckConstraint(
                name="pack_made_has_digests",
                condition=~Q(state__in=["ready", "gone"])
                | Q(
                    made_at__isnull=False,
                    size__isnull=False,
                    digest__isnull=False,
                    manifest_digest__isnull=False,
                ),
            ),
        ]
        indexes = [
            # The sweep that makes what is asked for (reviews/packs/ordering.py).
            models.Index(
                name="pack_waits", fields=["not_before"], condition=models.Q(state="asked")
            ),
            # The list of somebody's own.
            models.Index(name="pack_of", fields=["by", "-number"]),
            # Packs of one thing, for its custody.
            models.Index(name="pack_subject", fields=["subject", "number"]),
        ]

    @property
    def key(self) -> str:
        return f"PACK-{self.number}"


class Transfer(models.Model):
    """A pack was given to somebody outside: to whom, by whom, on whose behalf, and which bytes."""

    pack = models.ForeignKey(Pack, models.PROTECT, related_name="transfers")
    at = models.DateTimeField()
    by = models.TextField()
    by_name = models.TextField()
    to_name = models.TextField()
    organisation = models.TextField()
    on_behalf = models.TextField(blank=True)  # for whom the giver acts; empty: for themselves
    purpose = models.TextField()
    digest = models.BinaryField()  # SHA-256 of the zip that was given

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="transfer_names_somebody",
                condition=~Q(to_name="") & ~Q(organisation="") & ~Q(purpose=""),
            )
        ]
