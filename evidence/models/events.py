"""Events and what hangs on them: actors, terms, links, issuances, runs.

Event, Link and DepositBody are range-partitioned by month (evidence/partitions.py); the
migration creates them by SQL. References to events are the pair (at, id), without a foreign
key. An event is immutable; its size is a promise: 500 bytes with its indexes.
"""

from datetime import datetime

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length


class Actor(models.Model):
    """A name by which somebody appears in evidence: realm, kind, value."""

    key = models.UUIDField(unique=True)  # keys.key_of(realm, kind, value)
    realm = models.TextField()
    kind = models.TextField()
    value = models.TextField()
    # The longer-lived actor that people bind; children follow. Set once.
    parent = models.ForeignKey("self", models.PROTECT, null=True, related_name="children")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="actor_is_not_its_own_parent",
                condition=Q(parent__isnull=True) | ~Q(parent=F("id")),
            ),
            models.CheckConstraint(
                name="actor_value_is_bounded", condition=Q(value__length__lte=2048)
            ),
        ]
        indexes = [
            # Search as one types, on identities, unclaimed actors and the top bar.
            GinIndex(name="actor_search", fields=["value"], opclasses=["gin_trgm_ops"]),
        ]

    def __str__(self) -> str:
        return self.value


models.TextField.register_lookup(Length)


class Term(models.Model):
    """Wide text that events repeat: actions, resources, addresses, user agents, errors."""

    ACTION, RESOURCE, ADDRESS, USER_AGENT, ERROR, CONVERSATION, TASK, RELEASE = range(1, 9)

    key = models.UUIDField(unique=True)  # keys.key_of(str(kind), value)
    kind = models.SmallIntegerField()
    value = models.TextField()

    def __str__(self) -> str:
        return self.value


class Event(models.Model):
    """One thing that happened, normalised, immutable.

    `id` is the first 63 bits of `digest` (keyed, over realm, format, vendor id and the received
    record), so the same record has the same (at, id) whoever sends it and whenever. A record
    whose id is taken by another digest becomes a reject, never a silent loss.
    """

    pk = models.CompositePrimaryKey("at", "id")
    at = models.DateTimeField()
    id = models.BigIntegerField()
    received_at = models.DateTimeField()
    deposit_id = models.BigIntegerField()
    action_id = models.BigIntegerField()
    resource_id = models.BigIntegerField(null=True)
    principal_id = models.BigIntegerField(null=True)
    credential_id = models.BigIntegerField(null=True)
    agent_id = models.BigIntegerField(null=True)
    on_behalf_id = models.BigIntegerField(null=True)
    address_id = models.BigIntegerField(null=True)
    user_agent_id = models.BigIntegerField(null=True)
    error_id = models.BigIntegerField(null=True)
    conversation_id = models.BigIntegerField(null=True)
    task_id = models.BigIntegerField(null=True)
    release_id = models.BigIntegerField(null=True)
    span = models.BigIntegerField(null=True)
    parent_span = models.BigIntegerField(null=True)
    duration = models.BigIntegerField(null=True)  # microseconds
    source_id = models.IntegerField()
    ordinal = models.IntegerField()  # place among the deposit's records
    plane = models.SmallIntegerField()
    activity = models.SmallIntegerField()
    outcome = models.SmallIntegerField()
    time_basis = models.SmallIntegerField()
    reading = models.SmallIntegerField(default=1)  # version of the format that read it
    digest = models.UUIDField()
    trace = models.UUIDField(null=True)
    request_id = models.TextField(null=True)


class AgentAbove(models.Model):
    """The agent of a span that names none itself and came in another body than who names it above.

    Derived whenever its trace grows (evidence/runs.py). It has the key of its event; who asks for
    an agent's events asks here too (evidence/queries/agents.py).
    """

    pk = models.CompositePrimaryKey("at", "id")
    at = models.DateTimeField()
    id = models.BigIntegerField()
    agent_id = models.BigIntegerField()  # Actor

    class Meta:
        # An agent's newest spans, beside event_agent.
        indexes = [models.Index(name="agentabove_agent", fields=["agent_id", "at"])]


class Retold(models.Model):
    """A tool call that a span above it tells already, `by` which: one call, counted once.

    Derived whenever its trace grows (evidence/retold.py); both keys are of events.
    """

    pk = models.CompositePrimaryKey("at", "id", "by_at", "by_id")
    at = models.DateTimeField()
    id = models.BigIntegerField()
    by_at = models.DateTimeField()
    by_id = models.BigIntegerField()


class Sighting(models.Model):
    """An event seen again in another source: kept, so that completeness can be compared."""

    pk = models.CompositePrimaryKey("at", "event_id", "source_id")
    at = models.DateTimeField()
    event_id = models.BigIntegerField()
    source_id = models.IntegerField()
    deposit_id = models.BigIntegerField()


class Issuance(models.Model):
    """An event that issued a credential: the first link of every chain."""

    pk = models.CompositePrimaryKey("at", "event_id", "credential_id")
    at = models.DateTimeField()
    event_id = models.BigIntegerField()
    # As in the events themselves, no constraint: four checks a row took longer than the event that
    # the row is of. Actors are never deleted, only their names erased (migration 0015).
    credential = models.ForeignKey(
        Actor, models.PROTECT, related_name="issuances", db_constraint=False
    )
    issued_to = models.ForeignKey(
        Actor, models.PROTECT, null=True, related_name="+", db_constraint=False
    )
    by_principal = models.ForeignKey(
        Actor, models.PROTECT, null=True, related_name="+", db_constraint=False, db_index=False
    )
    by_credential = models.ForeignKey(
        Actor,
        models.PROTECT,
        null=True,
        related_name="issued",
        db_constraint=False,
        db_index=False,
    )
    standing = models.BooleanField()
    expires_at = models.DateTimeField(null=True)  # as stated, also when it is before `at`
    deposit_id = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(
                name="issuance_by_credential",
                fields=["by_credential"],
                condition=models.Q(by_credential__isnull=False),
            )
        ]

    @property
    def ends_at(self) -> datetime | None:
        """When it ends; none is known where the stated end is before its start."""
        return self.expires_at if self.expires_at and self.expires_at >= self.at else None


class Link(models.Model):
    """ "This API event was caused by that tool call": insert-only, never above its proof.

    effect = the API event of an identity log; cause = a span event. A better proof adds a row;
    readers take the strongest.
    """

    pk = models.CompositePrimaryKey("effect_at", "effect_id", "cause_at", "cause_id", "proof")
    effect_at = models.DateTimeField()
    effect_id = models.BigIntegerField()
    cause_at = models.DateTimeField()
    cause_id = models.BigIntegerField()
    proof = models.SmallIntegerField()
    strength = models.SmallIntegerField()
    recorded_at = models.DateTimeField()


class Run(models.Model):
    """One agent run: the events of one trace. Derived again whenever its trace grows."""

    # A run is written for every trace: as with events, the database does not look up each name
    # that one says (names go by functions of its owner, which ask for runs first), and there are
    # the indexes below only.
    source = models.ForeignKey(
        "evidence.Source",
        models.PROTECT,
        related_name="runs",
        db_index=False,
        db_constraint=False,
    )
    trace = models.UUIDField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    agent = models.ForeignKey(
        Actor, models.PROTECT, null=True, related_name="runs", db_index=False, db_constraint=False
    )
    service = models.ForeignKey(
        Actor, models.PROTECT, null=True, related_name="+", db_index=False, db_constraint=False
    )
    on_behalf = models.ForeignKey(
        Actor, models.PROTECT, null=True, related_name="+", db_index=False, db_constraint=False
    )
    conversation = models.ForeignKey(
        Term, models.PROTECT, null=True, related_name="+", db_index=False, db_constraint=False
    )
    task = models.ForeignKey(
        Term, models.PROTECT, null=True, related_name="+", db_index=False, db_constraint=False
    )
    release = models.ForeignKey(
        Term, models.PROTECT, null=True, related_name="+", db_index=False, db_constraint=False
    )
    spans = models.IntegerField(default=0)
    tool_calls = models.IntegerField(default=0)
    model_calls = models.IntegerField(default=0)
    api_calls = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)
    # The root span has arrived: the run has ended.
    ended = models.BooleanField(default=False)
    # Whether a call of one of its tools issued a key; empty: not known. Nobody looks for uses of
    # such keys where there are none.
    issued = models.BooleanField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="run_once", fields=["source", "trace"])]
        indexes = [
            # The runs of one agent inside a window, on the line.
            models.Index(
                name="run_of_agent",
                fields=["agent", "first_at"],
                condition=models.Q(agent__isnull=False),
            ),
            models.Index(
                name="run_of_service",
                fields=["service", "first_at"],
                condition=models.Q(agent__isnull=True),
            ),
        ]

    @property
    def key(self) -> str:
        """The human key: RUN-41."""
        return f"RUN-{self.pk}"
