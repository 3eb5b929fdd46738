"""Grants: what break-glass gave to one holder at one target, and that it is taken away again.

Owns their states and what the target showed. That our decision endpoint allows and denies is the
delegation's (authority.py): a grant is its realisation in an outside system.
"""

from django.db import models
from django.db.models import F, Q

from evidence.keys import uuid7
from evidence.models.numbers import NextNumber

from .authority import Delegation
from .identity import Identity
from .people import User

GRANT_STATES = ("asked", "granting", "usable", "ending", "ended", "failed")
CLOCKS = ("approval", "first_use")


class Grant(models.Model):
    """asked → granting (maybe sent) → usable (the target shows it) → ending → ended (nothing lives).

    `ends_at` is the stored deadline. `removed_at`: the target shows that it is gone; until
    `residual_until` something of it may live on, as `residual` says. `failed` waits for a person,
    and one that is `ending_at` already is tried again by itself as well. With the clock
    "first_use", `ends_at` is the latest end, and the first use brings it down to `lasts` after it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    number = models.BigIntegerField(unique=True, db_default=NextNumber("grant_number"))
    case = models.UUIDField()
    case_key = models.TextField(blank=True)
    delegation = models.ForeignKey(Delegation, models.PROTECT, related_name="grants")
    holder = models.ForeignKey(
        Identity, models.PROTECT, null=True, blank=True, related_name="grants"
    )
    person = models.TextField(blank=True)  # the login of the human who uses it
    bundle = models.TextField(blank=True)  # its slug
    bundle_version = models.IntegerField(null=True, blank=True)
    # Where and what: an enforcer's words (identities/enforcers/grants.py).
    system = models.TextField()
    account = models.TextField()
    kind = models.TextField()
    name = models.TextField()
    extra = models.JSONField(default=dict, blank=True)
    permissions = models.JSONField(default=list, blank=True)  # [{"actions": [], "resources": []}]
    words = models.TextField()  # "s3:GetObject on arn:… through role break-glass"
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    clock = models.TextField(default="approval")
    lasts = models.DurationField(null=True, blank=True)
    first_used_at = models.DateTimeField(null=True, blank=True)
    target_ends_itself = models.BooleanField()
    # The end that the target last showed for it: where it is another one, it is put there again.
    shown_until = models.DateTimeField(null=True, blank=True)
    state = models.TextField(default="asked")
    asked_at = models.DateTimeField()
    asked_by = models.TextField()
    asked_by_name = models.TextField(blank=True)
    granting_at = models.DateTimeField(null=True, blank=True)
    usable_at = models.DateTimeField(null=True, blank=True)
    ending_at = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # Who ended it early, and why; of the deadline itself: nobody.
    ended_by = models.TextField(blank=True)
    ended_by_name = models.TextField(blank=True)
    ended_reason = models.TextField(blank=True)
    residual = models.JSONField(default=list, blank=True)  # [{"what", "until"}]
    residual_until = models.DateTimeField(null=True, blank=True)
    # What the target showed: {"granted": {"at", "state", "detail", "reference"}, "removed": {…}}.
    proof = models.JSONField(default=dict, blank=True)
    attempts = models.IntegerField(default=0)
    not_before = models.DateTimeField()
    leased_until = models.DateTimeField(null=True, blank=True)
    # The database session of the worker that holds the lease, and since when it is seen to be gone
    # (actions/revocations/leasing.py).
    leased_by = models.IntegerField(null=True, blank=True)
    lost_at = models.DateTimeField(null=True, blank=True)
    failed_why = models.TextField(blank=True)
    who_must_act = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="grant_state_is_known", condition=Q(state__in=GRANT_STATES)
            ),
            models.CheckConstraint(name="grant_clock_is_known", condition=Q(clock__in=CLOCKS)),
            models.CheckConstraint(
                name="grant_clock_has_its_time",
                condition=Q(clock="approval", lasts__isnull=True)
                | Q(clock="first_use", lasts__isnull=False),
            ),
            models.CheckConstraint(
                name="grant_ends_after_it_starts", condition=Q(ends_at__gt=F("starts_at"))
            ),
            models.CheckConstraint(
                name="grant_failed_says_who", condition=~Q(state="failed") | ~Q(who_must_act="")
            ),
            # Ended is what the target shows, or what never went out.
            models.CheckConstraint(
                name="grant_ended_was_removed",
                condition=~Q(state="ended")
                | (
                    Q(ended_at__isnull=False)
                    & (Q(removed_at__isnull=False) | Q(granting_at__isnull=True))
                ),
            ),
            # Given twice it is given once.
            models.UniqueConstraint(
                name="grant_open_once",
                fields=["delegation", "system", "account", "kind", "name"],
                condition=~Q(state="ended"),
            ),
        ]
        indexes = [
            # The sweep (identities/tasks.py, grants_due): what is due, oldest first.
            models.Index(name="grant_due", fields=["not_before"], condition=~Q(state="ended")),
            # What somebody moves now, or died moving.
            models.Index(
                name="grant_leased",
                fields=["leased_until"],
                condition=Q(leased_until__isnull=False),
            ),
            # What a case gave (actions/grants, state_of).
            models.Index(name="grant_of_case", fields=["case"]),
        ]

    @property
    def key(self) -> str:
        return f"GRT-{self.number}"


class GrantTry(models.Model):
    """One attempt or look at the target: insert-only history under a grant."""

    grant = models.ForeignKey(Grant, models.CASCADE, related_name="tries")
    at = models.DateTimeField()
    did = models.TextField()  # grant, verify, end, residual
    result = models.TextField()
    detail = models.TextField(blank=True)


class GrantSession(models.Model):
    """A short-lived credential that was handed to the holder: its names, never its secret."""

    grant = models.ForeignKey(Grant, models.PROTECT, related_name="sessions")
    name = models.TextField()  # the session's name at the target
    credential = models.TextField()  # its public id: an access key id, an accessor, a jti
    minted_at = models.DateTimeField()
    minted_by = models.TextField()
    minted_by_name = models.TextField(blank=True)
    # Until when the target itself takes it, which may be after the grant's end (docs/grants.md).
    lives_until = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="grant_session_once", fields=["grant", "credential"])
        ]


class GrantSignIn(models.Model):
    """Somebody signs in here for a client elsewhere (RFC 8628), for one grant and nothing else.

    asked → approved → taken (its token was handed out once), or refused, or over at `expires_at`.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    asked_for = models.TextField()  # "GRT-12", as the client says it: nobody tells it which exist
    device = models.BinaryField(unique=True)  # the digest of what the client polls with
    code = models.TextField(unique=True)  # what people compare, without its dash
    client = models.TextField(blank=True)  # what it calls itself
    address = models.TextField(blank=True)
    created_at = models.DateTimeField(db_index=True)
    expires_at = models.DateTimeField()
    polled_at = models.DateTimeField(null=True, blank=True)
    grant = models.ForeignKey(Grant, models.CASCADE, null=True, blank=True, related_name="+")
    approved_by = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="+")
    approved_at = models.DateTimeField(null=True, blank=True)
    refused_at = models.DateTimeField(null=True, blank=True)
    taken_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="grant_sign_in_approved_whole",
                condition=Q(approved_at__isnull=True)
                | Q(grant__isnull=False, approved_by__isnull=False, refused_at__isnull=True),
            ),
            models.CheckConstraint(
                name="grant_sign_in_taken_was_approved",
                condition=Q(taken_at__isnull=True) | Q(approved_at__isnull=False),
            ),
        ]
