"""Which rows of reviews Django's admin site shows: policies.

Cases, seats and decisions are not shown: a sealed case is absent for administrators too.
"""

from typing import TYPE_CHECKING

from django.contrib import admin

from reviews.models import ReviewPolicy

if TYPE_CHECKING:
    Rows = admin.ModelAdmin[ReviewPolicy]
else:
    # Django's class takes no parameter at run time.
    Rows = admin.ModelAdmin


@admin.register(ReviewPolicy)
class ReviewPolicyAdmin(Rows):
    list_display = ("name", "version", "state", "decide_within_hours", "silence", "recorded_at")
