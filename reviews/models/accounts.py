"""Break-glass accounts: local logins for when nobody can sign in, their sealed codes, and each use."""

from django.db import models
from django.db.models import Q

from evidence.keys import uuid7
from identities.models import Person, User

# What a use turned out to be, as break-glass access of every other kind (models/break_glass.py).
USE_REVIEWS = ("emergency", "drill", "misuse")
MEANS = ("code", "passkey", "other")


class BreakGlassAccount(models.Model):
    """A login that needs no identity provider. The last one stays (migration 0031)."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    user = models.OneToOneField(User, models.PROTECT, related_name="break_glass_account")
    kept = models.TextField()  # where the envelope with its codes lies, or who has its passkey
    made_at = models.DateTimeField()
    made_by = models.TextField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.user.username


class SealedCode(models.Model):
    """A code that signs in once. Only its digest is kept, and new codes replace the old."""

    account = models.ForeignKey(BreakGlassAccount, models.CASCADE, related_name="codes")
    digest = models.BinaryField(unique=True)
    made_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    replaced_at = models.DateTimeField(null=True)


class AccountUse(models.Model):
    """One signing in with a break-glass account. It is looked at by somebody else."""

    account = models.ForeignKey(BreakGlassAccount, models.PROTECT, related_name="uses")
    at = models.DateTimeField()
    means = models.TextField()  # MEANS
    address = models.TextField()
    # As whoever came in states it; a passkey asks for neither.
    who = models.TextField(blank=True)
    why = models.TextField(blank=True)
    review = models.TextField(blank=True)  # USE_REVIEWS
    review_words = models.TextField(blank=True)
    reviewed_at = models.DateTimeField(null=True)
    reviewed_by = models.TextField(blank=True)
    reviewed_by_name = models.TextField(blank=True)
    reviewed_person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(name="account_use_means", condition=Q(means__in=MEANS)),
            models.CheckConstraint(
                name="account_use_review_is_whole",
                condition=Q(review="", reviewed_at__isnull=True, reviewed_person__isnull=True)
                | (
                    Q(review__in=USE_REVIEWS)
                    & Q(reviewed_at__isnull=False, reviewed_person__isnull=False)
                ),
            ),
        ]
        indexes = [
            models.Index(
                name="account_use_open", fields=["at"], condition=Q(reviewed_at__isnull=True)
            )
        ]

    @property
    def key(self) -> str:
        return f"USE-{self.pk}"


class AccountAttempt(models.Model):
    """One try of a sealed code, by the address that it came from: never by account, so that nobody
    can shut the door on whoever needs it."""

    place = models.TextField()  # an IPv4 address, or the first 64 bits of an IPv6 one
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(name="account_attempt_place", fields=["place", "-at"]),
            models.Index(name="account_attempt_at", fields=["at"]),
        ]
