"""Sealed cases: when a case was sealed and by whom, who it is about, and the end of it by two.

Who may see a sealed case is `CaseMember` (cases.py). At most one sealing of a case is open.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from evidence.keys import uuid7
from identities.models import Person

from .cases import Case


class Sealing(models.Model):
    """One time in which a case is sealed, from the act to the second signature that ends it."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    case = models.ForeignKey(Case, models.PROTECT, related_name="sealings", db_index=False)
    reason = models.TextField()
    sealed_at = models.DateTimeField()
    sealed_by = models.TextField()
    sealed_by_name = models.TextField()
    # Rows of the ledger that were written before and are the case's, though their subject is
    # something else: shown as commitments while it is sealed (evidence/withheld.py).
    rows = ArrayField(models.BigIntegerField(), default=list, blank=True)
    # What stood in rows that others read, before the neutral words took its place: of each the
    # table, the id and the texts by their member.
    words = models.JSONField(default=list, blank=True)
    # A member asks for the end of it, and another one signs.
    asked_at = models.DateTimeField(null=True, blank=True)
    asked_person = models.ForeignKey(
        Person, models.PROTECT, null=True, blank=True, related_name="+"
    )
    asked_why = models.TextField(blank=True)
    unsealed_at = models.DateTimeField(null=True, blank=True)
    unsealed_person = models.ForeignKey(
        Person, models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            # Two who seal a case at once: one does, the other is told.
            models.UniqueConstraint(
                name="sealing_open_once", fields=["case"], condition=Q(unsealed_at__isnull=True)
            ),
            models.CheckConstraint(
                name="sealing_asked_whole",
                condition=Q(asked_at__isnull=True, asked_person__isnull=True, asked_why="")
                | Q(asked_at__isnull=False, asked_person__isnull=False) & ~Q(asked_why=""),
            ),
            # One person never ends it alone.
            models.CheckConstraint(
                name="sealing_ended_by_two",
                condition=Q(unsealed_at__isnull=True, unsealed_person__isnull=True)
                | Q(
                    unsealed_at__isnull=False,
                    unsealed_person__isnull=False,
                    asked_person__isnull=False,
                )
                & ~Q(unsealed_person=F("asked_person")),
            ),
        ]
        indexes = [
            # Which cases were sealed once (reviews/sealing/withheld.py).
            models.Index(
                name="sealing_ended", fields=["case"], condition=Q(unsealed_at__isnull=False)
            ),
        ]


class CaseSubject(models.Model):
    """Somebody whom a case is about: never a member, never in a seat, told nothing of it."""

    case = models.ForeignKey(Case, models.CASCADE, related_name="subjects")
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    since = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(name="subject_once", fields=["case", "person"])]
