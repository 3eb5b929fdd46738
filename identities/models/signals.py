"""Shared signals that go out: who receives them, on which streams, and what waits there.

OpenID Shared Signals Framework 1.0 in rows: a stream belongs to one receiver; an event is told
once for all streams; a SET is that event on one stream, and waits until its receiver took it.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from evidence.keys import uuid7

from .identity import Identity
from .people import User

STREAM_STATES = ("enabled", "paused", "disabled")
DELIVERIES = ("push", "poll")
SET_STATES = ("waiting", "taken", "refused", "dropped")
SUBJECTS = ("ALL", "NONE")
# How a receiver has identities named: by our own key, by one of these formats where there is such
# a name, or by all names there are.
NAMED = ("key", "iss_sub", "email", "uri", "opaque", "aliases")


class SignalReceiver(models.Model):
    """A system that is told: the login whose tokens manage its streams, and what it is called."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    name = models.TextField(unique=True)
    user = models.OneToOneField(User, models.PROTECT, related_name="signals")
    audience = models.TextField()  # `aud` of every SET
    # Whether a stream begins with every identity or with none.
    default_subjects = models.TextField(default="ALL")
    named_by = models.TextField(default="key")
    created_at = models.DateTimeField()
    created_by = models.TextField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="signal_subjects_are_known", condition=Q(default_subjects__in=SUBJECTS)
            ),
            models.CheckConstraint(name="signal_naming_is_known", condition=Q(named_by__in=NAMED)),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def url(self) -> str:
        return "/signals/"


class SignalStream(models.Model):
    """One stream of a receiver, how it is delivered, and how that goes.

    `failures` and `not_before` are its circuit: a receiver that does not answer is asked less.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    receiver = models.ForeignKey(SignalReceiver, models.PROTECT, related_name="streams")
    description = models.TextField(blank=True)
    delivery = models.TextField()
    endpoint = models.TextField(blank=True)  # of a push
    # The Authorization header that the receiver asked for, encrypted (enforcers/signal_keys.py).
    authorization = models.TextField(blank=True)
    requested = ArrayField(models.TextField(), default=list)  # event type URIs; empty: all we have
    status = models.TextField(default="enabled")
    status_reason = models.TextField(blank=True)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)
    # Not held while it was disabled.
    dropped = models.BigIntegerField(default=0)
    # Given way to newer ones, because more waited than a stream holds; and when that was last.
    overflowed = models.BigIntegerField(default=0)
    overflowed_at = models.DateTimeField(null=True)
    asked_at = models.DateTimeField(null=True)  # a verification, last
    verified_at = models.DateTimeField(null=True)  # one was taken, last
    taken_at = models.DateTimeField(null=True)  # anything was, last
    polled_at = models.DateTimeField(null=True)
    failures = models.IntegerField(default=0)
    failed_why = models.TextField(blank=True)
    who_must_act = models.TextField(blank=True)
    not_before = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="signal_status_is_known", condition=Q(status__in=STREAM_STATES)
            ),
            models.CheckConstraint(
                name="signal_delivery_is_known", condition=Q(delivery__in=DELIVERIES)
            ),
            models.CheckConstraint(
                name="signal_push_has_an_endpoint", condition=~Q(delivery="push", endpoint="")
            ),
        ]

    def __str__(self) -> str:
        return f"The stream of {self.receiver.name}"

    @property
    def stream_id(self) -> str:
        return self.id.hex

    @property
    def url(self) -> str:
        return f"/signals/stream/{self.stream_id}/"


class SignalSubject(models.Model):
    """A subject that a receiver added to a stream, or removed from it (RFC 9493)."""

    stream = models.ForeignKey(SignalStream, models.CASCADE, related_name="subjects")
    digest = models.BinaryField()  # SHA-256 of its canonical form: of the user of a complex one
    subject = models.JSONField()
    included = models.BooleanField()
    said_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Whether an event's subject is on a stream (identities/signals/telling.py).
            models.UniqueConstraint(name="signal_subject_once", fields=["digest", "stream"])
        ]


class SignalEvent(models.Model):
    """One thing that is told. `cause` names the fact, so that it is told once for ever."""

    id = models.BigAutoField(primary_key=True)
    cause = models.TextField(unique=True)
    kind = models.TextField()  # session-revoked, credential-change, …
    identity = models.ForeignKey(Identity, models.PROTECT, null=True, related_name="+")
    names = models.JSONField(default=list)  # simple subject identifiers, our own first
    payload = models.JSONField(default=dict)  # the event's claims
    txn = models.TextField(blank=True)
    happened_at = models.DateTimeField()
    made_at = models.DateTimeField()

    class Meta:
        indexes = [
            # The risk level that was told last of each identity (identities/signals/telling.py).
            models.Index(
                name="signal_last_risk",
                fields=["identity", "-id"],
                condition=Q(kind="risk-level-change"),
            )
        ]


class SignalSet(models.Model):
    """One event on one stream: it waits until the receiver took it or refused it.

    `control`: it says that the stream's status changed, and is told whatever that is.
    """

    id = models.BigAutoField(primary_key=True)
    stream = models.ForeignKey(SignalStream, models.CASCADE, related_name="sets")
    event = models.ForeignKey(SignalEvent, models.PROTECT, related_name="sets")
    jti = models.TextField()
    control = models.BooleanField(default=False)
    state = models.TextField(default="waiting")
    attempts = models.IntegerField(default=0)  # answered with a failure
    err = models.TextField(blank=True)  # RFC 8935's code, or ours
    said = models.TextField(blank=True)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="signal_set_is_known", condition=Q(state__in=SET_STATES)),
            models.UniqueConstraint(name="signal_set_once", fields=["stream", "event"]),
            # What a poll acknowledges.
            models.UniqueConstraint(name="signal_jti_once", fields=["stream", "jti"]),
        ]
        indexes = [
            # What waits, in order; a million that were taken cost nothing.
            models.Index(
                name="signal_set_waiting", fields=["stream", "id"], condition=Q(state="waiting")
            ),
            # What a stream's page lists.
            models.Index(
                name="signal_set_refused", fields=["stream", "-id"], condition=Q(state="refused")
            ),
        ]
