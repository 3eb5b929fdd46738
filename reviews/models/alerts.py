"""Alerts that other systems sent: what each said, whom it is about, and which incident it led to.

Their bytes are evidence, a deposit of their source; a row here is what was read of one. Nothing is
dropped: what is about nobody we know waits for a person.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from evidence.keys import uuid7
from evidence.models import Source
from evidence.models.numbers import NextNumber
from identities.models import Identity

from .cases import Case

# noted: about somebody we know, and not as grave as the source's setting asks for an incident.
ALERT_STATES = ("unmatched", "noted", "opened", "joined", "dismissed")
ALERT_SEVERITIES = ("unknown", "low", "medium", "high", "critical")


class Alert(models.Model):
    """One alert, once for each number that its sender gave it."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    number = models.BigIntegerField(unique=True, db_default=NextNumber("alert_number"))
    source = models.ForeignKey(Source, models.PROTECT, related_name="+", db_index=False)
    uid = models.TextField()  # the sender's own number of it
    deposit_id = models.BigIntegerField()  # as in events, without a foreign key
    position = models.IntegerField()  # its place among what the deposit holds
    shape = models.TextField()  # ocsf, sigma, plain, signal
    rule = models.TextField(blank=True)
    title = models.TextField()
    severity = models.TextField(default="unknown")
    at = models.DateTimeField()  # when it happened, by its sender
    received_at = models.DateTimeField()
    # Whom it names: [[realm, kind, value], …].
    names = models.JSONField(default=list)
    # The keys of these actors and of those that they came from, by which it is matched; empty in
    # rows from before they were kept, which wait for a person.
    keys = ArrayField(models.UUIDField(), default=list)
    over = models.BooleanField(default=False)  # its sender says that it is closed
    # The bindings of these actors that were looked at, while it is unmatched: once for each set.
    tried = ArrayField(models.BigIntegerField(), default=list)
    # How often it came again, and when last.
    repeats = models.IntegerField(default=0)
    last_at = models.DateTimeField()
    state = models.TextField(default="unmatched")
    why = models.TextField(blank=True)  # why it is in that state
    identity = models.ForeignKey(Identity, models.PROTECT, null=True, related_name="+")
    case = models.ForeignKey(Case, models.PROTECT, null=True, related_name="alerts")
    state_at = models.DateTimeField()
    state_by = models.TextField(blank=True)
    state_by_name = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="alert_state_is_known", condition=Q(state__in=ALERT_STATES)
            ),
            models.CheckConstraint(
                name="alert_severity_is_known", condition=Q(severity__in=ALERT_SEVERITIES)
            ),
            models.CheckConstraint(
                name="alert_in_a_case_is_about_somebody",
                condition=~Q(state__in=["opened", "joined"])
                | Q(identity__isnull=False, case__isnull=False),
            ),
            # The same alert sent twice, or by two workers at once, is one.
            models.UniqueConstraint(name="alert_once", fields=["source", "uid"]),
        ]
        indexes = [
            # Those that wait for a person (reviews/pages/alerts.py).
            models.Index(name="alert_unmatched", fields=["-number"], condition=Q(state="unmatched"))
        ]

    @property
    def key(self) -> str:
        return f"AL-{self.number}"


class AlertDeposit(models.Model):
    """A deposit that was read for alerts, so that it is read once (reviews/incidents/alerts.py)."""

    deposit_id = models.BigIntegerField(primary_key=True)
    read_at = models.DateTimeField()
    alerts = models.IntegerField()
    wrong = models.JSONField(default=list)  # [[place, sentence], …] of what was none
