"""What goes out and comes in as JSON. Validates and renders; never saves."""

from typing import Any

from rest_framework import serializers

from identities.actions.bindings import Unclaimed
from identities.inventory.listing import Listed
from identities.models import (
    Binding,
    Credential,
    Finding,
    Identity,
    LinkProposal,
    Revocation,
)
from identities.permissions import NotPossible
from identities.reasons import LONGEST_REASON


class Reason(serializers.CharField):
    """Why. That there is none is for the act to say, which asks for the permission before it."""

    def __init__(self) -> None:
        super().__init__(max_length=LONGEST_REASON, default="", allow_blank=True)


class IdentityOut(serializers.ModelSerializer[Identity]):
    key = serializers.CharField(read_only=True)
    service = serializers.SlugRelatedField[Any](slug_field="slug", read_only=True)
    owner = serializers.StringRelatedField[Any]()
    sponsor = serializers.StringRelatedField[Any]()
    backup = serializers.StringRelatedField[Any]()

    class Meta:
        model = Identity
        fields = (
            "id",
            "key",
            "name",
            "kind",
            "service",
            "owner",
            "sponsor",
            "backup",
            "inherited",
            "purpose",
            "expires_at",
            "criticality",
            "state",
            "mode",
            "evidence_boundary",
            "vendor_contact",
            "contract_ends_at",
            "data_leaving",
            "created_at",
        )
        read_only_fields = fields


class CredentialOut(serializers.ModelSerializer[Credential]):
    key = serializers.CharField(read_only=True)
    name = serializers.CharField(source="actor.value", read_only=True)
    identity = serializers.CharField(source="identity.key", default=None, read_only=True)
    issued_by = serializers.CharField(source="issued_by.value", default=None, read_only=True)
    issued_to = serializers.CharField(source="issued_to.value", default=None, read_only=True)
    seen_with = serializers.CharField(source="seen_with.value", default=None, read_only=True)

    class Meta:
        model = Credential
        fields = (
            "id",
            "key",
            "name",
            "kind",
            "standing",
            "identity",
            "issued_at",
            "issued_by",
            "issued_to",
            "seen_with",
            "expires_at",
            "contradiction",
            "state",
            "state_at",
        )
        read_only_fields = fields


class BindingOut(serializers.ModelSerializer[Binding]):
    actor = serializers.CharField(source="actor.value", read_only=True)
    actor_kind = serializers.CharField(source="actor.kind", read_only=True)
    identity = serializers.CharField(source="identity.key", read_only=True)
    identity_name = serializers.CharField(source="identity.name", read_only=True)

    class Meta:
        model = Binding
        fields = (
            "id",
            "actor",
            "actor_kind",
            "identity",
            "identity_name",
            "basis",
            "state",
            "shared",
            "reason",
            "seen",
            "recorded_at",
            "by_name",
        )
        read_only_fields = fields


class LinkProposalOut(serializers.ModelSerializer[LinkProposal]):
    actor = serializers.CharField(source="actor.value", read_only=True)
    identity = serializers.CharField(source="identity.key", read_only=True)
    other = serializers.CharField(source="other.key", read_only=True)

    class Meta:
        model = LinkProposal
        fields = (
            "id",
            "actor",
            "identity",
            "other",
            "shared",
            "state",
            "reason",
            "proposed_at",
            "proposed_by_name",
            "settled_at",
            "settled_by_name",
            "settled_reason",
        )
        read_only_fields = fields


class FindingOut(serializers.ModelSerializer[Finding]):
    key = serializers.CharField(read_only=True)
    identity = serializers.CharField(source="identity.key", default=None, read_only=True)
    assignee = serializers.CharField(source="assignee.called", default=None, read_only=True)
    # How many events by the name of their strength.
    strengths = serializers.DictField(child=serializers.IntegerField(), read_only=True)

    class Meta:
        model = Finding
        fields = (
            "id",
            "key",
            "identity",
            "rule",
            "family",
            "strength",
            "strengths",
            "words",
            "state",
            "count",
            "first_at",
            "last_at",
            "controls",
            "details",
            "assignee",
            "opened_at",
            "state_at",
            "state_reason",
        )
        read_only_fields = fields


class RevocationOut(serializers.ModelSerializer[Revocation]):
    key = serializers.CharField(read_only=True)
    identity = serializers.CharField(source="identity.key", read_only=True)
    credential = serializers.CharField(source="credential.key", default=None, read_only=True)
    # Effective because people state it, and not seen.
    stated = serializers.BooleanField(read_only=True)
    # The revocation that took this one along, and whether it takes along what its credential issued.
    cause = serializers.CharField(source="cause.key", default=None, read_only=True)

    class Meta:
        model = Revocation
        fields = (
            "id",
            "key",
            "identity",
            "credential",
            "step",
            "system",
            "words",
            "state",
            "stated",
            "requested_at",
            "requested_by_name",
            "because",
            "cause",
            "takes_issued",
            "takes_others",
            "case_key",
            "sending_at",
            "sent_at",
            "confirmed_at",
            "effective_at",
            "residual",
            "residual_until",
            "attempts",
            "failed_why",
            "who_must_act",
            "reopened",
        )
        read_only_fields = fields


def unclaimed_out(row: Unclaimed) -> dict[str, Any]:
    """One unclaimed actor: `more` says that the count is a lower bound."""
    return {
        "actor": row.actor.pk,
        "realm": row.actor.realm,
        "kind": row.actor.kind,
        "name": row.actor.value,
        "first_at": row.first_at,
        "last_at": row.last_at,
        "count": row.count,
        "more": row.more,
        "proposals": BindingOut(row.proposals, many=True).data,
        "listed": None if row.listed is None else listed_out(row.listed),
    }


def listed_out(row: Listed) -> dict[str, Any]:
    """What the system's own list says of an actor; hints decide nothing."""
    return {
        "source": row.source,
        "kind": row.kind,
        "title": row.title,
        "status": row.status,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "last_used_at": row.last_used_at,
        "read_at": row.read_at,
        "gone_at": row.gone_at,
        "hints": row.hints,
        "missing": row.missing,
        "credentials": [listed_out(one) for one in row.credentials],
        "more_credentials": row.more,
    }


class AttestIn(serializers.Serializer[Any]):
    purpose = serializers.CharField(max_length=2000)
    expires_at = serializers.DateTimeField()


class BecauseIn(serializers.Serializer[Any]):
    because = Reason()


class StepIn(BecauseIn):
    step = serializers.ChoiceField(["hold", "release", "suspend", "resume", "revoke"])
    credential = serializers.UUIDField(required=False, allow_null=True)


class DisposeIn(serializers.Serializer[Any]):
    disposition = serializers.ChoiceField(["confirmed", "expected", "false", "duplicate"])
    reason = Reason()


class AssignIn(serializers.Serializer[Any]):
    assignee = serializers.CharField(max_length=150, allow_blank=True)


class KnowingIn(serializers.Serializer[Any]):
    """`changes`: the digest of what it changes, as GET of the same address gave it."""

    reason = Reason()
    changes = serializers.CharField(required=False, default="", allow_blank=True, max_length=64)


class BindIn(KnowingIn):
    actor = serializers.IntegerField(min_value=1)
    identity = serializers.CharField(max_length=300)
    shared = serializers.BooleanField(default=False)


class ConfirmIn(KnowingIn):
    shared = serializers.BooleanField(required=False, allow_null=True, default=None)


class RejectIn(serializers.Serializer[Any]):
    reason = Reason()


class RuleIn(KnowingIn):
    least_calls = serializers.IntegerField(min_value=1, max_value=1_000_000, default=10)
    competing = serializers.BooleanField(default=False)
    dry_run = serializers.BooleanField(default=False)


class RegisterIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=300)
    text = serializers.CharField(max_length=4_000_000, trim_whitespace=False)
    imported = serializers.BooleanField(
        default=False, help_text="True is refused: only the command line imports delegations."
    )
    dry_run = serializers.BooleanField(default=False)

    def validate_name(self, name: str) -> str:
        if not name.lower().endswith((".yaml", ".yml", ".json")):
            raise serializers.ValidationError("ends in .yaml, .yml or .json")
        return name


def known_only(serializer: serializers.Serializer[Any]) -> dict[str, Any]:
    """The same, and 400 for a member that the serializer does not know: what is not read is not
    taken for done."""
    said = serializer.initial_data
    if isinstance(said, dict):
        strange = [str(name)[:80] for name in said if name not in serializer.fields]
        if strange:
            known = ", ".join(serializer.fields)
            raise serializers.ValidationError(
                {name: [f"Nobody knows this member. Known: {known}."] for name in strange}
            )
    return checked(serializer)


def checked(serializer: serializers.Serializer[Any]) -> dict[str, Any]:
    """The validated input; 400 with every member's problem otherwise."""
    serializer.is_valid(raise_exception=True)
    data = serializer.validated_data
    if not isinstance(data, dict):
        raise NotPossible("Send one JSON object.")
    return data
