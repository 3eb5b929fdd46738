"""The claim wave: what nobody owns, who is asked about it and why, and what they answered.

A claim is a question and gives nobody anything: an owner comes from an answer, which a person
signed. Nothing here is ever inferred into ownership.
"""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

from evidence.keys import uuid7
from evidence.models import Actor

from .identity import Identity, Service
from .people import Party, Person

# open: waits for an answer; answered: waits for its undo time to pass; owned: carried out;
# gone: owned, claimed or retired in another way.
CLAIM_STATES = ("open", "answered", "owned", "gone")
LIVE = ("open", "answered")
ANSWERS = ("yes", "not_mine", "rule", "pass_on")
ONE_SUBJECT = Q(identity__isnull=False, actor__isnull=True) | Q(
    identity__isnull=True, actor__isnull=False
)


class ClaimWave(models.Model):
    """A stretch of time in which people are asked: how many questions at once, how far, how long."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    at_once = models.PositiveSmallIntegerField()  # questions that lie before one party
    share = models.PositiveSmallIntegerField()  # of all, in per cent
    patience_days = models.PositiveSmallIntegerField()  # then somebody else is asked
    reason = models.TextField()
    started_at = models.DateTimeField()
    started_by = models.TextField()
    started_by_name = models.TextField(blank=True)
    ended_at = models.DateTimeField(null=True)
    ended_by_name = models.TextField(blank=True)

    class Meta:
        constraints = [
            # Two waves would ask the same people twice.
            models.UniqueConstraint(
                name="claim_wave_one_at_a_time",
                fields=["ended_at"],
                condition=Q(ended_at__isnull=True),
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="claim_wave_is_bounded",
                condition=Q(at_once__range=(1, 50), share__range=(1, 100))
                & Q(patience_days__range=(1, 365)),
            ),
        ]


class ClaimAnswer(models.Model):
    """One answer that one person signed, about one thing or thousands."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    answer = models.TextField()
    # In whose name; of a rule, who becomes the owner; null where nobody was asked.
    party = models.ForeignKey(Party, models.PROTECT, null=True, related_name="+")
    to = models.ForeignKey(Party, models.PROTECT, null=True, related_name="+")  # "ask X"
    bundle = models.TextField(blank=True)
    # Of a rule: {"service", "tag"}, as it was signed.
    rule = models.JSONField(default=dict)
    # The service itself becomes theirs too: what is added to it later follows.
    service = models.ForeignKey(Service, models.PROTECT, null=True, related_name="+")
    reason = models.TextField(blank=True)
    asked = models.PositiveIntegerField()  # how many it is about
    owned = models.PositiveIntegerField(default=0)  # how many have an owner by it
    by = models.TextField()
    by_name = models.TextField()
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    at = models.DateTimeField()
    not_before = models.DateTimeField()  # undo until then
    undone_at = models.DateTimeField(null=True)
    carried_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="claim_answer_is_known", condition=Q(answer__in=ANSWERS)),
            models.CheckConstraint(
                name="claim_answer_is_carried_or_undone",
                condition=Q(undone_at__isnull=True) | Q(carried_at__isnull=True),
            ),
        ]
        indexes = [
            # The sweep (identities/tasks.py, claims): answers whose undo time has passed.
            models.Index(
                name="claim_answer_due",
                fields=["not_before"],
                condition=Q(undone_at__isnull=True, carried_at__isnull=True),
            ),
            # Answers of a day, on the burn-down; one's own last ones.
            models.Index(name="claim_answer_newest", fields=["at"]),
        ]


class Claim(models.Model):
    """One thing that nobody owns: who is asked whether it is theirs, and why they are.

    `bundle`: what is asked about together. `reasons`: all that the evidence says of an owner,
    the stronger first; those with `party` of the row are why, the others stand beside as doubts.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    identity = models.ForeignKey(
        Identity, models.PROTECT, null=True, related_name="claims", db_index=False
    )
    actor = models.ForeignKey(Actor, models.PROTECT, null=True, related_name="+", db_index=False)
    service = models.ForeignKey(Service, models.PROTECT, null=True, related_name="+")
    bundle = models.TextField()
    # Who is asked; null: the evidence names nobody, or all it names have said no.
    party = models.ForeignKey(Party, models.PROTECT, null=True, related_name="+", db_index=False)
    # How it came to them: evidence, neighbours, passed_on, sponsor, backup, team, nobody.
    step = models.TextField(default="nobody")
    kind = models.TextField(blank=True)  # of the evidence that was the first
    strength = models.SmallIntegerField(default=0)  # vocabulary.STRENGTHS; 0: no evidence
    reasons = models.JSONField(default=list)  # of {party, kind, words, strength}
    tags = ArrayField(models.TextField(), default=list)  # "owner=payments squad", for rules
    state = models.TextField(default="open")
    asked_at = models.DateTimeField(null=True)  # since when it lies before the party
    passed = models.PositiveSmallIntegerField(default=0)
    answer = models.ForeignKey(ClaimAnswer, models.PROTECT, null=True, related_name="claims")
    excepted = models.BooleanField(default=False)  # ticked out of its answer
    left_why = models.TextField(blank=True)  # why the last answer changed nothing here
    opened_at = models.DateTimeField()
    looked_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    # Nobody takes it over: since when its review asks what becomes of it.
    reviewed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="claim_is_about_one_thing", condition=ONE_SUBJECT),
            models.CheckConstraint(
                name="claim_state_is_known", condition=Q(state__in=CLAIM_STATES)
            ),
            models.CheckConstraint(
                name="claim_answered_has_an_answer",
                condition=~Q(state="answered") | Q(answer__isnull=False),
            ),
            # Nobody is asked twice about one thing at a time.
            models.UniqueConstraint(
                name="claim_live_once_identity",
                fields=["identity"],
                condition=Q(state__in=LIVE, identity__isnull=False),
            ),
            models.UniqueConstraint(
                name="claim_live_once_actor",
                fields=["actor"],
                condition=Q(state__in=LIVE, actor__isnull=False),
            ),
        ]
        indexes = [
            # The questions of a party, and the largest of all (asking.py).
            models.Index(
                name="claim_question",
                fields=["party", "bundle"],
                condition=Q(state="open"),
            ),
            # The sweep of evidence: those looked at longest ago.
            models.Index(name="claim_to_look_at", fields=["looked_at"], condition=Q(state="open")),
            # Questions that nobody answered in time.
            models.Index(
                name="claim_silent",
                fields=["asked_at"],
                condition=Q(state="open", asked_at__isnull=False),
            ),
            # Services that nobody takes over (reviews/succession/untaken.py).
            models.Index(
                name="claim_untaken",
                fields=["service"],
                condition=Q(state="open", party__isnull=True, reviewed_at__isnull=True),
            ),
            GinIndex(name="claim_tags", fields=["tags"]),
        ]

    @property
    def basis(self) -> str:
        """Why this party is asked: the kind of evidence, else the step of the succession."""
        return self.kind or f"step {self.step}"


class ClaimRefusal(models.Model):
    """This is not theirs: they said so, or never answered, and are not asked about it again."""

    identity = models.ForeignKey(Identity, models.CASCADE, null=True, related_name="+")
    actor = models.ForeignKey(Actor, models.CASCADE, null=True, related_name="+")
    party = models.ForeignKey(Party, models.PROTECT, related_name="+")
    person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    reason = models.TextField(blank=True)
    silent = models.BooleanField(default=False)
    # A reviewer had them asked once more, when nobody else took it.
    again = models.BooleanField(default=False)
    # Why they were asked, and about what together: what is learnt of evidence (claims/learning.py).
    basis = models.TextField(blank=True)  # Claim.basis
    bundle = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="claim_refusal_is_about_one_thing", condition=ONE_SUBJECT),
            models.UniqueConstraint(
                name="claim_refused_once",
                fields=["identity", "actor", "party"],
                nulls_distinct=False,
            ),
        ]


class ClaimDay(models.Model):
    """How much had no owner on one day, as last counted on it: what the burn-down draws."""

    day = models.DateField(primary_key=True)
    unowned = models.PositiveIntegerField()  # identities without an owner
    unclaimed = models.PositiveIntegerField()  # actors that are nobody's
    asked = models.PositiveIntegerField()  # of both, lie before somebody
    nobody = models.PositiveIntegerField()  # of both, nobody is known to ask
    owned = models.PositiveIntegerField()  # have an owner by an answer, since the beginning
    answers = models.PositiveIntegerField()  # signed on this day
    counted_at = models.DateTimeField()
