"""Break-glass: the catalogue of what can be given, and what is asked, opened and looked back at."""

from django.db import models
from django.db.models import F, Q

from evidence.keys import uuid7
from evidence.models import Capsule
from identities.models import Delegation, Person, User
from identities.models.signed import TwoSigned, signed_by_two

from .cases import Case

REVIEWS = ("emergency", "drill", "misuse")


class Bundle(TwoSigned):
    """One version of a pre-approved catalogue entry (reviews/break_glass/document.py).

    What is in force never changes: the next version takes its place, and a request keeps its own.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    slug = models.TextField()
    version = models.IntegerField()
    document = models.JSONField()

    class Meta:
        constraints = [
            *signed_by_two("bundle"),
            models.UniqueConstraint(name="bundle_version_once", fields=["slug", "version"]),
            # Two people proposing at once: the second meets the first one's proposal.
            models.UniqueConstraint(
                name="bundle_proposed_once", fields=["slug"], condition=Q(state="proposed")
            ),
            models.UniqueConstraint(
                name="bundle_in_force_once", fields=["slug"], condition=Q(state="in_force")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.slug}, version {self.version}"

    @property
    def subject(self) -> str:
        """How the ledger names it: all versions of a bundle are one subject."""
        return f"bundle: {self.slug}"

    @property
    def url(self) -> str:
        return f"/break-glass/bundles/{self.slug}/{self.version}/"


class BreakGlass(models.Model):
    """What a case of this door has beside every other: the request, its opening, its review.

    Its item says what is given, its answers are signatures, and its life is the grants'
    (identities/models/grants.py). Moments are stored; what follows from them is derived.
    """

    case = models.OneToOneField(Case, models.CASCADE, primary_key=True, related_name="break_glass")
    bundle = models.ForeignKey(Bundle, models.PROTECT, related_name="+")
    asker = models.ForeignKey(User, models.PROTECT, related_name="+")
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    on_behalf = models.TextField(blank=True)
    incident = models.ForeignKey(Case, models.PROTECT, null=True, related_name="+")
    delegation = models.ForeignKey(Delegation, models.PROTECT, related_name="+")
    minutes = models.IntegerField()
    starts_at = models.DateTimeField(null=True)
    fields = models.JSONField(default=dict, blank=True)  # what the reason has to say by name
    drill = models.BooleanField(default=False)
    # Approvers who have said that they look at it: [{"person", "name", "at"}].
    acknowledged = models.JSONField(default=list, blank=True)
    ticket = models.TextField(blank=True)
    ticket_due_at = models.DateTimeField(null=True)  # promised, and not there yet
    ticket_told_at = models.DateTimeField(null=True)
    # When its tracker, which did not answer, is asked for the ticket again.
    ticket_look_at = models.DateTimeField(null=True)
    # From then on the asker may open it alone; where their last bypass is not looked at, with a
    # second person (`vouched_…`), or from `alone_at` on without one.
    patience_at = models.DateTimeField()
    alone_at = models.DateTimeField()
    # When those who are not on call are told as well; null: they were, or need not be.
    others_at = models.DateTimeField(null=True)
    patience_told_at = models.DateTimeField(null=True)
    vouched_at = models.DateTimeField(null=True)
    vouched_person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    bypassed_at = models.DateTimeField(null=True)
    dearer = models.BooleanField(default=False)
    # With which second factor it was opened alone; and since when who asked says they cannot use it.
    factor = models.TextField(blank=True)
    factorless_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)
    # How many calls of its holder it was last looked at with (sweeping.py, watch).
    seen_calls = models.IntegerField(default=0)
    # Asked for once more, signed by the same rule; given once.
    longer_minutes = models.IntegerField(null=True)
    longer_at = models.DateTimeField(null=True)
    # The look back.
    review_due_at = models.DateTimeField(null=True)
    review = models.TextField(blank=True)
    review_words = models.TextField(blank=True)
    follow_ups = models.JSONField(default=list, blank=True)
    comparison = models.JSONField(default=dict, blank=True)
    reviewed_at = models.DateTimeField(null=True)
    reviewed_person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    # The calls that were compared, as they were when somebody signed the look back.
    capsule = models.ForeignKey(Capsule, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="break_glass_review_is_known", condition=Q(review__in=["", *REVIEWS])
            ),
            # Four eyes: nobody looks back at their own use.
            models.CheckConstraint(
                name="break_glass_reviewed_by_another",
                condition=Q(reviewed_at__isnull=True)
                | (Q(reviewed_person__isnull=False) & ~Q(reviewed_person=F("person"))),
            ),
            models.CheckConstraint(
                name="break_glass_vouched_by_another",
                condition=Q(vouched_person__isnull=True) | ~Q(vouched_person=F("person")),
            ),
            models.CheckConstraint(
                name="break_glass_open_has_an_end",
                condition=Q(opened_at__isnull=True, ends_at__isnull=True)
                | Q(opened_at__isnull=False, ends_at__gt=F("opened_at")),
            ),
        ]
        indexes = [
            # Whether somebody's last bypass was looked at (reviews/break_glass/rights.py).
            models.Index(
                name="break_glass_unreviewed",
                fields=["person"],
                condition=Q(bypassed_at__isnull=False, reviewed_at__isnull=True),
            )
        ]
        verbose_name_plural = "break-glass requests"
