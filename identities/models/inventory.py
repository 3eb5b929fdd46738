"""What systems list of themselves, as dated rows: principals, credentials, and what they may do.

A reading asks one connected source for its lists. What a list shows is a version row (docs
decisions, 7): `during` begins at the reading that first showed it so and ends at the reading
that showed something else, or nothing. Nothing here says whose anything is: an actor stays
unclaimed until somebody binds it.
"""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import Q

from evidence.models import Actor, LeasedJob, Plan, Source


class InventoryPlan(Plan):
    """How often a connected source is asked for its lists, and when next."""

    source = models.OneToOneField(Source, models.PROTECT, related_name="inventory_plan")
    every_seconds = models.PositiveIntegerField(default=21_600)

    class Meta:
        indexes = [
            # leases.due
            models.Index(name="inventory_due", fields=["next_at"], condition=Q(paused=False))
        ]

    def __str__(self) -> str:
        return f"inventory of {self.source}"


class InventoryRead(LeasedJob):
    """One reading of one source, from its asking to its end: done, partial (some lists were
    refused) or failed.

    `parts`: of each list where it goes on, what it brought, and what was refused.
    """

    PARTIAL = "partial"
    OVER = (LeasedJob.DONE, PARTIAL, LeasedJob.FAILED)

    source = models.ForeignKey(Source, models.PROTECT, related_name="inventory_reads")
    system = models.TextField()
    realm = models.TextField(blank=True)
    found = models.PositiveBigIntegerField(default=0)
    new = models.PositiveBigIntegerField(default=0)
    changed = models.PositiveBigIntegerField(default=0)
    gone = models.PositiveBigIntegerField(default=0)
    parts = models.JSONField(default=dict)

    class Meta:
        constraints = [
            # Two readings of one source would end what the other has just seen.
            models.UniqueConstraint(
                name="inventory_one_at_a_time",
                fields=["source"],
                condition=Q(state__in=["waiting", "running"]),
            ),
            models.CheckConstraint(
                name="inventory_state_is_known",
                condition=Q(state__in=["waiting", "running", "done", "partial", "failed"]),
            ),
        ]
        indexes = [
            # The last readings of a source, on its page.
            models.Index(name="inventory_newest", fields=["source", "-asked_at"]),
            # leases: what may be claimed
            models.Index(
                name="inventory_live",
                fields=["not_before"],
                condition=Q(state__in=["waiting", "running"]),
            ),
        ]

    def __str__(self) -> str:
        return f"inventory reading {self.pk} of {self.source}"


class Discovery(models.Model):
    """One principal or credential as one list of a system shows it, from one reading on.

    What makes another version: whose it is, what it is called, its state, its own dates and its
    owner hints. When it was last used and last read moves in place.
    """

    source = models.ForeignKey(Source, models.PROTECT, related_name="discoveries")
    part = models.TextField()  # which list
    realm = models.TextField()  # whose list it was: another account's list ends nothing here
    scope = models.TextField(blank=True)  # what was asked for it: a user, a repository
    actor = models.ForeignKey(Actor, models.PROTECT, related_name="+")
    # A credential of this principal; null for a principal, or where the list names none.
    holder = models.ForeignKey(Actor, models.PROTECT, null=True, related_name="+")
    credential = models.BooleanField()
    kind = models.TextField()  # the system's own words: "IAM user"
    title = models.TextField(blank=True)
    status = models.TextField()  # active, held, expired
    created_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    hints = models.JSONField(default=list)  # of {kind, value, seen_in}: who might own it
    digest = models.TextField()
    last_used_at = models.DateTimeField(null=True)
    last_used_of = models.TextField(blank=True)
    missing = models.TextField(blank=True)  # what could not be read of it, and why
    # Without an index: it moves with each reading, and a row that only moves stays in its place.
    read = models.ForeignKey(InventoryRead, models.PROTECT, related_name="+", db_index=False)
    read_at = models.DateTimeField()
    during = DateTimeRangeField()
    recorded_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "discoveries"
        constraints = [
            models.CheckConstraint(
                name="discovery_status_is_known",
                condition=Q(status__in=["active", "held", "expired"]),
            ),
            models.CheckConstraint(
                name="discovery_principal_has_no_holder",
                condition=Q(credential=True) | Q(holder__isnull=True),
            ),
            ExclusionConstraint(
                name="discovery_does_not_overlap",
                expressions=[
                    ("source", RangeOperators.EQUAL),
                    ("part", RangeOperators.EQUAL),
                    ("actor", RangeOperators.EQUAL),
                    ("during", RangeOperators.OVERLAPS),
                ],
                condition=Q(superseded_at__isnull=True),
            ),
        ]
        indexes = [
            # Who is this, as the lists have it: unclaimed actors, a credential's page.
            models.Index(
                name="discovery_of_actor", fields=["actor"], condition=Q(superseded_at=None)
            ),
            # The credentials of a principal.
            models.Index(
                name="discovery_of_holder",
                fields=["holder"],
                condition=Q(superseded_at=None, holder__isnull=False),
            ),
            # storing: the rows of a page, and at a list's end what it no longer shows.
            models.Index(
                name="discovery_of_list",
                fields=["source", "part", "actor"],
                condition=Q(superseded_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.title}"


class DiscoveredRights(models.Model):
    """What a system allowed one principal by its own lists, from one reading on.

    `possible` has the shape of Entitlement.possible; rights of a bound principal become an
    Entitlement of its identity (identities/inventory/following.py).
    """

    source = models.ForeignKey(Source, models.PROTECT, related_name="discovered_rights")
    part = models.TextField()
    actor = models.ForeignKey(Actor, models.PROTECT, related_name="+")
    possible = models.JSONField()
    digest = models.TextField()
    missing = models.TextField(blank=True)
    # Without an index: it moves with each reading, and a row that only moves stays in its place.
    read = models.ForeignKey(InventoryRead, models.PROTECT, related_name="+", db_index=False)
    read_at = models.DateTimeField()
    during = DateTimeRangeField()
    recorded_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "discovered rights"
        constraints = [
            ExclusionConstraint(
                name="rights_do_not_overlap",
                expressions=[
                    ("source", RangeOperators.EQUAL),
                    ("part", RangeOperators.EQUAL),
                    ("actor", RangeOperators.EQUAL),
                    ("during", RangeOperators.OVERLAPS),
                ],
                condition=Q(superseded_at__isnull=True),
            )
        ]
        indexes = [
            # storing: the rows of a page.
            models.Index(
                name="rights_of_list",
                fields=["source", "part", "actor"],
                condition=Q(superseded_at=None),
            ),
        ]
