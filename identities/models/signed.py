"""What two people sign: one proposes, another puts it in force or refuses it.

Owns the columns and the rule that nobody signs alone; what is signed is each table's own.
"""

from typing import Any

from django.db import models
from django.db.models import F, Q

from .people import Person

SIGNED_STATES = ("proposed", "in_force", "refused", "ended")


class TwoSigned(models.Model):
    """Proposed by one person, in force once another has signed, `ended` when another takes over."""

    state = models.TextField(default="proposed")
    reason = models.TextField()
    proposed_at = models.DateTimeField()
    proposed_by = models.TextField()
    proposed_by_name = models.TextField(blank=True)
    proposed_person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    # Signed or refused, by whom.
    settled_at = models.DateTimeField(null=True)
    settled_by = models.TextField(blank=True)
    settled_by_name = models.TextField(blank=True)
    settled_person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    settled_reason = models.TextField(blank=True)

    class Meta:
        abstract = True


def signed_by_two(name: str, *, but: Q | None = None) -> list[Any]:
    """The constraints of such a table: known states, and never one person alone; `but`: where one
    signature is enough."""
    two = Q(settled_person__isnull=False) & ~Q(proposed_person=F("settled_person"))
    alone = two if but is None else two | but
    return [
        models.CheckConstraint(name=f"{name}_state_is_known", condition=Q(state__in=SIGNED_STATES)),
        models.CheckConstraint(
            name=f"{name}_signed_by_another",
            condition=Q(state__in=["proposed", "refused"]) | alone,
        ),
    ]
