"""Who became the owner of an identity, when and why; and what a vendor has stated of an integration."""

from django.db import models
from django.db.models import Q

from evidence.keys import uuid7

from .identity import Identity
from .people import Party, Person

# `accepted`: by the new owner. `succession`: whoever answered before is no longer there.
# `rule`: of what nobody owned, by a rule that a reviewer signed.
BASES = ("accepted", "succession", "rule")


class OwnerChange(models.Model):
    """One change of owner; never changed afterwards."""

    identity = models.ForeignKey(Identity, models.PROTECT, related_name="owner_changes")
    was = models.ForeignKey(Party, models.PROTECT, null=True, related_name="+")
    to = models.ForeignKey(Party, models.PROTECT, related_name="+")
    basis = models.TextField()
    at = models.DateTimeField()
    by = models.TextField()
    by_name = models.TextField(blank=True)
    because = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="owner_change_basis_is_known", condition=Q(basis__in=BASES))
        ]


class VendorAttestation(models.Model):
    """What the vendor of an external integration has stated, from when to when, and where it is."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    identity = models.ForeignKey(Identity, models.PROTECT, related_name="vendor_attestations")
    what = models.TextField()  # "SOC 2 type II report", "sub-processor list"
    stated_on = models.DateField()
    valid_until = models.DateField(null=True)
    reference = models.TextField(blank=True)  # where the document is kept
    recorded_at = models.DateTimeField()
    recorded_by = models.ForeignKey(Person, models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="vendor_attestation_runs_forward",
                condition=Q(valid_until__isnull=True) | Q(valid_until__gte=models.F("stated_on")),
            )
        ]
        indexes = [
            # The newest of an identity, for its page and its items.
            models.Index(name="vendor_attestation_newest", fields=["identity", "-stated_on"])
        ]
