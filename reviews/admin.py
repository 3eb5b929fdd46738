"""Stock admin for review policies, to look at only: changing one takes two signatures.

Cases, seats and decisions have no form here: a sealed case is absent for administrators too.
"""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from reviews.models import ReviewPolicy

if TYPE_CHECKING:
    Rows = admin.ModelAdmin[ReviewPolicy]
else:
    # Django's class takes no parameter at run time.
    Rows = admin.ModelAdmin


@admin.register(ReviewPolicy)
class ReviewPolicyAdmin(Rows):
    """Read-only."""

    list_display = ("name", "version", "state", "decide_within_hours", "silence", "recorded_at")

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - named by Django
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - named by Django
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - named by Django
        return False
