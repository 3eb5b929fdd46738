"""Users, the persons behind them, teams, and the parties that may own or sign (decisions 16)."""

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import Q

from evidence.keys import uuid7

# Groups, and what each may do (identities/permissions.py, reviews/permissions.py).
GROUPS = ("reviewer", "owner", "responder", "auditor", "administrator")


class Person(models.Model):
    """The human behind one or more logins; independence is judged on persons."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    name = models.TextField()
    email = models.EmailField(blank=True, db_index=True)
    left_at = models.DateTimeField(null=True, blank=True)
    # Who is asked last of those who could take over from them.
    manager = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="reports"
    )

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    """A login."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    person = models.ForeignKey(Person, models.PROTECT, null=True, blank=True, related_name="users")
    # WCAG 2.1.4: letters as commands can be switched off.
    single_keys = models.BooleanField(default=True)
    theme = models.TextField(default="system")

    REQUIRED_FIELDS: ClassVar[list[str]] = ["email"]

    @property
    def ref(self) -> str:
        """How evidence and the ledger name this user, without a foreign key."""
        return f"user:{self.id}"

    @property
    def called(self) -> str:
        """The name that pages and ledger rows show."""
        return self.person.name if self.person else self.get_full_name() or self.username


class Team(models.Model):
    """People who own or sign together."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    name = models.TextField(unique=True)

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person in a team, dated."""

    team = models.ForeignKey(Team, models.CASCADE, related_name="memberships")
    person = models.ForeignKey(Person, models.PROTECT, related_name="memberships")
    during = DateTimeRangeField()
    recorded_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="membership_does_not_overlap",
                expressions=[
                    ("team", RangeOperators.EQUAL),
                    ("person", RangeOperators.EQUAL),
                    ("during", RangeOperators.OVERLAPS),
                ],
                condition=Q(superseded_at__isnull=True),
            )
        ]


class Party(models.Model):
    """One person or one team: what owners, sponsors, backups and seats are."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    person = models.OneToOneField(Person, models.PROTECT, null=True, blank=True)
    team = models.OneToOneField(Team, models.PROTECT, null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="party_is_one_person_or_one_team",
                condition=Q(person__isnull=False, team__isnull=True)
                | Q(person__isnull=True, team__isnull=False),
            )
        ]
        verbose_name_plural = "parties"

    def __str__(self) -> str:
        return str(self.person or self.team)


class ApiToken(models.Model):
    """A token for scripts: only its digest is kept, it has scopes and it expires."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    user = models.ForeignKey(User, models.CASCADE, related_name="api_tokens")
    name = models.TextField()
    digest = models.BinaryField(unique=True)
    scopes = ArrayField(models.TextField())
    # The one grant it takes credentials of, and nothing else; null: what its scopes say.
    grant = models.ForeignKey("Grant", models.CASCADE, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)


class SignInLink(models.Model):
    """A link that signs in once, in the demo; never counts as re-authentication elsewhere."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    digest = models.BinaryField(unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    demo = models.BooleanField(default=False)
