"""Stock admin for looking and for people and teams; what has an action has no form here.

An identity becomes active, a binding true, a credential dead and a delegation in force by
their actions only, which ask permissions and write the ledger. So those are read-only here.
"""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import Model
from django.http import HttpRequest

from evidence import nudge
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
    Logins = UserAdmin[User]
else:
    # Django's class takes no parameter at run time.
    Rows = admin.ModelAdmin
    Logins = UserAdmin


class Looking(Rows):
    """Rows to look at."""

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - named by Django
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - named by Django
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - named by Django
        return False


@admin.register(Identity)
class IdentityAdmin(Looking):
    list_display = ("key", "name", "kind", "state", "mode", "expires_at")
    list_filter = ("state", "kind", "mode")
    search_fields = ("name",)


@admin.register(Credential)
class CredentialAdmin(Looking):
    list_display = ("key", "short", "kind", "standing", "state", "expires_at")
    list_filter = ("state", "kind", "standing")
    list_select_related = ("actor",)


@admin.register(Finding)
class FindingAdmin(Looking):
    list_display = ("key", "rule", "state", "count", "last_at")
    list_filter = ("state", "rule")


@admin.register(Revocation)
class RevocationAdmin(Looking):
    list_display = ("key", "words", "state", "requested_at", "effective_at")
    list_filter = ("state", "step")


@admin.register(Claim)
class ClaimAdmin(Looking):
    list_display = ("id", "identity", "actor", "bundle", "party", "step", "state", "asked_at")
    list_filter = ("state", "step", "kind")
    list_select_related = ("identity", "actor", "party__person", "party__team")
    search_fields = ("bundle", "identity__name")


@admin.register(ClaimAnswer)
class ClaimAnswerAdmin(Looking):
    list_display = ("at", "answer", "by_name", "party", "bundle", "asked", "owned", "undone_at")
    list_filter = ("answer",)
    list_select_related = ("party__person", "party__team")
    search_fields = ("bundle", "by_name")


@admin.register(ClaimRefusal)
class ClaimRefusalAdmin(Looking):
    list_display = ("at", "identity", "actor", "party", "basis", "silent", "reason")
    list_filter = ("silent", "basis")
    list_select_related = ("identity", "actor", "party__person", "party__team")


@admin.register(ClaimWave)
class ClaimWaveAdmin(Looking):
    list_display = (
        "started_at",
        "started_by_name",
        "at_once",
        "share",
        "patience_days",
        "ended_at",
    )


@admin.register(ApiToken)
class ApiTokenAdmin(Looking):
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
    admin.site.register(model, Looking)


class People(Rows):
    """Rows whose change may leave something without anybody who answers for it."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        nudge.after_commit("people.changed")


@admin.register(User)
class LoginAdmin(People, Logins):
    """Logins and their groups; which person is behind one decides independence."""

    list_display = ("username", "person", "is_active", "is_staff")
    fieldsets: ClassVar[Any] = (
        *(UserAdmin.fieldsets or ()),
        ("Person", {"fields": ("person",)}),
    )


@admin.register(Person)
class PersonAdmin(People):
    """That somebody left is said on the page People, with a reason and for the ledger."""

    list_display = ("name", "email", "left_at")
    readonly_fields = ("left_at",)
    search_fields = ("name", "email")

    def has_delete_permission(self, request: HttpRequest, obj: Person | None = None) -> bool:  # noqa: ARG002 - named by Django
        return False


@admin.register(Team)
class TeamAdmin(Rows):
    search_fields = ("name",)

    def has_delete_permission(self, request: HttpRequest, obj: Team | None = None) -> bool:  # noqa: ARG002 - named by Django
        return False
