"""Answers that were given too fast to be read, and the cases that wait for a second look."""

from django.db import models
from django.db.models import Q

from evidence.keys import uuid7
from identities.models import Person, User

from .cases import Case

HOW = ("", "confirmed", "asked_again", "taken_back")


class Burst(models.Model):
    """A run of quick answers by one person, over as many cases as it went (reviews/attention.py)."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    since = models.DateTimeField()
    until = models.DateTimeField()
    answers = models.IntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="burst_runs_forward", condition=Q(until__gte=models.F("since"))
            )
        ]
        indexes = [
            # Does it go on? And a person's own figures.
            models.Index(name="burst_of_person", fields=["person", "-until"])
        ]


class Provisional(models.Model):
    """A case that has answers of a burst: nothing of it is carried out before a second look."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    # No constraint in the database: it would lock cases that somebody else is signing in, and
    # two people in a hurry would wait for each other (docs/decisions/0018).
    case = models.ForeignKey(
        Case, models.CASCADE, related_name="provisional", db_constraint=False, db_index=False
    )
    burst = models.ForeignKey(Burst, models.PROTECT, related_name="marks")
    marked_at = models.DateTimeField()
    # Written in the ledger, and those who may look again are told: by a sweep.
    told_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    settled_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    how = models.TextField(blank=True)
    reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="provisional_how_is_known", condition=Q(how__in=HOW)),
            models.UniqueConstraint(
                name="provisional_once",
                fields=["case", "burst"],
                condition=Q(settled_at__isnull=True),
            ),
        ]
        indexes = [
            # The sweep that tells (reviews/tasks.py, carry_out).
            models.Index(
                name="provisional_untold",
                fields=["marked_at"],
                condition=Q(told_at__isnull=True),
            ),
        ]
        verbose_name_plural = "provisional marks"
