"""Addresses of the pages that show more than their own app."""

from django.urls import path

from reviews.pages import api, case_views, event_views, inventory_views, views

urlpatterns = [
    path("identities/", views.identity_list, name="identity_list"),
    path("identities/<str:key>/", views.identity_line, name="identity_line"),
    path("identities/<str:key>/lanes.json", views.identity_lanes, name="identity_lanes"),
    path("identities/<str:key>/coverage/", views.identity_coverage, name="identity_coverage"),
    path("runs/<str:key>/", views.run_page, name="run_page"),
    path("findings/", views.finding_list, name="finding_list"),
    path("findings/<str:key>/", views.finding_page, name="finding_page"),
    path("findings/<str:key>/dispose/", views.finding_dispose, name="finding_dispose"),
    path("findings/<str:key>/assign/", views.finding_assign, name="finding_assign"),
    path("credentials/", views.credential_list, name="credential_list"),
    path("credentials/<str:key>/", views.credential_page, name="credential_page"),
    path(
        "credentials/<str:key>/hold/",
        views.credential_step,
        {"step": "hold"},
        name="credential_hold",
    ),
    path(
        "credentials/<str:key>/release/",
        views.credential_step,
        {"step": "release"},
        name="credential_release",
    ),
    path(
        "credentials/<str:key>/revoke/",
        views.credential_step,
        {"step": "revoke"},
        name="credential_revoke",
    ),
    path("ai-systems/", views.ai_system_list, name="ai_system_list"),
    path("unclaimed/", views.unclaimed_list, name="unclaimed_list"),
    path("unclaimed/confirm/", views.unclaimed_confirm, name="unclaimed_confirm"),
    path("unclaimed/reject/", views.unclaimed_reject, name="unclaimed_reject"),
    path("unclaimed/bulk/", views.unclaimed_bulk, name="unclaimed_bulk"),
    path("unclaimed/bind/", views.unclaimed_bind, name="unclaimed_bind"),
    path("sources/<slug:name>/inventory/", inventory_views.inventory_page, name="inventory_page"),
    path(
        "sources/<slug:name>/inventory/read/",
        inventory_views.inventory_read,
        name="inventory_read",
    ),
    path(
        "sources/<slug:name>/inventory/pause/",
        inventory_views.inventory_pause,
        name="inventory_pause",
    ),
    path("events/", event_views.event_list, name="event_list"),
    path("events/<str:ref>/", event_views.event_page, name="event_page"),
    path("events/<str:ref>/pin/", event_views.event_pin, name="event_pin"),
    path(
        "cases/<str:key>/release/",
        case_views.case_give_back,
        {"step": "release"},
        name="case_release",
    ),
    path(
        "cases/<str:key>/resume/",
        case_views.case_give_back,
        {"step": "resume"},
        name="case_resume",
    ),
    path("profile/", views.profile, name="profile"),
    path("search/", views.search, name="search"),
    path("api/line/<path:name>/", api.line, name="api_line"),
    path("api/export/<str:what>/", api.export, name="api_export"),
]
