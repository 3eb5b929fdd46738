"""Change freezes: while one holds, silence cuts nothing of its scope; a named person is asked."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import F, Q

from evidence.keys import uuid7
from evidence.models.numbers import NextNumber
from identities.models import Person
from identities.models.signed import TwoSigned, signed_by_two
from reviews.policy_document import LONGEST_FREEZE

# Whatever the policy says (reviews/actions/freezing.py).
LONGEST = timedelta(days=LONGEST_FREEZE)


class Freeze(TwoSigned):
    """From `since` to `until` nothing of this scope is cut by a clock: `asked` is asked instead.

    Never changed in place: it is over by itself, or ended early by one person with a reason.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    number = models.BigIntegerField(unique=True, db_default=NextNumber("freeze_number"))
    scope = models.JSONField(default=dict, blank=True)  # in the words of review policies
    since = models.DateTimeField()
    until = models.DateTimeField()
    asked = models.ForeignKey(Person, models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True)
    ended_by = models.TextField(blank=True)
    ended_by_name = models.TextField(blank=True)
    ended_reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            *signed_by_two("freeze"),
            models.CheckConstraint(
                name="freeze_runs_forward",
                condition=Q(until__gt=F("since")) & Q(until__lte=F("since") + LONGEST),
            ),
            models.CheckConstraint(
                name="freeze_ended_says_why",
                condition=~Q(state="ended") | (Q(ended_at__isnull=False) & ~Q(ended_reason="")),
            ),
            # A form that is sent twice asks for one signature.
            models.UniqueConstraint(
                name="freeze_proposed_once",
                fields=["scope", "since", "until"],
                condition=Q(state="proposed"),
            ),
        ]
        indexes = [
            # What holds now or lately (reviews/freezes.py), asked by each sweep of deadlines.
            models.Index(
                name="freeze_holds", fields=["until"], condition=Q(state__in=["in_force", "ended"])
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        return f"FRZ-{self.number}"

    @property
    def url(self) -> str:
        return f"/freezes/{self.key}/"

    @property
    def over_at(self) -> datetime:
        """Until when it really holds."""
        return self.until if self.ended_at is None else min(self.until, self.ended_at)
