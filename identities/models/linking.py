"""Links of an actor to an identity that a second person signs, or the owner of another identity.

Owns the rows of what was proposed, signed and refused. The link itself is a Binding, which is made
once the last signature is there.
"""

from django.db import models
from django.db.models import Q

from evidence.keys import uuid7
from evidence.models import Actor

from .identity import Identity
from .signed import TwoSigned, signed_by_two


class LinkProposal(TwoSigned):
    """Somebody proposes that `actor` is `identity`; who answers for `other` signs or refuses.

    A row for each other identity that uses the actor; where none does, one whose `other` is the
    identity itself. `ended`: the link was taken back.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    identity = models.ForeignKey(Identity, models.PROTECT, related_name="+")
    actor = models.ForeignKey(Actor, models.PROTECT, related_name="+")
    other = models.ForeignKey(Identity, models.PROTECT, related_name="+")
    shared = models.BooleanField()

    class Meta:
        constraints = [
            *signed_by_two("linkproposal"),
            models.UniqueConstraint(
                name="linkproposal_proposed_once",
                fields=["identity", "actor", "other"],
                condition=Q(state="proposed"),
            ),
        ]
        indexes = [
            models.Index(
                name="linkproposal_waits", fields=["other"], condition=Q(state="proposed")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.actor.value} is {self.identity.name}"
