"""The rungs of a case: what its silence does, and when, each a stored moment of its own."""

from django.db import models
from django.db.models import Q

from reviews.ladder import CUTS, DUE, GO_ON, STEPS

from .cases import Case
from .freezes import Freeze

RUNG_STATES = ("waiting", "held", "done", "dropped", "over")


class Rung(models.Model):
    """One step of the ladder that a case climbs while nobody decides (reviews/ladder.py).

    `waiting` for its moment, `held` until a person releases it, `done`, `dropped` by a person,
    `over`: something else came first. What is done stays as it was.
    """

    case = models.ForeignKey(Case, models.CASCADE, related_name="rungs")
    does = models.TextField()  # a word of reviews/ladder.py; at "due" the case's own silence
    after = models.DurationField()  # so much counted time after the case was sent
    at = models.DateTimeField()
    state = models.TextField(default="waiting")
    done_at = models.DateTimeField(null=True)
    held_at = models.DateTimeField(null=True)
    held_why = models.TextField(blank=True)
    # The change freeze it came due in; null: something else holds it.
    freeze = models.ForeignKey(
        Freeze, models.PROTECT, null=True, related_name="held", db_index=False
    )
    # Who released or dropped it, and why.
    settled_at = models.DateTimeField(null=True)
    settled_by = models.TextField(blank=True)
    settled_by_name = models.TextField(blank=True)
    reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="rung_does_is_known", condition=Q(does__in=[*STEPS, DUE, GO_ON])
            ),
            models.CheckConstraint(name="rung_state_is_known", condition=Q(state__in=RUNG_STATES)),
            models.CheckConstraint(
                name="rung_held_says_why",
                condition=~Q(state="held") | (Q(held_at__isnull=False) & ~Q(held_why="")),
            ),
            # A case that is sent twice has each rung once.
            models.UniqueConstraint(name="rung_once", fields=["case", "after", "does"]),
        ]
        indexes = [
            # The two sweeps of deadlines (reviews/actions/rungs.py, due).
            models.Index(name="rung_due", fields=["at", "id"], condition=Q(state="waiting")),
            # The release list, oldest first.
            models.Index(name="rung_held", fields=["at"], condition=Q(state="held")),
            # What a change freeze has held (reviews/pages/freezes.py).
            models.Index(
                name="rung_of_freeze", fields=["freeze"], condition=Q(freeze__isnull=False)
            ),
            # What silence has cut in the last hour (reviews/actions/braking.py).
            models.Index(
                name="rung_done_lately",
                fields=["done_at"],
                condition=Q(state="done", does__in=[*sorted(CUTS), DUE]),
            ),
        ]
