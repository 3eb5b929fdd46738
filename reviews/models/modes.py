"""Which mode a scope is in, by whose signatures, and what is held before it is revoked for good."""

from django.db import models
from django.db.models import Q

from evidence.keys import uuid7
from evidence.models.numbers import NextNumber
from identities.models import Identity
from identities.models.identity import MODES
from identities.models.signed import TwoSigned, signed_by_two

from .cases import Case, Item

QUARANTINE_STATES = ("held", "restored", "revoked", "over")


class ModeRule(TwoSigned):
    """Every identity in this scope is in this mode, whenever it comes into the scope.

    Of two rules about one identity the one signed later holds. A step back (`back`) takes one
    signature, is in force at once, and stands where the rule stood that it takes back.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    number = models.BigIntegerField(unique=True, db_default=NextNumber("mode_rule_number"))
    scope = models.JSONField(default=dict, blank=True)  # in the words of review policies
    mode = models.TextField()
    back = models.BooleanField(default=False)
    since = models.DateTimeField(null=True)  # signed: it holds over rules that are in force longer
    # What the dry run said when it was signed.
    seen = models.JSONField(default=dict, blank=True)
    moved = models.IntegerField(default=0)  # identities whose mode it has changed so far
    applied_at = models.DateTimeField(null=True)  # everybody of the first day has it
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            *signed_by_two("mode_rule", but=Q(back=True)),
            models.CheckConstraint(name="mode_rule_mode_is_known", condition=Q(mode__in=MODES)),
            # One question about one scope at a time.
            models.UniqueConstraint(
                name="mode_rule_proposed_once", fields=["scope"], condition=Q(state="proposed")
            ),
        ]
        indexes = [
            # The sweep (reviews/tasks.py, modes): what is in force, newest first.
            models.Index(
                name="mode_rule_in_force", fields=["-since"], condition=Q(state="in_force")
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        return f"MODE-{self.number}"

    @property
    def url(self) -> str:
        return f"/modes/{self.key}/"


class Quarantine(models.Model):
    """Something that the seats revoked, held until `until` and revoked then.

    `held` can be restored by one click; `restored` was; `revoked`: its time was over; `over`: the
    seats decided otherwise meanwhile.
    """

    case = models.ForeignKey(Case, models.CASCADE, related_name="quarantines")
    item = models.ForeignKey(Item, models.CASCADE, related_name="quarantines")
    identity = models.ForeignKey(Identity, models.PROTECT, related_name="+")
    since = models.DateTimeField()
    until = models.DateTimeField()
    state = models.TextField(default="held")
    # For a delegation: the versions to come back to (reviews/actions/grants.py, stop).
    stopped = models.JSONField(default=dict, blank=True)
    settled_at = models.DateTimeField(null=True)
    settled_by = models.TextField(blank=True)
    settled_by_name = models.TextField(blank=True)
    words = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="quarantine_state_is_known", condition=Q(state__in=QUARANTINE_STATES)
            ),
            models.CheckConstraint(
                name="quarantine_runs_forward", condition=Q(until__gt=models.F("since"))
            ),
            # Two workers at once hold it once.
            models.UniqueConstraint(
                name="quarantine_held_once", fields=["item"], condition=Q(state="held")
            ),
        ]
        indexes = [
            # The sweep (reviews/tasks.py, carry_out), and the list by deadline.
            models.Index(name="quarantine_due", fields=["until"], condition=Q(state="held")),
        ]
