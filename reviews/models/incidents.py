"""The room of an incident: one row beside its case, and the roles, questions, conclusions and tasks
in it. Moments are stored, what follows from them is derived; what was concluded is never changed.
"""

from django.db import models
from django.db.models import F, Q

from evidence.keys import uuid7
from evidence.models import Capsule
from evidence.vocabulary import STRENGTHS
from identities.models import Identity, Party, Person

from .cases import Case

SEVERITIES = ("low", "medium", "high", "critical")
ROLES = ("lead", "comms", "scribe", "closer")
QUESTIONS = ("key", "who", "how", "taken", "going_on")
CERTAINTIES = ("answered", "partly", "hypothesis")
TASK_STATES = ("open", "done", "dropped")


class Room(models.Model):
    """What an incident has beside every other case."""

    case = models.OneToOneField(Case, models.CASCADE, primary_key=True, related_name="room")
    # The identity whose further incidents join this one; null once another room takes them.
    takes = models.OneToOneField(Identity, models.PROTECT, null=True, related_name="+")
    severity = models.TextField(default="medium")
    detected_at = models.DateTimeField()
    # The first answer to the question who used it.
    attributed_at = models.DateTimeField(null=True)
    # What it came to, and what is done differently from now on; written before it is closed.
    outcome = models.TextField(blank=True)
    outcome_at = models.DateTimeField(null=True)
    outcome_by = models.TextField(blank=True)
    outcome_by_name = models.TextField(blank=True)
    lessons = models.TextField(blank=True)
    lessons_at = models.DateTimeField(null=True)
    lessons_by = models.TextField(blank=True)
    lessons_by_name = models.TextField(blank=True)
    # The last time its evidence was frozen, and what that was of (reviews/incidents/freezing.py).
    capsule = models.ForeignKey(Capsule, models.PROTECT, null=True, related_name="+")
    frozen = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="room_severity_is_known", condition=Q(severity__in=SEVERITIES)
            ),
            models.CheckConstraint(
                name="room_outcome_says_when",
                condition=Q(outcome="", outcome_at__isnull=True)
                | (~Q(outcome="") & Q(outcome_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="room_lessons_say_when",
                condition=Q(lessons="", lessons_at__isnull=True)
                | (~Q(lessons="") & Q(lessons_at__isnull=False)),
            ),
        ]


class RoomRole(models.Model):
    """Who leads, speaks, writes or closes, and since when. One at a time in each role."""

    room = models.ForeignKey(Room, models.CASCADE, related_name="roles")
    role = models.TextField()
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)
    by = models.TextField()
    by_name = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="room_role_is_known", condition=Q(role__in=ROLES)),
            models.CheckConstraint(
                name="room_role_ends_after",
                condition=Q(until__isnull=True) | Q(until__gte=F("since")),
            ),
            # Two people who name a lead at once: one wins, the other is told.
            models.UniqueConstraint(
                name="room_role_once", fields=["room", "role"], condition=Q(until__isnull=True)
            ),
        ]


class HandOver(models.Model):
    """What whoever leads next has to know. Never changed."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    room = models.ForeignKey(Room, models.CASCADE, related_name="hand_overs")
    known = models.TextField()
    unknown = models.TextField()  # what is open
    to = models.ForeignKey(Person, models.PROTECT, related_name="+")
    at = models.DateTimeField()
    by = models.TextField()
    by_name = models.TextField(blank=True)


class Question(models.Model):
    """What the incident has to find out: concluded on, or dropped with a reason."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    room = models.ForeignKey(Room, models.CASCADE, related_name="questions")
    number = models.SmallIntegerField()
    words = models.TextField()
    standard = models.TextField(blank=True)  # which of the five; "": somebody asked it
    asked_at = models.DateTimeField()
    asked_by = models.TextField()
    asked_by_name = models.TextField(blank=True)
    dropped_at = models.DateTimeField(null=True)
    dropped_by = models.TextField(blank=True)
    dropped_by_name = models.TextField(blank=True)
    dropped_why = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="question_number_once", fields=["room", "number"]),
            models.UniqueConstraint(
                name="question_standard_once",
                fields=["room", "standard"],
                condition=~Q(standard=""),
            ),
            models.CheckConstraint(
                name="question_standard_is_known", condition=Q(standard__in=["", *QUESTIONS])
            ),
            models.CheckConstraint(
                name="question_dropped_says_why",
                condition=Q(dropped_at__isnull=True, dropped_why="")
                | (Q(dropped_at__isnull=False) & ~Q(dropped_why="")),
            ),
        ]


class Conclusion(models.Model):
    """An answer to a question, bound to events. The next one takes its place; none is changed.

    That it has events, and that it is as strong as the weakest of them, the database holds at
    commit (migration 0035).
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    question = models.ForeignKey(Question, models.CASCADE, related_name="conclusions")
    words = models.TextField()
    certainty = models.TextField()
    missing = models.TextField(blank=True)  # of "partly": what is
    # It says that something did not happen: on absence, so never more than a hypothesis.
    denies = models.BooleanField(default=False)
    strength = models.SmallIntegerField()  # vocabulary.STRENGTHS
    # The sources of its events that are not shown to be complete, as was known then.
    unproven = models.JSONField(default=list, blank=True)
    at = models.DateTimeField()
    by = models.TextField()
    by_name = models.TextField(blank=True)
    person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    superseded_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="conclusion_certainty_is_known", condition=Q(certainty__in=CERTAINTIES)
            ),
            models.CheckConstraint(
                name="conclusion_strength_is_known", condition=Q(strength__in=list(STRENGTHS))
            ),
            models.CheckConstraint(
                name="conclusion_partly_names_what_is_missing",
                condition=~Q(certainty="partly") | ~Q(missing=""),
            ),
            # What rests on an inferred link is a hypothesis, or an answer in part.
            models.CheckConstraint(
                name="conclusion_inferred_is_no_answer",
                condition=~Q(certainty="answered") | ~Q(strength=min(STRENGTHS)),
            ),
            # Two people who conclude at once: one wins, the other is told.
            models.UniqueConstraint(
                name="conclusion_current_once",
                fields=["question"],
                condition=Q(superseded_at__isnull=True),
            ),
        ]


class ConclusionEvent(models.Model):
    """One event under a conclusion, by (at, id), and how it was known to belong there."""

    conclusion = models.ForeignKey(Conclusion, models.CASCADE, related_name="events")
    at = models.DateTimeField()
    event_id = models.BigIntegerField()
    strength = models.SmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="conclusion_event_once", fields=["conclusion", "at", "event_id"]
            ),
            models.CheckConstraint(
                name="conclusion_event_strength_is_known",
                condition=Q(strength__in=list(STRENGTHS)),
            ),
        ]


class Task(models.Model):
    """Something that somebody has to do by a time, and what came of it."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    room = models.ForeignKey(Room, models.CASCADE, related_name="tasks")
    number = models.SmallIntegerField()
    words = models.TextField()
    owner = models.ForeignKey(Party, models.PROTECT, related_name="+")
    due_at = models.DateTimeField()
    state = models.TextField(default="open")
    made_at = models.DateTimeField()
    made_by = models.TextField()
    made_by_name = models.TextField(blank=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.TextField(blank=True)
    ended_by_name = models.TextField(blank=True)
    said = models.TextField(blank=True)  # what came of it, or why it is dropped
    told_at = models.DateTimeField(null=True)  # that it is late

    class Meta:
        constraints = [
            models.UniqueConstraint(name="task_number_once", fields=["room", "number"]),
            models.CheckConstraint(name="task_state_is_known", condition=Q(state__in=TASK_STATES)),
            models.CheckConstraint(
                name="task_ended_says_what",
                condition=Q(state="open", ended_at__isnull=True)
                | (~Q(state="open") & Q(ended_at__isnull=False) & ~Q(said="")),
            ),
        ]
        indexes = [
            # What waits for its owner (reviews/pages/waiting.py).
            models.Index(
                name="task_of_owner", fields=["owner", "due_at"], condition=Q(state="open")
            ),
            # The sweep of what is late (reviews/tasks.py).
            models.Index(
                name="task_late",
                fields=["due_at"],
                condition=Q(state="open", told_at__isnull=True),
            ),
        ]

    @property
    def key(self) -> str:
        """How people say it, inside its room."""
        return f"T-{self.number}"
