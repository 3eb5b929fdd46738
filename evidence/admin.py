"""Stock admin for looking at evidence: nothing here is added, changed or removed by a form.

Sources are changed by actions, which write the ledger; everything else is append-only. Capsules
are read in their cases, by who may see those.
"""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from evidence import withheld
from evidence.models import Deposit, Gap, LedgerEntry, Progress, Source

if TYPE_CHECKING:
    Rows = admin.ModelAdmin[Any]
else:
    # Django's class takes no parameter at run time.
    Rows = admin.ModelAdmin


class Looking(Rows):
    """Rows to look at."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - named by Django
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - named by Django
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - named by Django
        return False


@admin.register(Source)
class SourceAdmin(Looking):
    list_display = ("name", "plane", "format", "watermark", "completeness", "token_used_at")
    # Not even the digest of a token is shown.
    exclude = ("token_digest",)


@admin.register(Deposit)
class DepositAdmin(Looking):
    list_display = ("id", "source", "received_at", "name", "records", "events", "rejects")
    list_select_related = ("source",)
    exclude = ("received_digest", "kept_digest")


@admin.register(Progress)
class ProgressAdmin(Looking):
    list_display = ("deposit_id", "consumer", "done_at", "attempts", "failed_why")


@admin.register(Gap)
class GapAdmin(Looking):
    list_display = ("source", "during", "reason", "recorded_at")
    list_select_related = ("source",)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(Looking):
    list_display = ("id", "at", "by_name", "act", "subject")
    exclude = ("salt", "digest")

    def get_queryset(self, request: HttpRequest) -> Any:
        # Sealed cases have a page of their own, for their members.
        rows = super().get_queryset(request).filter(sealed_case=None)
        return withheld.everywhere().left_out(rows)
