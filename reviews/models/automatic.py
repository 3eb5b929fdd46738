"""Automatic holds: the rules that two people sign, and what each finding led to by them."""

from datetime import timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from evidence.keys import uuid7
from evidence.models.numbers import NextNumber
from identities.models import Finding, Identity, Person
from identities.models.signed import TwoSigned, signed_by_two

from .cases import Case, Item

HOLD_STATES = ("asked", "held", "released", "final")
# Whatever a rule says, it never holds more in one hour.
MOST_IN_AN_HOUR = 100


class HoldRule(TwoSigned):
    """Findings of these classes hold by themselves what they were done with, in this scope.

    Never changed in place: it ends by one person's word, or by itself when it reaches its limit.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    number = models.BigIntegerField(unique=True, db_default=NextNumber("hold_rule_number"))
    scope = models.JSONField(default=dict, blank=True)  # in the words of review policies
    classes = ArrayField(models.TextField())  # names of rules of findings
    per_hour = models.SmallIntegerField()
    per_day = models.SmallIntegerField()
    # Asked where it may not hold by itself, and when it has reached its limit.
    asked = models.ForeignKey(Person, models.PROTECT, related_name="+")
    replayed_days = models.SmallIntegerField()
    # What the dry replay said when it was proposed and when it was signed.
    replayed = models.JSONField(default=dict, blank=True)
    seen = models.JSONField(default=dict, blank=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.TextField(blank=True)
    ended_by_name = models.TextField(blank=True)
    ended_reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            *signed_by_two("hold_rule"),
            models.CheckConstraint(
                name="hold_rule_has_limits",
                condition=Q(per_hour__gte=1)
                & Q(per_hour__lte=MOST_IN_AN_HOUR)
                & Q(per_day__gte=F("per_hour"))
                & Q(per_day__lte=24 * MOST_IN_AN_HOUR),
            ),
            models.CheckConstraint(
                name="hold_rule_names_a_class", condition=Q(classes__len__gte=1)
            ),
            models.CheckConstraint(
                name="hold_rule_ended_says_why",
                condition=~Q(state="ended") | (Q(ended_at__isnull=False) & ~Q(ended_reason="")),
            ),
            # A form that is sent twice asks for one signature.
            models.UniqueConstraint(
                name="hold_rule_proposed_once",
                fields=["scope", "classes"],
                condition=Q(state="proposed"),
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        return f"AUTO-{self.number}"

    @property
    def url(self) -> str:
        return f"/automatic-holds/{self.key}/"


class AutomaticHold(models.Model):
    """What one finding led to under a rule: held by itself, or a person asked instead, and why.

    One row for each finding, for ever: what people released is never held again for it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    number = models.BigIntegerField(unique=True, db_default=NextNumber("automatic_hold_number"))
    rule = models.ForeignKey(HoldRule, models.PROTECT, related_name="holds")
    finding = models.OneToOneField(Finding, models.PROTECT, related_name="automatic_hold")
    identity = models.ForeignKey(Identity, models.PROTECT, related_name="automatic_holds")
    case = models.ForeignKey(Case, models.PROTECT, related_name="automatic_holds")
    item = models.ForeignKey(Item, models.PROTECT, related_name="automatic_holds")
    state = models.TextField()
    words = models.TextField()  # what was held, or why a person was asked instead
    # The newest event that it rests on, and how many there were.
    event_at = models.DateTimeField()
    event_id = models.BigIntegerField()
    events = models.IntegerField()
    strength = models.SmallIntegerField()
    # When that event was received, when the finding was stored, when this was decided.
    received_at = models.DateTimeField()
    found_at = models.DateTimeField()
    decided_at = models.DateTimeField()
    # What is to be known to let it go (reviews/actions/holds.py).
    stopped = models.JSONField(default=dict, blank=True)
    # Since when it stands on nothing, and was said to: the finding was withdrawn or settled.
    told_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    settled_by = models.TextField(blank=True)
    settled_by_name = models.TextField(blank=True)
    settled_person = models.ForeignKey(
        Person, models.PROTECT, null=True, blank=True, related_name="+"
    )
    settled_reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="automatic_hold_state_is_known", condition=Q(state__in=HOLD_STATES)
            ),
            models.CheckConstraint(
                name="automatic_hold_settled_says_how",
                condition=Q(state__in=["asked", "held"])
                | (Q(settled_at__isnull=False) & ~Q(settled_reason="")),
            ),
        ]
        indexes = [
            # What people have settled of it, and what it stands on no more (reviews/tasks.py).
            models.Index(
                name="automatic_hold_held", fields=["decided_at"], condition=Q(state="held")
            ),
            # The limit of a rule: what it held within an hour and a day.
            models.Index(
                name="automatic_hold_of_rule",
                fields=["rule", "decided_at"],
                condition=~Q(state="asked"),
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        return f"AH-{self.number}"

    @property
    def url(self) -> str:
        return f"/automatic-holds/held/{self.key}/"

    @property
    def took(self) -> timedelta:
        """From the finding being stored to the hold being asked for."""
        return self.decided_at - self.found_at
