"""Recoveries of logins that lost a factor or a password, first factors that are announced as these are,
and whether second factors are required."""

from datetime import timedelta

from django.db import models
from django.db.models import Q

from identities.models import Person, User

KINDS = ("factor", "password")  # what is lost
# The first second factor of a login, which was added with the password alone.
FIRST = "first factor"
VERDICTS = ("as stated", "misuse")
# How long the link of a password can be printed after its recovery was carried out.
LINK_LASTS = timedelta(days=3)


class SecondFactorRule(models.Model):
    """Written once by migration 0043, and only where logins existed before it."""

    required = models.BooleanField()


class Recovery(models.Model):
    """Asked for on the host, announced, carried out after a delay, and reviewed by somebody else.

    A first factor is announced in the same way, by adding it, and counts after the delay; nobody
    reviews it.
    """

    user = models.ForeignKey(User, models.PROTECT, related_name="recoveries")
    kind = models.TextField()  # KINDS, or FIRST
    reason = models.TextField()
    asked_at = models.DateTimeField()
    asked_by_name = models.TextField()  # the account on the host, as it says itself
    due_at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True)
    cancelled_by = models.TextField(blank=True)
    cancelled_by_name = models.TextField(blank=True)
    cancel_reason = models.TextField(blank=True)
    done_at = models.DateTimeField(null=True)
    linked_at = models.DateTimeField(null=True)  # when the link of a new password was printed
    verdict = models.TextField(blank=True)  # VERDICTS
    review_words = models.TextField(blank=True)
    reviewed_at = models.DateTimeField(null=True)
    reviewed_by = models.TextField(blank=True)
    reviewed_by_name = models.TextField(blank=True)
    reviewed_person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(name="recovery_kind", condition=Q(kind__in=(*KINDS, FIRST))),
            models.CheckConstraint(
                name="recovery_waits", condition=Q(due_at__gt=models.F("asked_at"))
            ),
            models.CheckConstraint(
                name="recovery_is_cancelled_or_done",
                condition=Q(cancelled_at__isnull=True) | Q(done_at__isnull=True),
            ),
            models.CheckConstraint(
                name="recovery_is_done_when_due",
                condition=Q(done_at__isnull=True) | Q(done_at__gte=models.F("due_at")),
            ),
            models.CheckConstraint(
                name="recovery_review_is_whole",
                condition=Q(verdict="", reviewed_at__isnull=True, reviewed_person__isnull=True)
                | Q(
                    verdict__in=VERDICTS,
                    done_at__isnull=False,
                    reviewed_at__isnull=False,
                    reviewed_person__isnull=False,
                ),
            ),
            models.UniqueConstraint(
                name="recovery_pending_once",
                fields=["user", "kind"],
                condition=Q(cancelled_at__isnull=True, done_at__isnull=True),
            ),
        ]
        indexes = [
            # What waits to be carried out, and what waits to be reviewed: the banner counts both.
            models.Index(
                name="recovery_open",
                fields=["due_at"],
                condition=Q(cancelled_at__isnull=True, reviewed_at__isnull=True),
            )
        ]

    @property
    def key(self) -> str:
        return f"REC-{self.pk}"

    @property
    def lost(self) -> str:
        return {"factor": "second factor", "password": "password"}.get(self.kind, "")

    @property
    def state(self) -> str:
        if self.cancelled_at is not None:
            return "cancelled"
        if self.done_at is None:
            return "pending"
        if self.kind == FIRST:
            return "in force"
        return "carried out" if self.reviewed_at is None else "reviewed"
