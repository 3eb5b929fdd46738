"""Changes of what exists already, proposed by one person until a second one signs."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q

from evidence.keys import uuid7
from evidence.models.numbers import NextNumber

from .signed import TwoSigned, signed_by_two

LASTS = timedelta(days=14)


class ProposedChange(TwoSigned):
    """One change of one thing: an identity, a service, a team, a person, a source.

    `document` is what is applied when it is signed, in the shape that its kind reads
    (identities/actions/changes.py); `lines` is what it changes, as a trial run said when it was
    proposed. Neither is ever changed. In force: signed and applied, in one transaction.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    number = models.BigIntegerField(unique=True, db_default=NextNumber("change_number"))
    kind = models.TextField()
    subject = models.TextField()  # as the ledger names it: "NHI-0012", "team:<uuid>"
    title = models.TextField()  # "identity svc-report-agent"
    document = models.JSONField()
    lines = models.JSONField()  # [["identity svc-report-agent", "owner: Ada → Ben"], …]
    digest = models.TextField()  # of kind, subject, document and lines

    class Meta:
        constraints = [
            *signed_by_two("change"),
            # The same request sent twice asks for one signature.
            models.UniqueConstraint(
                name="change_proposed_once", fields=["digest"], condition=Q(state="proposed")
            ),
        ]
        indexes = [
            models.Index(
                name="change_waits", fields=["proposed_at"], condition=Q(state="proposed")
            ),
            models.Index(name="change_of_subject", fields=["subject", "-number"]),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        return f"CHG-{self.number}"

    @property
    def url(self) -> str:
        return f"/changes/{self.key}/"

    @property
    def lapses_at(self) -> datetime:
        """From when on nobody can sign it any more."""
        return self.proposed_at + LASTS
