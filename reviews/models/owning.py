"""Handing over what one answers for, ends that are warned of, and what becomes of what people leave."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from evidence.keys import uuid7
from evidence.models.numbers import NextNumber
from identities.models import Delegation, Identity, Party, Person, Service, Team

# `passed`: not theirs either, and they named somebody else.
OFFER_STATES = ("open", "accepted", "declined", "passed", "withdrawn", "over")
REFUSED = ("declined", "passed")
ENDING = ("attestation", "contract")
# `held`: a draft, which never was active and so is not suspended.
DONE = ("warned", "suspended", "held", "escalated", "over")
WHY = ("left", "switched_off", "moved", "nobody")
# `stands`: somebody else stands behind what they granted.
ITEM_STATES = ("asked", "accepted", "stands", "unowned", "noted", "passed", "over")
# What is still to be looked at: found once, however often the sweep looks.
LIVE = ("asked", "stands", "unowned", "noted")


class OwnerOffer(models.Model):
    """Somebody is asked to own an identity. Until they accept, the old owner answers for it."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    identity = models.ForeignKey(Identity, models.PROTECT, related_name="offers")
    to = models.ForeignKey(Party, models.PROTECT, related_name="+")
    how = models.TextField()  # hand_over, not_mine
    reason = models.TextField()
    asked_at = models.DateTimeField()
    asked_by = models.TextField()
    asked_by_name = models.TextField(blank=True)
    asked_person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    deadline_at = models.DateTimeField()
    state = models.TextField(default="open")
    settled_at = models.DateTimeField(null=True)
    settled_by = models.TextField(blank=True)
    settled_by_name = models.TextField(blank=True)
    settled_reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="offer_state_is_known", condition=Q(state__in=OFFER_STATES)
            ),
            models.CheckConstraint(
                name="offer_how_is_known", condition=Q(how__in=["hand_over", "not_mine"])
            ),
            # Two people hand it over at once: the second meets the first one's offer.
            models.UniqueConstraint(
                name="offer_open_once", fields=["identity"], condition=Q(state="open")
            ),
        ]
        indexes = [
            # What waits for a party (reviews/pages/owned.py), and what nobody answered.
            models.Index(name="offer_waits", fields=["to"], condition=Q(state="open")),
            models.Index(name="offer_due", fields=["deadline_at"], condition=Q(state="open")),
        ]


class EndStep(models.Model):
    """One warning of an end, or the end itself (`days` 0), done once for that end."""

    identity = models.ForeignKey(Identity, models.PROTECT, related_name="end_steps")
    what = models.TextField()
    ends_at = models.DateTimeField()
    days = models.IntegerField()
    did = models.TextField()
    done_at = models.DateTimeField()
    words = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="end_what_is_known", condition=Q(what__in=ENDING)),
            models.CheckConstraint(name="end_did_is_known", condition=Q(did__in=DONE)),
            # A sweep that runs twice, or two of them: one warns.
            models.UniqueConstraint(
                name="end_step_once", fields=["identity", "what", "ends_at", "days"]
            ),
        ]


class Succession(models.Model):
    """Somebody has left or moved, or a team is empty: what becomes of what was theirs, as one list."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    number = models.BigIntegerField(unique=True, db_default=NextNumber("succession_number"))
    why = models.TextField()
    person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    team = models.ForeignKey(Team, models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField()
    noticed_at = models.DateTimeField()
    deadline_at = models.DateTimeField()
    # What they could read in clear, and what became of it, in sentences.
    could_read = models.JSONField(default=list)
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="succession_why_is_known", condition=Q(why__in=WHY)),
            models.CheckConstraint(
                name="succession_names_who",
                condition=Q(person__isnull=False) | Q(team__isnull=False),
            ),
            # Noticed twice, or by two sweeps: one list.
            models.UniqueConstraint(
                name="succession_open_once",
                fields=["person", "team", "why"],
                condition=Q(done_at__isnull=True),
                nulls_distinct=False,
            ),
        ]

    @property
    def key(self) -> str:
        return f"SUC-{self.number}"

    @property
    def called(self) -> str:
        return str(self.person or self.team)

    @property
    def gone(self) -> str:
        """What happened, as the beginning of a sentence."""
        if self.why == "moved":
            return f"{self.person} has left {self.team}"
        return f"{self.called} is no longer there"


class SuccessionItem(models.Model):
    """One thing that was theirs: who takes it over, and whether they have accepted."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    succession = models.ForeignKey(Succession, models.CASCADE, related_name="items")
    role = models.TextField()  # owner, backup, sponsor, ai_owner, grantor
    identity = models.ForeignKey(Identity, models.PROTECT, null=True, related_name="+")
    service = models.ForeignKey(Service, models.PROTECT, null=True, related_name="+")
    delegation = models.ForeignKey(Delegation, models.PROTECT, null=True, related_name="+")
    was = models.ForeignKey(Party, models.PROTECT, related_name="+")
    heir = models.ForeignKey(Party, models.PROTECT, null=True, related_name="+")
    tried = ArrayField(models.UUIDField(), default=list)
    state = models.TextField()
    words = models.TextField(blank=True)
    deadline_at = models.DateTimeField(null=True)
    case = models.UUIDField(null=True)
    settled_at = models.DateTimeField(null=True)
    settled_by = models.TextField(blank=True)
    settled_by_name = models.TextField(blank=True)
    settled_reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="succession_item_state_is_known", condition=Q(state__in=ITEM_STATES)
            ),
            models.UniqueConstraint(
                name="succession_item_once",
                fields=["role", "identity", "service", "delegation", "was"],
                condition=Q(state__in=LIVE),
                nulls_distinct=False,
            ),
        ]
        indexes = [
            # What waits for an heir (reviews/pages/owned.py), and what nobody answered.
            models.Index(name="succession_waits", fields=["heir"], condition=Q(state="asked")),
            models.Index(name="succession_due", fields=["deadline_at"], condition=Q(state="asked")),
        ]
