"""Whether anything goes out to other systems: a switch that takes two people either way."""

from django.db import models
from django.db.models import Q

from .signed import TwoSigned, signed_by_two

SWITCH = ("stopped", "open")


class OutgoingSwitch(TwoSigned):
    """Stop all outgoing writes, or let them go on (product.md, rule 8). The newest signed row holds;
    without one they go out."""

    to = models.TextField()

    class Meta:
        constraints = [
            *signed_by_two("outgoing"),
            models.CheckConstraint(name="outgoing_to_is_known", condition=Q(to__in=SWITCH)),
            # Two people proposing at once: the second meets the first one's proposal.
            models.UniqueConstraint(
                name="outgoing_proposed_once", fields=["state"], condition=Q(state="proposed")
            ),
            # What the worker reads before each write (actions/revocations/carrying.py).
            models.UniqueConstraint(
                name="outgoing_in_force_once", fields=["state"], condition=Q(state="in_force")
            ),
        ]
        verbose_name_plural = "outgoing switches"
