"""Delegations (what was granted) and entitlements (what the target really allows)."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Q

from evidence.keys import uuid7
from evidence.models.numbers import NextNumber

from .identity import Identity
from .people import Party


class Delegation(models.Model):
    """Authority from a grantor to a grantee; it comes into force only through a case."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    number = models.BigIntegerField(unique=True, db_default=NextNumber("delegation_number"))
    # The name it has in a registration file, so that loading twice changes nothing.
    slug = models.TextField(blank=True)
    grantee = models.ForeignKey(Identity, models.PROTECT, related_name="delegations")
    grantor = models.ForeignKey(Party, models.PROTECT, null=True, blank=True, related_name="+")
    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="children"
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="delegation_slug_once", fields=["grantee", "slug"], condition=~Q(slug="")
            ),
            models.CheckConstraint(
                name="delegation_is_not_its_own_parent",
                condition=Q(parent__isnull=True) | ~Q(parent=F("id")),
            ),
        ]

    @property
    def key(self) -> str:
        return f"DLG-{self.number}"


class DelegationVersion(models.Model):
    """What a delegation says, as a version row.

    `state`: proposed (asks for a case), in_force, rejected. `during` is when it is true: an end
    is a stored deadline, and a revocation supersedes the row with one that ends earlier and
    says `revoked_at`.
    """

    delegation = models.ForeignKey(Delegation, models.PROTECT, related_name="versions")
    version = models.IntegerField()
    state = models.TextField(default="proposed")
    actions = ArrayField(models.TextField())
    resources = ArrayField(models.TextField())
    conditions = models.JSONField(default=dict, blank=True)
    purpose = models.TextField(blank=True)
    task = models.TextField(blank=True)
    on_behalf = models.TextField(blank=True)
    during = DateTimeRangeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    # First load: judges past behaviour, is shown as unsigned everywhere, and allows nothing.
    imported = models.BooleanField(default=False)
    signed = models.BooleanField(default=False)
    case = models.UUIDField(null=True, blank=True)  # the case that brought it into force
    recorded_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True, blank=True)
    by = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="delegation_version_once", fields=["delegation", "version"]
            ),
            models.CheckConstraint(
                name="delegation_state_is_known",
                condition=Q(state__in=["proposed", "in_force", "rejected"]),
            ),
            # Nothing is in force without a case, but what was imported and says so.
            models.CheckConstraint(
                name="delegation_in_force_has_a_case",
                condition=~Q(state="in_force")
                | Q(case__isnull=False)
                | Q(imported=True, signed=False),
            ),
            ExclusionConstraint(
                name="delegation_in_force_once",
                expressions=[
                    ("delegation", RangeOperators.EQUAL),
                    ("during", RangeOperators.OVERLAPS),
                ],
                condition=Q(superseded_at__isnull=True, state="in_force"),
            ),
        ]


class Entitlement(models.Model):
    """What a target system allowed an identity at one reading: dated evidence."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    identity = models.ForeignKey(Identity, models.PROTECT, related_name="entitlements")
    system = models.TextField()  # "aws"
    principal = models.TextField()  # the ARN that was read
    during = DateTimeRangeField()  # from this reading to the next that differs
    read_at = models.DateTimeField()  # the newest reading that found it so
    digest = models.TextField()
    possible = models.JSONField()  # list of {effect, actions, resources, conditions, via}
    keys = models.JSONField(default=list)
    missing = models.TextField(blank=True)  # what could not be read, and why
    recorded_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="entitlement_does_not_overlap",
                expressions=[
                    ("identity", RangeOperators.EQUAL),
                    ("principal", RangeOperators.EQUAL),
                    ("during", RangeOperators.OVERLAPS),
                ],
                condition=Q(superseded_at__isnull=True),
            )
        ]
