"""Which rows of evidence Django's admin site shows, and how.

Capsules are read in their cases, by who may see those.
"""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from evidence import withheld
from evidence.models import Deposit, Gap, LedgerEntry, Progress, Source

if TYPE_CHECKING:
    Rows = admin.ModelAdmin[Any]
else:
    # Django's class takes no parameter at run time.
    Rows = admin.ModelAdmin


@admin.register(Source)
class SourceAdmin(Rows):
    list_display = ("name", "plane", "format", "watermark", "completeness", "token_used_at")
    # Not even the digest of a token is shown.
    exclude = ("token_digest",)


@admin.register(Deposit)
class DepositAdmin(Rows):
    list_display = ("id", "source", "received_at", "name", "records", "events", "rejects")
    list_select_related = ("source",)
    exclude = ("received_digest", "kept_digest")


@admin.register(Progress)
class ProgressAdmin(Rows):
    list_display = ("deposit_id", "consumer", "done_at", "attempts", "failed_why")


@admin.register(Gap)
class GapAdmin(Rows):
    list_display = ("source", "during", "reason", "recorded_at")
    list_select_related = ("source",)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(Rows):
    list_display = ("id", "at", "by_name", "act", "subject")
    exclude = ("salt", "digest")

    def get_queryset(self, request: HttpRequest) -> Any:
        # Sealed cases have a page of their own, for their members.
        rows = super().get_queryset(request).filter(sealed_case=None)
        return withheld.everywhere().left_out(rows)
