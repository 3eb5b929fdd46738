"""What happened that no review has seen: one row each, the queue of micro-reviews."""

from django.db import models
from django.db.models import Q

from evidence.keys import uuid7
from identities.models import Identity, Party
from reviews.micro_reviews import TRIGGERS

from .cases import Case

TRIGGER_STATES = ("waiting", "asked", "joined", "known", "over")


class Trigger(models.Model):
    """One thing that happened to one identity (reviews/micro_reviews.py), noted once for ever.

    `waiting` to be asked about; `asked`: holds the open item about it; `joined`: its item was
    open already; `known`: nobody is asked, and `known_why` says so; `over`: its case has ended.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    identity = models.ForeignKey(Identity, models.CASCADE, related_name="triggers")
    name = models.TextField()
    # What it is, so that it is noted once whoever finds it how often.
    subject = models.TextField()
    about = models.UUIDField()  # what the item is about: Item.ref
    title = models.TextField(blank=True)
    words = models.TextField()  # the sentence a person reads
    links = models.JSONField(default=list)  # [{words, url}]: to the evidence
    facts = models.JSONField(default=dict)  # what its item keeps beside it: Item.snapshot
    at = models.DateTimeField()  # when it happened
    found_at = models.DateTimeField()
    state = models.TextField(default="waiting")
    known_why = models.TextField(blank=True)
    case = models.ForeignKey(Case, models.CASCADE, null=True, related_name="triggers")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="trigger_name_is_known", condition=Q(name__in=list(TRIGGERS))
            ),
            models.CheckConstraint(
                name="trigger_state_is_known", condition=Q(state__in=TRIGGER_STATES)
            ),
            # A thousand sweeps note it once.
            models.UniqueConstraint(name="trigger_once", fields=["identity", "name", "subject"]),
            # A thousand triggers about one thing are one open item.
            models.UniqueConstraint(
                name="trigger_asked_once",
                fields=["identity", "name", "about"],
                condition=Q(state="asked"),
            ),
        ]
        indexes = [
            # The sweep that opens them (reviews/triggers/opening.py), oldest first.
            models.Index(
                name="trigger_waiting", fields=["found_at", "id"], condition=Q(state="waiting")
            ),
            # The page of an identity: what was noted of it lately.
            models.Index(name="trigger_newest", fields=["identity", "-found_at"]),
        ]


class OwnerSeen(models.Model):
    """Who answered for an identity when the sweep last looked: another one is a trigger."""

    identity = models.OneToOneField(
        Identity, models.CASCADE, primary_key=True, related_name="owner_seen"
    )
    owner = models.ForeignKey(Party, models.PROTECT, null=True, related_name="+")
    seen_at = models.DateTimeField()
