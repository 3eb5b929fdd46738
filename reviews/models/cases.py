"""The case and what hangs on it: seats, items, decisions, pinned and withdrawn evidence, members.

One kind of thing behind four doors. Only reviews.actions writes `Case.state`.
"""

from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from evidence.keys import uuid7
from evidence.models import Capsule
from evidence.models.numbers import NextNumber
from identities.models import Finding, Identity, Party, Person, Service, User

from .campaigns import Campaign
from .policies import ReviewPolicy

DOORS = ("access_review", "access_request", "break_glass", "incident")
STATES = ("draft", "open", "decided", "carrying_out", "in_review", "closed", "cancelled")
SEATS = ("identity_owner", "ai_owner", "second", "closer", "tie_breaker")
STAGE_STATES = ("waiting", "running", "done")
TURNS = ("now", "later", "past")
ITEM_KINDS = (
    "delegation",
    "entitlement",
    "credential",
    "binding",
    "grant",
    "step",
    "use",
    "identity",
    "manifest",
)
ANSWERS = ("keep", "narrow", "replace", "revoke", "dont_know", "approve", "deny")


class Case(models.Model):
    """Access review, access request, break-glass or incident."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    number = models.BigIntegerField(unique=True, db_default=NextNumber("case_number"))
    door = models.TextField()
    state = models.TextField(default="draft")
    title = models.TextField()
    identity = models.ForeignKey(Identity, models.PROTECT, null=True, related_name="cases")
    policy = models.ForeignKey(ReviewPolicy, models.PROTECT, null=True, related_name="+")
    campaign = models.ForeignKey(
        Campaign, models.PROTECT, null=True, related_name="cases", db_index=False
    )
    opened_at = models.DateTimeField()
    opened_by = models.TextField()
    opened_by_name = models.TextField(blank=True)
    requester = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    reason = models.TextField(blank=True)
    deadline_at = models.DateTimeField()
    # By so much the deadline was moved: time in which silence did not count (policies.clock).
    not_counted = models.DurationField(default=timedelta)
    silence = models.TextField(default="escalate")
    silence_done_at = models.DateTimeField(null=True)
    # From when the present deadline counts, where stages follow each other; null: the opening.
    asked_since = models.DateTimeField(null=True)
    # The stage whose answers are asked for, and what follows it; "" where the case has none.
    stage = models.TextField(default="", blank=True)
    next_stage = models.TextField(default="", blank=True)
    # So long after the deadline answers still count before silence acts.
    grace = models.DurationField(default=timedelta)
    # Since then the backups may sign beside the owners (a rung of the ladder).
    backups_since = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    closed_by = models.TextField(blank=True)
    sealed = models.BooleanField(default=False)
    legal_entity = models.TextField(blank=True)
    # A micro-review: what opened it (reviews/micro_reviews.py); "": a review of all there is.
    trigger = models.TextField(blank=True)
    # Persons who decide nothing in it: they cancelled the case before, or changed its subject since
    # (a trigger of migration 0042 fills it in).
    barred = ArrayField(models.UUIDField(), default=list, db_default=[], blank=True)
    # Grows with every act: a form that was filled in against an older one is told so.
    version = models.IntegerField(default=1)
    findings = models.ManyToManyField(Finding, related_name="cases", blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="case_door_is_known", condition=Q(door__in=DOORS)),
            models.CheckConstraint(name="case_state_is_known", condition=Q(state__in=STATES)),
            # A thousand openers open one review of an identity, beside its micro-reviews.
            models.UniqueConstraint(
                name="case_open_review_once",
                fields=["identity"],
                # A sealed one is absent, so it keeps nobody from opening another.
                condition=Q(
                    door="access_review", trigger="", state__in=["draft", "open"], sealed=False
                ),
            ),
        ]
        indexes = [
            # The sweep of deadlines (reviews/tasks.py, deadlines).
            models.Index(
                name="case_deadline_due",
                fields=["deadline_at"],
                condition=Q(state="open", silence_done_at__isnull=True),
            ),
            # What the menu counts on every page (reviews/pages/frame.py).
            models.Index(
                name="case_counted",
                fields=["door", "state"],
                condition=~Q(state__in=["closed", "cancelled"]) & Q(sealed=False),
            ),
            # A queue that is walked by deadline (reviews/pages/waiting.py).
            models.Index(
                name="case_by_deadline",
                fields=["deadline_at", "number"],
                condition=Q(state="open"),
            ),
            # Uses that wait for a look back (reviews/pages/look_backs.py).
            models.Index(
                name="case_looked_back",
                fields=["deadline_at"],
                condition=Q(door="break_glass", state="in_review"),
            ),
            # When an identity was last reviewed (reviews/policy_scope.py).
            models.Index(
                name="case_last_review",
                fields=["identity", "-opened_at"],
                condition=Q(door="access_review"),
            ),
            # How far a campaign is (reviews/campaigns/progress.py), and its open cases.
            models.Index(
                name="case_of_campaign",
                fields=["campaign", "state"],
                condition=Q(campaign__isnull=False),
            ),
            # The sweep of what is decided (reviews/tasks.py, carry_out).
            models.Index(
                name="case_to_carry_out",
                fields=["decided_at"],
                condition=Q(state__in=["decided", "carrying_out"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.title}"

    @property
    def key(self) -> str:
        return f"CS-{self.number}"

    @property
    def counts_from(self) -> datetime:
        """From when the present deadline counts."""
        return self.asked_since or self.opened_at

    @property
    def silent_at(self) -> datetime:
        """When silence acts: the deadline and what answers count after it."""
        return self.deadline_at + self.grace


class Stage(models.Model):
    """One stage of a case: what its policy says in the same place, and how far it is.

    While it runs, the deadline of the case is its own; `due_at` is what that was in the end.
    """

    case = models.ForeignKey(Case, models.CASCADE, related_name="stages")
    position = models.SmallIntegerField()
    name = models.TextField()
    state = models.TextField(default="waiting")
    within = models.DurationField()  # how long its seats have
    begun_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="stage_state_is_known", condition=Q(state__in=STAGE_STATES)
            ),
            models.UniqueConstraint(name="stage_position_once", fields=["case", "position"]),
        ]


class CaseMember(models.Model):
    """Somebody named to a sealed case; for everybody else it is absent."""

    case = models.ForeignKey(Case, models.CASCADE, related_name="members")
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    since = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(name="member_once", fields=["case", "person"])]


class Seat(models.Model):
    """A signature the case needs, and the party that may give it."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    case = models.ForeignKey(Case, models.CASCADE, related_name="seats")
    kind = models.TextField()
    service = models.ForeignKey(Service, models.PROTECT, null=True, blank=True, related_name="+")
    party = models.ForeignKey(Party, models.PROTECT, null=True, blank=True, related_name="+")
    # Of break-glass: whoever has this role may sit in it; "" without a party: any reviewer.
    role = models.TextField(default="", blank=True)
    backup = models.ForeignKey(Party, models.PROTECT, null=True, blank=True, related_name="+")
    # The person who has signed in it; one person never signs two seats of a case.
    person = models.ForeignKey(Person, models.PROTECT, null=True, blank=True, related_name="+")
    position = models.SmallIntegerField(default=0)
    # Whose turn it is: "later" and "past" are the seats of stages that do not run.
    stage = models.ForeignKey(Stage, models.CASCADE, null=True, blank=True, related_name="seats")
    turn = models.TextField(default="now")
    # Which of several who are asked in one seat, each for himself.
    place = models.SmallIntegerField(default=0)
    # Persons who signed in it and sit here no longer: they sign in no other seat of the case.
    signed_before = ArrayField(models.UUIDField(), default=list, blank=True)
    # Persons who handed it over: it is theirs again only when somebody hands it back.
    given_up = ArrayField(models.UUIDField(), default=list, blank=True)
    # Of a seat that was nobody's: the owner who was last looked at for it, and since when somebody
    # sits there: silence before is not theirs.
    considered = models.ForeignKey(Party, models.PROTECT, null=True, blank=True, related_name="+")
    since = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            # Seats whose owner may be known by now (reviews/succession/seated.py).
            models.Index(
                name="seat_is_nobodys",
                fields=["case"],
                condition=Q(party__isnull=True, person__isnull=True),
            ),
            # What waits for whoever has a role (reviews/pages/waiting.py).
            models.Index(name="seat_of_role", fields=["role"], condition=~Q(role="")),
            # Whose turn it is no longer (reviews/pages/waiting.py): nearly always nobody's.
            models.Index(
                name="seat_signed_before", fields=["case"], condition=~Q(signed_before=[])
            ),
        ]
        constraints = [
            models.CheckConstraint(name="seat_kind_is_known", condition=Q(kind__in=SEATS)),
            models.CheckConstraint(name="seat_turn_is_known", condition=Q(turn__in=TURNS)),
            models.UniqueConstraint(
                name="seat_person_once",
                fields=["case", "person"],
                condition=Q(person__isnull=False),
            ),
            models.UniqueConstraint(
                name="seat_once",
                fields=["case", "kind", "service", "stage", "place"],
                nulls_distinct=False,
            ),
        ]


class Item(models.Model):
    """What is being decided."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    case = models.ForeignKey(Case, models.CASCADE, related_name="items")
    position = models.SmallIntegerField()
    kind = models.TextField()
    ref = models.UUIDField(null=True)  # the delegation, credential, entitlement …
    title = models.TextField()
    note = models.TextField(blank=True)
    # What the requester asks for, or what "narrow" would leave.
    proposal = models.JSONField(default=dict, blank=True)
    recommendation = models.TextField(blank=True)
    recommendation_reason = models.TextField(blank=True)
    outcome = models.TextField(blank=True)  # an answer, or "conflict"
    held = models.TextField(blank=True)  # the stricter answer while in conflict
    outcome_at = models.DateTimeField(null=True)
    # Usage and findings when the item was made: what the recommendation rests on.
    snapshot = models.JSONField(default=dict, blank=True)
    # What each stage came to, by its position.
    stage_outcomes = models.JSONField(default=dict, blank=True)
    # For "replace": when the old one ends.
    due_at = models.DateTimeField(null=True)
    # What the outcome led to, or why a person has to act.
    carried_out_at = models.DateTimeField(null=True)
    carried_words = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="item_kind_is_known", condition=Q(kind__in=ITEM_KINDS)),
            models.UniqueConstraint(name="item_position_once", fields=["case", "position"]),
            models.UniqueConstraint(
                name="item_ref_once",
                fields=["case", "kind", "ref"],
                condition=Q(ref__isnull=False),
            ),
        ]
        indexes = [
            # What was refused of tools and calls (reviews/triggers/refused.py).
            models.Index(name="item_of_use", fields=["ref"], condition=Q(kind="use")),
            # What other open cases ask about the same thing (reviews/pages/beside.py).
            models.Index(
                name="item_waiting_about",
                fields=["ref"],
                condition=Q(outcome__in=["", "conflict"]),
            ),
            # Cases in whose items all three legs come together (reviews/pages/waiting.py).
            models.Index(
                name="item_together",
                fields=["case"],
                condition=Q(snapshot__has_key="together"),
            ),
            # The sweep of plans whose date has come (reviews/tasks.py, carry_out).
            models.Index(
                name="item_plan_due",
                fields=["due_at"],
                condition=Q(outcome="replace", carried_out_at__isnull=True),
            ),
        ]


class Decision(models.Model):
    """A seat's answer on an item. A changed answer supersedes; nothing is overwritten."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    item = models.ForeignKey(Item, models.CASCADE, related_name="decisions")
    seat = models.ForeignKey(Seat, models.PROTECT, related_name="decisions")
    answer = models.TextField()
    reason = models.TextField()
    # For replace: the plan and its date; for narrow: what is left.
    proposal = models.JSONField(default=dict, blank=True)
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    at = models.DateTimeField()
    not_before = models.DateTimeField()  # undo until then (decisions 19)
    superseded_at = models.DateTimeField(null=True)
    capsule = models.ForeignKey(Capsule, models.PROTECT, null=True, related_name="+")
    # How it was given (reviews/actions/attention.py); null: not known. When the item was first
    # shown to the signer, whether they opened evidence of it, how many others they answered in
    # the minute before.
    shown_at = models.DateTimeField(null=True)
    evidence_opened = models.BooleanField(null=True)
    batch = models.IntegerField(null=True)

    class Meta:
        indexes = [
            # What one person answered lately: bursts, and their own figures.
            models.Index(name="decision_of_person", fields=["person", "at"])
        ]
        constraints = [
            models.CheckConstraint(
                name="decision_answer_is_known", condition=Q(answer__in=ANSWERS)
            ),
            # Two signatures at once in one seat: one wins, the other is told.
            models.UniqueConstraint(
                name="decision_current_once",
                fields=["item", "seat"],
                condition=Q(superseded_at__isnull=True),
            ),
        ]


class Pinned(models.Model):
    """An event pinned to a case as evidence."""

    case = models.ForeignKey(Case, models.CASCADE, related_name="pinned")
    item = models.ForeignKey(Item, models.CASCADE, null=True, blank=True, related_name="pinned")
    at = models.DateTimeField()
    event_id = models.BigIntegerField()
    note = models.TextField(blank=True)
    pinned_at = models.DateTimeField()
    pinned_by = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="pinned_once", fields=["case", "at", "event_id"])
        ]


class Withdrawal(models.Model):
    """A finding of a case was withdrawn: whoever had signed on it is told, once.

    The row is written with the notices, so a withdrawn finding without one still waits.
    """

    case = models.ForeignKey(Case, models.CASCADE, related_name="withdrawals")
    finding = models.ForeignKey(Finding, models.PROTECT, related_name="+")
    at = models.DateTimeField()  # Finding.state_at then
    because = models.TextField()
    # The items that showed it, by what was frozen when they were signed; none: the case as a whole.
    items = ArrayField(models.UUIDField(), default=list)
    # It was found again afterwards, and the same people were told.
    back_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # Two sweeps at once: one tells.
            models.UniqueConstraint(name="withdrawal_once", fields=["case", "finding", "at"])
        ]
