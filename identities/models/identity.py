"""Services, identities, their bindings to actors, and their credentials.

Bindings, states and ownership are version rows: `during` (when true) and `recorded_at` /
`superseded_at` (when known). A change of meaning adds a row and supersedes the old one.
"""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Q

from evidence.keys import uuid7
from evidence.models import Actor
from evidence.models.numbers import NextNumber

from .people import Party, Person

KINDS = ("agent", "service_account", "workload", "integration", "human")
STATES = ("draft", "active", "suspended", "retired")
MODES = ("observe", "ask", "enforce")
CRITICALITIES = ("low", "normal", "high", "critical")
CREDENTIAL_STATES = ("active", "held", "revoked", "expired")


class Service(models.Model):
    """The application or business service an identity serves; an AI system has an AI owner."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    slug = models.SlugField(max_length=120, unique=True)
    name = models.TextField()
    cmdb_id = models.TextField(blank=True)
    owner = models.ForeignKey(Party, models.PROTECT, null=True, blank=True, related_name="+")
    ai_owner = models.ForeignKey(Party, models.PROTECT, null=True, blank=True, related_name="+")
    sponsor = models.ForeignKey(Party, models.PROTECT, null=True, blank=True, related_name="+")
    backup = models.ForeignKey(Party, models.PROTECT, null=True, blank=True, related_name="+")
    purpose = models.TextField(blank=True)
    criticality = models.TextField(default="normal")
    ai_system = models.BooleanField(default=False)
    legal_entity = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="service_criticality_is_known",
                condition=Q(criticality__in=CRITICALITIES),
            )
        ]

    def __str__(self) -> str:
        return self.name


class Identity(models.Model):
    """What is reviewed: an agent, service account, workload, integration or human.

    Owner, sponsor, backup and purpose are the effective ones; those in `inherited` came from
    the service and follow it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    number = models.BigIntegerField(unique=True, db_default=NextNumber("identity_number"))
    name = models.TextField(unique=True)
    kind = models.TextField()
    service = models.ForeignKey(
        Service, models.PROTECT, null=True, blank=True, related_name="identities"
    )
    owner = models.ForeignKey(Party, models.PROTECT, null=True, blank=True, related_name="owns")
    sponsor = models.ForeignKey(
        Party, models.PROTECT, null=True, blank=True, related_name="sponsors"
    )
    backup = models.ForeignKey(Party, models.PROTECT, null=True, blank=True, related_name="backs")
    inherited = models.JSONField(default=list, blank=True)  # names of inherited fields
    purpose = models.TextField(blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    criticality = models.TextField(default="normal")
    state = models.TextField(default="draft")
    mode = models.TextField(default="observe")
    # The rule that gave it this mode (reviews/actions/modes.py); null: registered so.
    mode_rule = models.UUIDField(null=True, blank=True)
    # External integrations state where their evidence ends.
    evidence_boundary = models.TextField(blank=True)
    # And who answers at the vendor, until when there is a contract, and what leaves with it.
    vendor_contact = models.TextField(blank=True, db_default="")
    contract_ends_at = models.DateTimeField(null=True, blank=True)
    data_leaving = models.TextField(blank=True, db_default="")
    legal_entity = models.TextField(blank=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "identities"
        constraints = [
            models.CheckConstraint(name="identity_kind_is_known", condition=Q(kind__in=KINDS)),
            models.CheckConstraint(name="identity_state_is_known", condition=Q(state__in=STATES)),
            models.CheckConstraint(name="identity_mode_is_known", condition=Q(mode__in=MODES)),
            # No path, not even SQL, makes an identity active without owner, purpose and expiry.
            models.CheckConstraint(
                name="identity_active_is_attested",
                condition=Q(state__in=["draft", "retired"])
                | (Q(owner__isnull=False, expires_at__isnull=False) & ~Q(purpose="")),
            ),
            models.CheckConstraint(
                name="identity_parties_differ",
                condition=(Q(owner__isnull=True) | Q(sponsor__isnull=True) | ~Q(owner=F("sponsor")))
                & (Q(owner__isnull=True) | Q(backup__isnull=True) | ~Q(owner=F("backup")))
                & (Q(sponsor__isnull=True) | Q(backup__isnull=True) | ~Q(sponsor=F("backup"))),
            ),
        ]
        indexes = [
            # The sweep of ends (reviews/actions/expiring.py).
            models.Index(
                name="identity_expiry_due", fields=["expires_at"], condition=Q(state="active")
            ),
            # The same of contracts with vendors (reviews/actions/expiring.py).
            models.Index(
                name="identity_contract_due",
                fields=["contract_ends_at"],
                condition=Q(state="active", contract_ends_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        return f"NHI-{self.number:04d}"


class IdentityState(models.Model):
    """A stretch in which an identity was held or suspended (or active), dated."""

    identity = models.ForeignKey(Identity, models.PROTECT, related_name="states")
    state = models.TextField()  # active, held, suspended, retired
    during = DateTimeRangeField()
    recorded_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True, blank=True)
    because = models.TextField(blank=True)
    by = models.TextField()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="identity_state_does_not_overlap",
                expressions=[
                    ("identity", RangeOperators.EQUAL),
                    ("during", RangeOperators.OVERLAPS),
                ],
                condition=Q(superseded_at__isnull=True),
            )
        ]


class Binding(models.Model):
    """ "This actor is this identity": its basis, who confirmed it, and when it is true.

    Several identities may be bound to one actor together only when each row says `shared`:
    then every event says which one, or "one of A, B: cannot be told".
    """

    identity = models.ForeignKey(Identity, models.PROTECT, related_name="bindings")
    actor = models.ForeignKey(Actor, models.PROTECT, related_name="+")
    basis = models.TextField()  # declared, issued, observed, inferred
    state = models.TextField(default="proposed")  # proposed, confirmed, rejected
    shared = models.BooleanField(default=False)
    reason = models.TextField(blank=True)  # "45 calls of invoice-agent were made with this key"
    seen = models.IntegerField(default=0)  # the number in that sentence
    during = DateTimeRangeField()
    recorded_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True, blank=True)
    by = models.TextField()
    by_name = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="binding_basis_is_known",
                condition=Q(basis__in=["declared", "issued", "observed", "inferred"]),
            ),
            models.CheckConstraint(
                name="binding_state_is_known",
                condition=Q(state__in=["proposed", "confirmed", "rejected"]),
            ),
            # One row for one identity and actor at a time.
            ExclusionConstraint(
                name="binding_does_not_overlap",
                expressions=[
                    ("identity", RangeOperators.EQUAL),
                    ("actor", RangeOperators.EQUAL),
                    ("during", RangeOperators.OVERLAPS),
                ],
                condition=Q(superseded_at__isnull=True),
            ),
            # Two identities on one actor: only when both rows say they share it.
            ExclusionConstraint(
                name="binding_alone_unless_shared",
                expressions=[
                    ("actor", RangeOperators.EQUAL),
                    ("during", RangeOperators.OVERLAPS),
                ],
                condition=Q(superseded_at__isnull=True, state="confirmed", shared=False),
            ),
        ]
        indexes = [
            models.Index(name="binding_open", fields=["state"], condition=Q(state="proposed")),
        ]


class Credential(models.Model):
    """Issued when, by whom, for whom, until when. Born from issuance events where there are any."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    number = models.BigIntegerField(unique=True, db_default=NextNumber("credential_number"))
    actor = models.OneToOneField(Actor, models.PROTECT, related_name="+")
    identity = models.ForeignKey(
        Identity, models.PROTECT, null=True, blank=True, related_name="credentials"
    )
    kind = models.TextField()
    standing = models.BooleanField()
    issued_at = models.DateTimeField(null=True)
    issued_event = models.BigIntegerField(null=True)  # with issued_at: the issuance event
    issued_by = models.ForeignKey(Actor, models.PROTECT, null=True, related_name="+")
    issued_to = models.ForeignKey(Actor, models.PROTECT, null=True, related_name="+")
    # The one principal that records name with it, where that says whose it is; observed, not issued.
    seen_with = models.ForeignKey(Actor, models.PROTECT, null=True, related_name="+")
    # Open also where an end is stated that is before the issue: nothing ends by it.
    expires_at = models.DateTimeField(null=True)
    # How the times that are stated of it contradict each other; empty: they do not.
    contradiction = models.TextField(blank=True, default="", db_default="")
    state = models.TextField(default="active")  # active, held, revoked, expired
    state_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="credential_state_is_known",
                condition=Q(state__in=list(CREDENTIAL_STATES)),
            )
        ]
        indexes = [
            models.Index(name="credential_newest", fields=["identity", "-issued_at"]),
            # Those that are counted and listed because of it; there are few.
            models.Index(
                name="credential_contradicts", fields=["id"], condition=~Q(contradiction="")
            ),
            # Standing ones that end soon (reviews/triggers/facts.py).
            models.Index(
                name="credential_ends",
                fields=["expires_at"],
                condition=Q(standing=True, expires_at__isnull=False, state__in=["active", "held"]),
            ),
        ]

    @property
    def key(self) -> str:
        return f"CRED-{self.number}"

    @property
    def short(self) -> str:
        """The identifier as pages show it: AKIA…QP7D; of a principal, its name."""
        value = self.actor.value
        if value.startswith("arn:"):
            return value.rpartition("/")[2] or value
        return f"{value[:4]}…{value[-4:]}" if len(value) > 12 else value


class CredentialState(models.Model):
    """A stretch in which a credential was active, held or revoked, as seen or done."""

    credential = models.ForeignKey(Credential, models.PROTECT, related_name="states")
    state = models.TextField()
    during = DateTimeRangeField()
    recorded_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True, blank=True)
    because = models.TextField(blank=True)

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="credential_state_does_not_overlap",
                expressions=[
                    ("credential", RangeOperators.EQUAL),
                    ("during", RangeOperators.OVERLAPS),
                ],
                condition=Q(superseded_at__isnull=True),
            )
        ]


class Attestation(models.Model):
    """An owner's dated statement of purpose and expiry."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    identity = models.ForeignKey(Identity, models.PROTECT, related_name="attestations")
    purpose = models.TextField()
    expires_at = models.DateTimeField()
    attested_at = models.DateTimeField()
    attested_by = models.ForeignKey(Person, models.PROTECT, related_name="+")
    imported = models.BooleanField(default=False)
