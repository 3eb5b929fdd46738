"""Revocations: one change to make in one outside system, made once, and looked at afterwards."""

from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from evidence.keys import uuid7
from evidence.models.numbers import NextNumber

from .identity import Credential, Identity

STEPS = ("hold", "release", "narrow", "suspend", "resume", "revoke")
STATES = ("requested", "sending", "sent", "confirmed", "effective", "failed", "undone")


class Revocation(models.Model):
    """requested → sending → sent → confirmed (the target shows it) → effective (use is refused).

    `sending` is committed before the call (decisions 19): a crash leaves "maybe sent", which
    verification settles. `failed` waits for a person, with the reason and who must act; `undone` was
    taken back by a release or resume before it was effective, and waits for nobody.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    number = models.BigIntegerField(unique=True, db_default=NextNumber("revocation_number"))
    identity = models.ForeignKey(Identity, models.PROTECT, related_name="revocations")
    credential = models.ForeignKey(
        Credential, models.PROTECT, null=True, blank=True, related_name="revocations"
    )
    delegation = models.UUIDField(null=True, blank=True)
    # Of what a principal is allowed, and not of all of the identity: the entitlement that was read.
    entitlement = models.UUIDField(null=True, blank=True)
    step = models.TextField()
    system = models.TextField()  # "aws", "countersign" (our own decision endpoint)
    target = models.JSONField()
    words = models.TextField()  # "Delete key AKIA…QP7D"
    state = models.TextField(default="requested")
    requested_at = models.DateTimeField()
    requested_by = models.TextField()
    requested_by_name = models.TextField(blank=True)
    because = models.TextField(blank=True)
    case = models.UUIDField(null=True, blank=True)
    case_key = models.TextField(blank=True)
    sending_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    effective_at = models.DateTimeField(null=True)
    # What still lives, and until when: [{"what", "until"}].
    residual = models.JSONField(default=list)
    residual_until = models.DateTimeField(null=True)
    attempts = models.IntegerField(default=0)
    # Goes before what a clock or a closing campaign asked for: misuse does not wait in their line.
    urgent = models.BooleanField(default=False, db_default=False)
    not_before = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    # The database session of the worker that holds the lease, and since when it is seen to be gone
    # (actions/revocations/leasing.py).
    leased_by = models.IntegerField(null=True)
    lost_at = models.DateTimeField(null=True)
    failed_why = models.TextField(blank=True)
    who_must_act = models.TextField(blank=True)
    reopened = ArrayField(models.TextField(), default=list)  # evidence of use afterwards
    # What its credential issued is stopped with it (identities/issued.py).
    takes_issued = models.BooleanField(default=False, db_default=False)
    takes_others = models.BooleanField(default=False, db_default=False)
    # But for what the identity's own runs issued or use (a key that is replaced).
    spares_own = models.BooleanField(default=False, db_default=False)
    # And the principals that it made: where a person asks, and in an incident.
    takes_made = models.BooleanField(default=False, db_default=False)
    # The revocation that took this one along: of what its credential was issued with.
    cause = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="taken_along",
        db_index=False,
    )
    # What is sent before it, so that nothing is minted anew meanwhile (actions/cascade).
    after = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )

    class Meta:
        constraints = [
            models.CheckConstraint(name="revocation_step_is_known", condition=Q(step__in=STEPS)),
            models.CheckConstraint(name="revocation_state_is_known", condition=Q(state__in=STATES)),
            # Asking twice for the same change on the same credential makes it once.
            models.UniqueConstraint(
                name="revocation_open_once",
                fields=["credential", "step"],
                condition=Q(credential__isnull=False)
                & Q(state__in=["requested", "sending", "sent", "confirmed"]),
            ),
        ]
        indexes = [
            # The sweep (identities/tasks.py, enforce): what is due, urgent and then oldest first, and
            # last what only has to be outlasted.
            models.Index(
                models.ExpressionWrapper(Q(state="confirmed"), output_field=models.BooleanField()),
                models.ExpressionWrapper(Q(urgent=False), output_field=models.BooleanField()),
                "not_before",
                "number",
                name="revocation_due",
                condition=Q(state__in=["requested", "sending", "sent", "confirmed"]),
            ),
            # What somebody moves now, or died moving.
            models.Index(
                name="revocation_leased",
                fields=["leased_until"],
                condition=Q(leased_until__isnull=False),
            ),
            # What a revocation took along.
            models.Index(
                name="revocation_of_cause",
                fields=["cause"],
                condition=Q(cause__isnull=False),
            ),
            # The wall (reviews/pages/unfinished.py): what is not effective, oldest first.
            models.Index(
                name="revocation_unfinished",
                fields=["requested_at", "number"],
                condition=Q(state__in=["requested", "sending", "sent", "confirmed", "failed"]),
            ),
        ]

    @property
    def key(self) -> str:
        return f"REV-{self.number}"

    def takes(self, identity: UUID | None) -> bool:
        """Whether it takes along what its credential issued to this identity; None: to nobody's."""
        return self.takes_issued and (self.takes_others or identity in (None, self.identity_id))

    @property
    def stated(self) -> bool:
        """Whether it is effective because people state it and nobody has seen it. Lists prefetch
        `statements`."""
        return self.state == "effective" and any(
            one.state == "stands" and one.counted_at == self.effective_at and one.seen_at is None
            for one in self.statements.all()
        )


class RevocationTry(models.Model):
    """One attempt or look at the target: insert-only history under a revocation."""

    revocation = models.ForeignKey(Revocation, models.CASCADE, related_name="tries")
    at = models.DateTimeField()
    did = models.TextField()  # send, verify, again, probe, proof
    result = models.TextField()
    detail = models.TextField(blank=True)


class Circuit(models.Model):
    """An account of an outside system that does not answer: asked less, by one row at a time.

    A row is there from the first failure until something is answered. `open_until`: nothing is
    asked before; `trial_until`: one row is trying whether it answers again
    (actions/revocations/circuits.py).
    """

    system = models.TextField()
    account = models.TextField()
    failures = models.IntegerField(default=0)  # one after the other, of whatever row
    since = models.DateTimeField()
    why = models.TextField()  # of the last of them
    open_until = models.DateTimeField(null=True)
    trial_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="circuit_once", fields=["system", "account"]),
        ]
