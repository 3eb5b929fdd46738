"""Sealed credentials: what lies in an envelope for when this application is down, and each use."""

from django.db import models
from django.db.models import Q

from evidence.keys import uuid7
from evidence.models import Actor, Capsule
from identities.models import Person
from identities.models.signed import TwoSigned, signed_by_two

from .break_glass import REVIEWS
from .cases import Case

# What is decided on a thing that a use made: value -> how it is said.
DECISION_WORDS = {"stays": "it stays", "gone": "it is gone at its target"}


class SealedCredential(TwoSigned):
    """One version of what is declared of a credential that lies sealed, signed by two.

    It is watched for between `settled_at` and `until`, which the next version sets; with
    `watched=False` it is declared no longer.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    slug = models.TextField()
    version = models.IntegerField()
    words = models.TextField()  # what it is for
    actor = models.ForeignKey(Actor, models.PROTECT, related_name="+")
    kept = models.TextField()  # where it lies
    openers = models.TextField()  # who may open the envelope
    review_within_hours = models.IntegerField(default=24)
    watched = models.BooleanField(default=True)
    until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            *signed_by_two("sealed"),
            models.UniqueConstraint(name="sealed_version_once", fields=["slug", "version"]),
            models.UniqueConstraint(
                name="sealed_proposed_once", fields=["slug"], condition=Q(state="proposed")
            ),
            models.UniqueConstraint(
                name="sealed_in_force_once", fields=["slug"], condition=Q(state="in_force")
            ),
            # A use belongs to one declaration.
            models.UniqueConstraint(
                name="sealed_actor_once",
                fields=["actor"],
                condition=Q(state="in_force", watched=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.slug}, version {self.version}"

    @property
    def subject(self) -> str:
        """How the ledger names it: all versions are one subject."""
        return f"sealed credential: {self.slug}"

    @property
    def url(self) -> str:
        return f"/break-glass/sealed/{self.slug}/{self.version}/"


class SealedDrill(models.Model):
    """A drill that was announced before it began."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    slug = models.TextField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.TextField()
    announced_at = models.DateTimeField()
    announced_by = models.TextField()
    announced_by_name = models.TextField()
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="sealed_drill_is_announced_before",
                condition=Q(
                    announced_at__lte=models.F("starts_at"), starts_at__lt=models.F("ends_at")
                ),
            )
        ]
        indexes = [models.Index(name="sealed_drill_of", fields=["slug", "-starts_at"])]


class SealedUse(models.Model):
    """A use that evidence shows: what its break-glass case has beside every other."""

    case = models.OneToOneField(Case, models.CASCADE, primary_key=True, related_name="sealed_use")
    credential = models.ForeignKey(SealedCredential, models.PROTECT, related_name="uses")
    slug = models.TextField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    calls = models.IntegerField()
    more = models.BooleanField(default=False)  # there are more calls than are kept
    drill = models.ForeignKey(SealedDrill, models.PROTECT, null=True, related_name="+")
    beyond_drill = models.BooleanField(default=False)
    # Who says that they, or somebody they name, opened the envelope, and why.
    explained_at = models.DateTimeField(null=True)
    explained_person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    explained_who = models.TextField(blank=True)
    explained_words = models.TextField(blank=True)
    review_due_at = models.DateTimeField()
    review = models.TextField(blank=True)
    review_words = models.TextField(blank=True)
    follow_ups = models.JSONField(default=list, blank=True)
    reviewed_at = models.DateTimeField(null=True)
    reviewed_person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    capsule = models.ForeignKey(Capsule, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            # Two workers with two deposits: the second joins the case of the first.
            models.UniqueConstraint(
                name="sealed_use_open_once", fields=["slug"], condition=Q(reviewed_at__isnull=True)
            ),
            models.CheckConstraint(
                name="sealed_use_review_is_whole",
                condition=Q(review="", reviewed_at__isnull=True, reviewed_person__isnull=True)
                | Q(review__in=REVIEWS, reviewed_at__isnull=False, reviewed_person__isnull=False),
            ),
            # Four eyes: who says that they used it does not look back at it.
            models.CheckConstraint(
                name="sealed_use_reviewed_by_another",
                condition=Q(reviewed_person__isnull=True)
                | Q(explained_person__isnull=True)
                | ~Q(reviewed_person=models.F("explained_person")),
            ),
        ]


class SealedEvent(models.Model):
    """One call of a use. Unique for ever: what is read again opens no second case."""

    use = models.ForeignKey(SealedUse, models.CASCADE, related_name="events")
    slug = models.TextField()
    at = models.DateTimeField()
    event_id = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="sealed_event_once", fields=["slug", "at", "event_id"])
        ]


class SealedDecision(models.Model):
    """What somebody who looks back decided on one thing that a use made, and that stands."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    use = models.ForeignKey(SealedUse, models.CASCADE, related_name="decisions")
    thing = models.TextField()  # as reviews/sealed/made.py names it
    answer = models.TextField()
    words = models.TextField()
    at = models.DateTimeField()
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    by_name = models.TextField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="sealed_decision_is_known", condition=Q(answer__in=list(DECISION_WORDS))
            ),
            # Of two who decide on one thing at once, the second reads what the first said.
            models.UniqueConstraint(name="sealed_decision_once", fields=["use", "thing"]),
        ]
