"""Addresses of change freezes, and of what the brake holds of a campaign."""

from django.urls import path

from reviews import campaigns_api, freezes_api
from reviews.pages import freeze_views, outcome_views

urlpatterns = [
    path("freezes/", freeze_views.freeze_list, name="freeze_list"),
    path("freezes/new/", freeze_views.freeze_new, name="freeze_new"),
    path("freezes/<str:key>/", freeze_views.freeze_page, name="freeze_page"),
    path("freezes/<str:key>/identities/", freeze_views.freeze_identities, name="freeze_identities"),
    path("freezes/<str:key>/sign/", freeze_views.freeze_sign, name="freeze_sign"),
    path("freezes/<str:key>/refuse/", freeze_views.freeze_refuse, name="freeze_refuse"),
    path("freezes/<str:key>/end/", freeze_views.freeze_end, name="freeze_end"),
    path("campaigns/<str:key>/outcomes/", outcome_views.outcomes, name="campaign_outcomes"),
    path(
        "campaigns/<str:key>/outcomes/release/",
        outcome_views.let_out,
        name="campaign_outcomes_release",
    ),
    path(
        "api/campaigns/<str:key>/outcomes/release/",
        campaigns_api.outcomes,
        name="api_campaign_outcomes_release",
    ),
    path("api/freezes/", freezes_api.all_freezes, name="api_freezes"),
    path("api/freezes/<str:key>/", freezes_api.freeze, name="api_freeze"),
]
