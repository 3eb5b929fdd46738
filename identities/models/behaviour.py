"""What identities did: attributions, usage, findings. All derived, all derivable again.

`Attribution` is the only way pages ask for an identity's events. It is range-partitioned by
month like the events, and holds small numbers only (decisions 4, 5).
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from evidence.keys import uuid7
from evidence.models.numbers import NextNumber

from .identity import Identity
from .people import User

# How an event is known to be the identity's. The larger is the stronger.
ONE_OF, BY_INFERENCE, BY_KEY, BY_EXACT = 1, 2, 3, 4
# What role the bound actor had in the event.
AS_PRINCIPAL, AS_CREDENTIAL, AS_AGENT, AS_ON_BEHALF = 1, 2, 3, 4
# The verdict on an event.
NOT_JUDGED, INSIDE, OUTSIDE = 0, 1, 2

FINDING_STATES = ("open", "confirmed", "expected", "false", "duplicate", "withdrawn")
RULES = (
    "no_authority",
    "outside_resources",
    "after_expiry",
    "after_revocation",
    "shared_credential",
    "no_run",
    "left_task",
    "after_refusal",
    "no_mfa",
    "outside_instance",
    "conflicting_trace",
    "interactive_use",
)


class Attribution(models.Model):
    """This event is this identity's: how it is known, and whether it was inside."""

    pk = models.CompositePrimaryKey("identity_no", "at", "event_id")
    at = models.DateTimeField()
    event_id = models.BigIntegerField()
    binding_id = models.BigIntegerField()
    identity_no = models.IntegerField()  # Identity.number
    source_id = models.IntegerField()
    role = models.SmallIntegerField()
    strength = models.SmallIntegerField()
    verdict = models.SmallIntegerField(default=NOT_JUDGED)
    reason = models.SmallIntegerField(default=0)  # index into findings.REASONS
    rules_version = models.SmallIntegerField(default=0)
    plane = models.SmallIntegerField()


class UsageDay(models.Model):
    """How often one identity did one thing on one day: pages never count events by scanning."""

    identity_no = models.IntegerField()
    day = models.DateField()
    action_id = models.BigIntegerField()  # evidence.Term
    family = models.TextField()  # resource family: "invoices/*"
    plane = models.SmallIntegerField()
    count = models.IntegerField()
    inside = models.IntegerField(default=0)
    outside = models.IntegerField(default=0)
    linked = models.IntegerField(default=0)  # reach a run by an exact link
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="usage_once", fields=["identity_no", "day", "action_id", "family", "plane"]
            )
        ]
        indexes = [
            # What other systems signalled lately (reviews/triggers/signals.py).
            models.Index(name="usage_signalled", fields=["day"], condition=Q(plane=3))
        ]


class Finding(models.Model):
    """Behaviour outside authority: one open row per identity, rule and resource family."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    number = models.BigIntegerField(unique=True, db_default=NextNumber("finding_number"))
    identity = models.ForeignKey(
        Identity, models.PROTECT, null=True, blank=True, related_name="findings"
    )
    # When no identity is known: the actor's name, so that nothing goes unsaid.
    actor_id = models.BigIntegerField(null=True, blank=True)
    rule = models.TextField()
    family = models.TextField(blank=True)  # resource family, or the run, credential or address
    trace = models.UUIDField(null=True, blank=True)
    # Of the weakest event: the sentence speaks of them all (vocabulary.INFERRED, KEY, EXACT).
    strength = models.SmallIntegerField()
    # How many events of each strength there are: {"exact": 4, "key": 3}.
    strengths = models.JSONField(default=dict)
    words = models.TextField()  # the sentence a person reads
    state = models.TextField(default="open")
    count = models.IntegerField(default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    controls = ArrayField(models.TextField(), default=list)
    details = models.JSONField(default=dict)
    assignee = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    opened_at = models.DateTimeField()
    state_at = models.DateTimeField()
    state_by = models.TextField(blank=True)
    state_reason = models.TextField(blank=True)
    # While it is withdrawn: what a person had said of it (state, by, reason), to stand again when
    # the evidence is back.
    said_before = models.JSONField(default=dict, db_default={}, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="finding_rule_is_known", condition=Q(rule__in=RULES)),
            models.CheckConstraint(
                name="finding_state_is_known",
                condition=Q(state__in=list(FINDING_STATES)),
            ),
            # A thousand events of one kind are one open row with a count.
            models.UniqueConstraint(
                name="finding_open_once",
                fields=["identity", "actor_id", "rule", "family"],
                condition=Q(state__in=["open", "confirmed"]),
                nulls_distinct=False,
            ),
        ]
        indexes = [
            models.Index(name="finding_of_identity", fields=["identity", "-last_at"]),
            models.Index(
                name="finding_open",
                fields=["-last_at"],
                condition=Q(state__in=["open", "confirmed"]),
            ),
            # Looked at again with every deposit that names their credential.
            models.Index(
                name="finding_interactive",
                fields=["actor_id"],
                condition=Q(rule="interactive_use", state__in=["open", "confirmed"]),
            ),
            # The pages of sources ask which contradict each other.
            models.Index(
                name="finding_conflicting",
                fields=["family"],
                condition=Q(rule="conflicting_trace", state__in=["open", "confirmed"]),
            ),
        ]

    @property
    def key(self) -> str:
        return f"F-{self.number}"


class FindingEvent(models.Model):
    """One event under a finding, by (at, id)."""

    finding = models.ForeignKey(Finding, models.CASCADE, related_name="events")
    at = models.DateTimeField()
    event_id = models.BigIntegerField()
    strength = models.SmallIntegerField()
    reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="finding_event_once", fields=["finding", "at", "event_id"])
        ]
        indexes = [models.Index(name="finding_of_event", fields=["at", "event_id"])]


class CredentialAgent(models.Model):
    """A run of this agent was seen to use this credential from this address (exact links only).

    What sharing and absence are judged on. A run of which no agent is known counts by its service,
    until the agent has come (identities/judging/key_users.py).
    """

    credential_actor = models.BigIntegerField()  # evidence.Actor
    agent_actor = models.BigIntegerField()  # evidence.Actor; the service itself when unnamed
    # evidence.Actor, the sender of the spans; 0 when they state none, or remembered before 0016.
    service_actor = models.BigIntegerField(default=0, db_default=0)
    address_id = models.BigIntegerField()  # evidence.Term; 0 when the log states none
    source_id = models.IntegerField()  # the trace source, whose completeness absence waits for
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="credential_agent_once",
                fields=[
                    "credential_actor",
                    "agent_actor",
                    "service_actor",
                    "address_id",
                    "source_id",
                ],
            )
        ]


class CredentialPrincipal(models.Model):
    """Records name this principal with this standing credential, of a kind that its system gives
    to one principal only (identities/keyholders.py). Two principals: it cannot be told.
    """

    credential_actor = models.BigIntegerField()  # evidence.Actor
    principal_actor = models.BigIntegerField()  # evidence.Actor
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="credential_principal_once",
                fields=["credential_actor", "principal_actor"],
            )
        ]


class CredentialWatch(models.Model):
    """How far a credential that runs use has been judged on absence and sharing."""

    credential_actor = models.BigIntegerField(primary_key=True)
    # New events or links since the last look.
    dirty = models.BooleanField(default=True)
    judged_through = models.DateTimeField(null=True)
    # Its exactly linked calls that came from a network, counted no further than to twenty.
    exact_calls = models.SmallIntegerField(default=0, db_default=0)
    # The networks that its exactly linked calls came from; NULL: not yet learned
    # (identities/judging/key_networks.py).
    networks = ArrayField(models.TextField(), null=True)
    # The agents that are exactly linked to it, by its calls or because they issued it; actors.
    agents = ArrayField(models.BigIntegerField(), null=True)

    class Meta:
        indexes = [
            models.Index(
                name="credential_watch_dirty", fields=["credential_actor"], condition=Q(dirty=True)
            )
        ]


class CallerAddress(models.Model):
    """A machine credential called from this address on this UTC day; `tool`: with a command line tool.

    What has to be looked at again when somebody turns out to sign in from there, or when enough of
    the agent's own calls are known (identities/judging/caller_addresses.py).
    """

    identity_no = models.IntegerField()  # Identity.number
    actor_id = models.BigIntegerField()  # evidence.Actor: the credential, else the principal
    address_id = models.BigIntegerField()  # evidence.Term; 0 when the log states none
    day = models.DateField()
    tool = models.BooleanField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="caller_address_once",
                fields=["identity_no", "actor_id", "address_id", "day", "tool"],
            )
        ]
        indexes = [models.Index(name="caller_address_of_day", fields=["address_id", "day"])]


class SignInAddress(models.Model):
    """A person signed in from this address on this UTC day."""

    actor_id = models.BigIntegerField()  # evidence.Actor: who signed in
    address_id = models.BigIntegerField()  # evidence.Term
    day = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="sign_in_address_once", fields=["address_id", "day", "actor_id"]
            )
        ]


class Rejudging(models.Model):
    """Deposits with ids below this one are still to be judged once more (identities/judging/past.py)."""

    below = models.BigIntegerField()  # evidence.Deposit
    moved_at = models.DateTimeField(null=True)
