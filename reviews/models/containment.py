"""Containment: what was stopped in an incident, thing by thing, and playbooks that stop several.

How far a thing is, its revocations say (identities/models/enforcement.py); a row here says who asked
for it, why, and what is to be known to let it go again.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from evidence.keys import uuid7
from evidence.models.numbers import NextNumber
from identities.models import Credential, Delegation, Identity, Person, User
from identities.models.signed import TwoSigned, signed_by_two

from .cases import Case, Item

DOES = ("hold", "suspend", "block", "narrow", "sessions", "revoke")
# waiting: for the steps of its playbook before it; proposed: for both seats.
STEP_STATES = ("waiting", "proposed", "asked", "undone", "refused", "dropped")
RUN_STATES = ("running", "done", "stopped")


class Playbook(TwoSigned):
    """One version of a playbook, in force once a second person has signed.

    `document` is all that it says (reviews/incidents/playbook_document.py). What is signed never
    changes: the next version takes its place.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    slug = models.TextField()
    version = models.IntegerField()
    document = models.JSONField()

    class Meta:
        constraints = [
            *signed_by_two("playbook"),
            models.UniqueConstraint(name="playbook_version_once", fields=["slug", "version"]),
            # Two people proposing at once: the second meets the first one's proposal.
            models.UniqueConstraint(
                name="playbook_proposed_once", fields=["slug"], condition=Q(state="proposed")
            ),
            models.UniqueConstraint(
                name="playbook_in_force_once", fields=["slug"], condition=Q(state="in_force")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.slug}, version {self.version}"

    @property
    def subject(self) -> str:
        """How the ledger names it: all versions of a playbook are one subject."""
        return f"playbook: {self.slug}"

    @property
    def url(self) -> str:
        return f"/playbooks/{self.slug}/{self.version}/"


class PlaybookRun(models.Model):
    """A playbook signed for one incident: its steps begin one after the other."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    number = models.BigIntegerField(unique=True, db_default=NextNumber("playbook_run_number"))
    playbook = models.ForeignKey(Playbook, models.PROTECT, related_name="runs")
    case = models.ForeignKey(Case, models.CASCADE, related_name="playbook_runs")
    state = models.TextField(default="running")
    reason = models.TextField()
    # What the person chose: one credential, and other identities that the blast radius names.
    credential = models.ForeignKey(Credential, models.PROTECT, null=True, related_name="+")
    others = ArrayField(models.UUIDField(), default=list, blank=True)
    # Signed under the same key it is the same run; with something else under it, refused.
    request_key = models.TextField()
    asked_digest = models.TextField()
    # Of what it would do when it was signed.
    digest = models.TextField(blank=True)
    foreseen = models.JSONField(default=list, blank=True)
    signed_at = models.DateTimeField()
    signed_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    signed_by_name = models.TextField(blank=True)
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    signed_as = models.TextField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.TextField(blank=True)
    ended_by_name = models.TextField(blank=True)
    ended_reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="playbook_run_state_is_known", condition=Q(state__in=RUN_STATES)
            ),
            models.CheckConstraint(
                name="playbook_run_ended_says_when",
                condition=Q(state="running", ended_at__isnull=True)
                | (~Q(state="running") & Q(ended_at__isnull=False)),
            ),
            # A form that is sent twice, or two workers: one run.
            models.UniqueConstraint(
                name="playbook_run_once", fields=["case", "signed_by", "request_key"]
            ),
        ]
        indexes = [
            # The sweep of runs whose next step may begin (reviews/tasks.py, containment).
            models.Index(
                name="playbook_run_goes_on", fields=["number"], condition=Q(state="running")
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        return f"PLAY-{self.number}"


class ContainmentStep(models.Model):
    """One thing done to one or many targets of an incident, by one signature or by both seats."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    number = models.BigIntegerField(unique=True, db_default=NextNumber("containment_step_number"))
    case = models.ForeignKey(Case, models.CASCADE, related_name="containment_steps")
    # Null while it waits in a playbook.
    item = models.OneToOneField(Item, models.PROTECT, null=True, related_name="containment_step")
    does = models.TextField()
    title = models.TextField()
    state = models.TextField()
    reason = models.TextField()
    made_at = models.DateTimeField()
    by = models.TextField()
    by_name = models.TextField(blank=True)
    person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    signed_as = models.TextField()  # "incident lead", "responder", "identity owner", "both seats"
    # What it would break, as whoever signed had it before them, and its digest.
    digest = models.TextField(blank=True)
    foreseen = models.JSONField(default=list, blank=True)
    # Of "narrow": what of a delegation is left; {}: nothing.
    left = models.JSONField(default=dict, blank=True)
    begun_at = models.DateTimeField(null=True)
    # Its place in a playbook, what it acts on there, and when the next one may begin.
    run = models.ForeignKey(
        PlaybookRun, models.CASCADE, null=True, related_name="steps", db_index=False
    )
    place = models.SmallIntegerField(default=0)
    targets_said = models.TextField(blank=True)
    go_on = models.TextField(default="confirmed", blank=True)
    undone_at = models.DateTimeField(null=True)
    undone_by = models.TextField(blank=True)
    undone_by_name = models.TextField(blank=True)
    undone_reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="containment_does_is_known", condition=Q(does__in=DOES)),
            models.CheckConstraint(
                name="containment_state_is_known", condition=Q(state__in=STEP_STATES)
            ),
            models.CheckConstraint(
                name="containment_asked_says_when",
                condition=~Q(state__in=["asked", "undone"]) | Q(begun_at__isnull=False),
            ),
            models.CheckConstraint(
                name="containment_undone_says_why",
                condition=~Q(state="undone") | (Q(undone_at__isnull=False) & ~Q(undone_reason="")),
            ),
            # What cannot be taken back, and what is narrowed, is never undone from its row.
            models.CheckConstraint(
                name="containment_revoked_stays",
                condition=~Q(state="undone", does__in=["revoke", "sessions"]),
            ),
            # Two workers begin the same step: one does.
            models.UniqueConstraint(
                name="containment_place_once",
                fields=["run", "place"],
                condition=Q(run__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        return f"STEP-{self.number}"


class ContainmentTarget(models.Model):
    """One thing of a step: what stands for it, or why nothing could be asked for."""

    step = models.ForeignKey(
        ContainmentStep, models.CASCADE, related_name="targets", db_index=False
    )
    place = models.IntegerField()
    identity = models.ForeignKey(Identity, models.PROTECT, related_name="+")
    credential = models.ForeignKey(Credential, models.PROTECT, null=True, related_name="+")
    delegation = models.ForeignKey(Delegation, models.PROTECT, null=True, related_name="+")
    title = models.TextField()
    words = models.TextField(blank=True)  # what was done, or that it was dead already
    revocations = ArrayField(models.UUIDField(), default=list, blank=True)
    # What is stopped at our own decision endpoint, or was dead already: since when.
    done_at = models.DateTimeField(null=True)
    failed_why = models.TextField(blank=True)
    # What is to be known to let it go.
    stopped = models.JSONField(default=dict, blank=True)
    # What stands for its release.
    released = ArrayField(models.UUIDField(), default=list, blank=True)
    released_words = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="containment_target_once", fields=["step", "place"]),
        ]


class CaseTicket(models.Model):
    """A case in somebody else's tracker: what was told, and what was heard.

    One row for each case and tracker; messages go out in their order.
    """

    case = models.ForeignKey(Case, models.CASCADE, related_name="tickets")
    tracker = models.TextField()
    # What it said last: the ticket's number, address and state, by its own time.
    ticket = models.TextField(blank=True)
    url = models.TextField(blank=True)
    state = models.TextField(blank=True)
    heard_at = models.DateTimeField(null=True)
    # The next message goes out then; nothing of this case is sent twice at once.
    not_before = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    attempts = models.IntegerField(default=0)
    failed_why = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="case_ticket_once", fields=["case", "tracker"]),
        ]


class TicketMessage(models.Model):
    """What a tracker is told of a case: numbered, in its order, kept for good."""

    ticket = models.ForeignKey(CaseTicket, models.CASCADE, related_name="messages", db_index=False)
    number = models.IntegerField()
    type = models.TextField()  # case.opened, case.changed, case.closed
    data = models.JSONField()
    written_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    dropped_at = models.DateTimeField(null=True)  # the case was sealed before it went out

    class Meta:
        constraints = [
            models.UniqueConstraint(name="ticket_message_once", fields=["ticket", "number"]),
            models.CheckConstraint(
                name="ticket_message_type_is_known",
                condition=Q(type__in=["case.opened", "case.changed", "case.closed"]),
            ),
            models.CheckConstraint(
                name="ticket_message_sent_or_dropped",
                condition=Q(sent_at__isnull=True) | Q(dropped_at__isnull=True),
            ),
        ]
        indexes = [
            # The outbox (reviews/incidents/tickets.py): what is to be sent, of each case in order.
            models.Index(
                name="ticket_message_waits",
                fields=["ticket", "number"],
                condition=Q(sent_at__isnull=True, dropped_at__isnull=True),
            ),
        ]


class TicketWord(models.Model):
    """What a tracker said of its ticket: noted on the case, and nothing else follows from it."""

    tracker = models.TextField()
    message = models.TextField()  # the sender's webhook-id
    digest = models.TextField()  # SHA-256 of what it said
    case = models.ForeignKey(Case, models.CASCADE, related_name="ticket_words")
    ticket = models.TextField()
    state = models.TextField(blank=True)
    comment = models.TextField(blank=True)
    said_by = models.TextField(blank=True)
    asks_to_close = models.BooleanField(default=False)
    said_at = models.DateTimeField()
    heard_at = models.DateTimeField()

    class Meta:
        constraints = [
            # The same message twice, or to two workers: noted once.
            models.UniqueConstraint(name="ticket_word_once", fields=["tracker", "message"]),
        ]
        indexes = [models.Index(name="ticket_word_of_case", fields=["case", "heard_at"])]
