"""What was declared of a release beforehand, and what an identity was first seen to use.

`Manifest` is a statement that both owners sign in a case; `NewUse` is derived by the judge and is
the queue of the sweep that asks about what nobody has looked at (reviews/triggers).
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from evidence.keys import uuid7
from evidence.models.numbers import NextNumber

from .identity import Identity
from .people import Person

MANIFEST_STATES = ("proposed", "signed", "refused")


class Manifest(models.Model):
    """One release of an agent as declared: its version, model, tools, and calls on resources.

    `digest` is of the content, so the same content is one row however often it is sent. What is
    signed never changes; the newest signed one of a version stands for it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    number = models.BigIntegerField(unique=True, db_default=NextNumber("manifest_number"))
    identity = models.ForeignKey(Identity, models.PROTECT, related_name="manifests")
    version = models.TextField()  # as the runs state it: gen_ai.agent.version
    model = models.TextField(blank=True)
    tools = ArrayField(models.TextField(), default=list)
    permissions = models.JSONField(default=list)  # [{actions, resources}], as in a delegation
    digest = models.TextField()
    state = models.TextField(default="proposed")
    case = models.UUIDField(null=True)  # the case it is signed in, the newest where asked again
    reference = models.TextField(blank=True)  # where it was declared: a pull request
    proposed_at = models.DateTimeField()
    proposed_by = models.TextField()
    proposed_by_name = models.TextField(blank=True)
    proposed_person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="manifest_state_is_known", condition=Q(state__in=MANIFEST_STATES)
            ),
            # Two pipelines at once, or one that tries again: one row and one case.
            models.UniqueConstraint(name="manifest_once", fields=["identity", "digest"]),
        ]
        indexes = [
            # What stands for an identity (identities/judging/uses.py), newest first.
            models.Index(
                name="manifest_signed",
                fields=["identity", "-settled_at"],
                condition=Q(state="signed"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key}, version {self.version}"

    @property
    def key(self) -> str:
        return f"MAN-{self.number}"

    @property
    def url(self) -> str:
        return f"/manifests/{self.key}/"


class NewUse(models.Model):
    """The first time an identity was seen to use a tool, or to call what its manifest leaves out.

    One row for each release that did; a row that nobody has looked at waits for the sweep.
    """

    identity_no = models.IntegerField()  # Identity.number
    # evidence.Term: the tool, or the call; 0: the release itself ran.
    action_id = models.BigIntegerField()
    family = models.TextField(blank=True)  # resource family of a call; "" for a tool
    release_id = models.BigIntegerField(default=0)  # evidence.Term; 0: the run states none
    tool = models.BooleanField()
    strength = models.SmallIntegerField()  # of the attribution
    first_at = models.DateTimeField()
    event_id = models.BigIntegerField()  # with first_at: the event
    noted_at = models.DateTimeField()
    looked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="new_use_once",
                fields=["identity_no", "tool", "action_id", "family", "release_id"],
            )
        ]
        indexes = [
            # The sweep (reviews/triggers/uses.py): what nobody has looked at.
            models.Index(name="new_use_waiting", fields=["id"], condition=Q(looked_at__isnull=True))
        ]
