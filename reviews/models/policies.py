"""Review policies, versioned (a running case keeps its version), and the time they may count."""

from django.db import models
from django.db.models import F, Q

from evidence.keys import uuid7
from evidence.models import Source
from identities.models import Person

POLICY_STATES = ("proposed", "signed", "refused")


class ReviewPolicy(models.Model):
    """One version of a review policy: proposed by one person, in force once another has signed.

    `document` is all of it (reviews/policy_document.py); the numbers beside it are those of the
    document, for the sweeps. What is signed never changes: the next version takes its place.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    name = models.TextField()
    version = models.IntegerField(default=1)
    state = models.TextField(default="proposed")
    document = models.JSONField(default=dict)
    decide_within_hours = models.IntegerField(default=168)
    remind_before_hours = models.JSONField(default=list)  # [48, 4]
    escalate_before_hours = models.IntegerField(default=6)
    silence = models.TextField(default="escalate")  # escalate, narrow, suspend, revoke
    recorded_at = models.DateTimeField()
    recorded_by = models.TextField()
    recorded_by_name = models.TextField(blank=True)
    proposed_person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    reason = models.TextField(blank=True)
    # Signed or refused, by whom.
    settled_at = models.DateTimeField(null=True)
    settled_by = models.TextField(blank=True)
    settled_by_name = models.TextField(blank=True)
    settled_person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    settled_reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="policy_version_once", fields=["name", "version"]),
            models.CheckConstraint(
                name="policy_state_is_known", condition=Q(state__in=POLICY_STATES)
            ),
            # Two people proposing at once: the second meets the first one's proposal.
            models.UniqueConstraint(
                name="policy_proposed_once", fields=["name"], condition=Q(state="proposed")
            ),
            # One person never signs alone. The first version of all is the product's own.
            models.CheckConstraint(
                name="policy_signed_by_another",
                condition=~Q(state="signed")
                | Q(recorded_by="countersign")
                | (
                    Q(proposed_person__isnull=False, settled_person__isnull=False)
                    & ~Q(proposed_person=F("settled_person"))
                ),
            ),
        ]
        verbose_name_plural = "review policies"

    def __str__(self) -> str:
        return f"{self.name}, version {self.version}"

    @property
    def subject(self) -> str:
        """How the ledger names it: all versions of a policy are one subject."""
        return f"policy: {self.name}"

    @property
    def url(self) -> str:
        return f"/policies/{self.name.replace(' ', '-')}/{self.version}/"


class Heartbeat(models.Model):
    """A stretch in which Countersign was at work: the schedule was heard of every minute.

    One row for each stretch, extended while it lasts. What lies between two rows never counts as
    somebody's silence (product.md, rule 8).
    """

    since = models.DateTimeField()
    until = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="heartbeat_runs_forward", condition=Q(until__gte=models.F("since"))
            ),
            # Two workers at once begin a stretch: one row.
            models.UniqueConstraint(name="heartbeat_once", fields=["since"]),
        ]
        indexes = [
            # The newest stretch, and those since a case was opened.
            models.Index(name="heartbeat_newest", fields=["-until"])
        ]


class LateEvidence(models.Model):
    """A stretch in which evidence of a source was later than it normally is.

    One row for each stretch, begun at the moment up to which the evidence was on time and extended
    while it lasts. Silence that would cut does not count in it (docs/decisions/0055).
    """

    source = models.ForeignKey(Source, models.CASCADE, related_name="+")
    since = models.DateTimeField()
    until = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="late_evidence_runs_forward", condition=Q(until__gte=models.F("since"))
            ),
            # Two workers at once begin a stretch: one row.
            models.UniqueConstraint(name="late_evidence_once", fields=["source", "since"]),
        ]
        indexes = [
            # The newest stretch of each source, and those since cases were opened.
            models.Index(name="late_evidence_newest", fields=["source", "-until"])
        ]
