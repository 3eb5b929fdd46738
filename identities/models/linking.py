"""Links of an actor to an identity that a second person signs, or the owner of another identity; and
of a principal to what it was made with.

Owns the rows of what was proposed, signed and refused, and of what logs state was made. The link of
an identity itself is a Binding, which is made once the last signature is there.
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


class Making(models.Model):
    """A log says that a principal was made or removed, with which credential: a link of a chain
    that issues no credential itself (identities/making.py). Derived, and derivable again."""

    at = models.DateTimeField()
    event_id = models.BigIntegerField()
    # As in issuances, no constraints: actors are never deleted.
    actor = models.ForeignKey(Actor, models.PROTECT, related_name="+", db_constraint=False)
    by_credential = models.ForeignKey(
        Actor, models.PROTECT, null=True, related_name="+", db_constraint=False, db_index=False
    )
    kind = models.TextField()
    thing = models.TextField()  # the same for making and removing
    removed = models.BooleanField()
    deposit_id = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(name="making_once", fields=["at", "event_id"])]
        indexes = [
            models.Index(
                name="making_by_credential",
                fields=["by_credential"],
                condition=Q(by_credential__isnull=False, removed=False),
            ),
            models.Index(name="making_of_thing", fields=["thing", "at"]),
            models.Index(
                name="making_removed_in", fields=["deposit_id"], condition=Q(removed=True)
            ),
        ]

    def __str__(self) -> str:
        return self.thing
