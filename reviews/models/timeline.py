"""What people put on the events of an incident's timeline: stars, labels, notes.

A mark is put on and taken off, each by somebody and at a moment; none is overwritten, so that two
people who mark at once both keep theirs. Events are named by (at, id), without a foreign key.
"""

from django.db import models
from django.db.models import Q

from evidence.keys import uuid7

from .cases import Case
from .comments import Comment

MARKS = ("star", "label")


class Mark(models.Model):
    """A star or a label on one event, in one case."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    case = models.ForeignKey(Case, models.CASCADE, related_name="marks", db_index=False)
    at = models.DateTimeField()
    event_id = models.BigIntegerField()
    kind = models.TextField()
    label = models.TextField(blank=True)  # of a label, in small letters
    since = models.DateTimeField()
    by = models.TextField()
    by_name = models.TextField(blank=True)
    until = models.DateTimeField(null=True)
    until_by = models.TextField(blank=True)
    until_by_name = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="mark_kind_is_known", condition=Q(kind__in=MARKS)),
            models.CheckConstraint(
                name="mark_label_says_something",
                condition=Q(kind="label") & ~Q(label="") | Q(kind="star", label=""),
            ),
            # Two people who star the same event at once: one row, and both are told it is there.
            # Also the marks of a page's events, and of a filter (reviews/incidents/reading.py).
            models.UniqueConstraint(
                name="mark_once",
                fields=["case", "at", "event_id", "kind", "label"],
                condition=Q(until__isnull=True),
            ),
        ]


class EventNote(models.Model):
    """Which event a comment of a case is about."""

    comment = models.OneToOneField(
        Comment, models.PROTECT, primary_key=True, related_name="about_event"
    )
    case = models.ForeignKey(Case, models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField()
    event_id = models.BigIntegerField()

    class Meta:
        indexes = [
            # The notes on a page's events (reviews/incidents/reading.py).
            models.Index(name="eventnote_of_event", fields=["case", "at", "event_id"])
        ]
