"""The outbox of notices: mail and signed webhooks. A row is the queue."""

from datetime import timedelta

from django.db import models
from django.db.models import Q

from evidence.keys import uuid7
from identities.models import Person

# So long a mail that others of its kind may follow waits for them (docs/decisions/0045).
GATHERED = timedelta(minutes=1)
# The end of a subject, by which the outbox knows where all of its kind are listed.
HELD = "what silence would have done waits to be released"
FAST = "answers given very fast wait for a second look"


class Notice(models.Model):
    """One message to one person or one webhook; sent once."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    channel = models.TextField(default="mail")  # mail, webhook
    address = models.TextField(blank=True)
    subject = models.TextField()
    body = models.TextField()
    case = models.UUIDField(null=True)
    # Asks about every case of a campaign at once.
    campaign = models.UUIDField(null=True)
    # Why it is sent, so that a sweep that runs twice sends one: "CS-12 reminder 48 h".
    occasion = models.TextField()
    created_at = models.DateTimeField()
    not_before = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    attempts = models.IntegerField(default=0)
    failed_why = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="notice_once", fields=["occasion", "person", "address"], nulls_distinct=False
            )
        ]
        indexes = [
            # Whom the request of a case has reached (reviews/actions/clock.py).
            models.Index(name="notice_of_case", fields=["case"]),
            models.Index(
                name="notice_due", fields=["not_before"], condition=Q(sent_at__isnull=True)
            ),
        ]
