"""Which rows of identities, people and enforcement Django's admin site shows, and how."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin

from identities.models import (
    ApiToken,
    Attestation,
    Binding,
    Claim,
    ClaimAnswer,
    ClaimRefusal,
    ClaimWave,
    Credential,
    Delegation,
    DelegationVersion,
    Entitlement,
    Finding,
    Identity,
    Membership,
    Party,
    Person,
    Revocation,
    Service,
    Team,
    User,
)

if TYPE_CHECKING:
    Rows = admin.ModelAdmin[Any]
else:
    # Django's class takes no parameter at run time.
    Rows = admin.ModelAdmin


@admin.register(Identity)
class IdentityAdmin(Rows):
    list_display = ("key", "name", "kind", "state", "mode", "expires_at")
    list_filter = ("state", "kind", "mode")
    search_fields = ("name",)


@admin.register(Credential)
class CredentialAdmin(Rows):
    list_display = ("key", "short", "kind", "standing", "state", "expires_at")
    list_filter = ("state", "kind", "standing")
    list_select_related = ("actor",)


@admin.register(Finding)
class FindingAdmin(Rows):
    list_display = ("key", "rule", "state", "count", "last_at")
    list_filter = ("state", "rule")


@admin.register(Revocation)
class RevocationAdmin(Rows):
    list_display = ("key", "words", "state", "requested_at", "effective_at")
    list_filter = ("state", "step")


@admin.register(Claim)
class ClaimAdmin(Rows):
    list_display = ("id", "identity", "actor", "bundle", "party", "step", "state", "asked_at")
    list_filter = ("state", "step", "kind")
    list_select_related = ("identity", "actor", "party__person", "party__team")
    search_fields = ("bundle", "identity__name")


@admin.register(ClaimAnswer)
class ClaimAnswerAdmin(Rows):
    list_display = ("at", "answer", "by_name", "party", "bundle", "asked", "owned", "undone_at")
    list_filter = ("answer",)
    list_select_related = ("party__person", "party__team")
    search_fields = ("bundle", "by_name")


@admin.register(ClaimRefusal)
class ClaimRefusalAdmin(Rows):
    list_display = ("at", "identity", "actor", "party", "basis", "silent", "reason")
    list_filter = ("silent", "basis")
    list_select_related = ("identity", "actor", "party__person", "party__team")


@admin.register(ClaimWave)
class ClaimWaveAdmin(Rows):
    list_display = (
        "started_at",
        "started_by_name",
        "at_once",
        "share",
        "patience_days",
        "ended_at",
    )


@admin.register(ApiToken)
class ApiTokenAdmin(Rows):
    list_display = ("name", "user", "scopes", "expires_at", "revoked_at")
    exclude = ("digest",)


for model in (
    Attestation,
    Binding,
    Delegation,
    DelegationVersion,
    Entitlement,
    Membership,
    Party,
    Service,
):
    admin.site.register(model)


@admin.register(User)
class LoginAdmin(Rows):
    list_display = ("username", "person", "is_active", "is_staff")
    list_select_related = ("person",)
    search_fields = ("username",)
    exclude = ("password",)


@admin.register(Person)
class PersonAdmin(Rows):
    list_display = ("name", "email", "left_at")
    search_fields = ("name", "email")


@admin.register(Team)
class TeamAdmin(Rows):
    search_fields = ("name",)
