"""Addresses of the pages that show more than their own app."""

from django.urls import include, path

from reviews.campaigns.acts import ACTS
from reviews.pages import (
    api,
    attention_views,
    campaign_views,
    case_views,
    event_views,
    held_views,
    inventory_views,
    link_views,
    policy_views,
    queue_views,
    views,
)
from reviews.pages.campaign_rows import KINDS

urlpatterns = [
    path("identities/", views.identity_list, name="identity_list"),
    path("identities/<str:key>/", views.identity_line, name="identity_line"),
    path("identities/<str:key>/lanes.json", views.identity_lanes, name="identity_lanes"),
    path("identities/<str:key>/coverage/", views.identity_coverage, name="identity_coverage"),
    path("identities/<str:key>/together/", views.identity_together, name="identity_together"),
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
    path("delegations/", views.delegation_list, name="delegation_list"),
    path("revocations/", views.revocation_list, name="revocation_list"),
    path("ai-systems/", views.ai_system_list, name="ai_system_list"),
    path("unclaimed/", views.unclaimed_list, name="unclaimed_list"),
    path("unclaimed/reject/", views.unclaimed_reject, name="unclaimed_reject"),
    path("links/", link_views.link_list, name="link_list"),
    path("links/new/", link_views.link_new, name="link_new"),
    path("links/make/", link_views.link_make, name="link_make"),
    path("links/<uuid:pk>/", link_views.link_proposal, name="link_proposal"),
    path("links/<uuid:pk>/sign/", link_views.link_sign, name="link_sign"),
    path("links/<uuid:pk>/refuse/", link_views.link_refuse, name="link_refuse"),
    path("unclaimed/", include("reviews.pages.claim_urls")),
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
        name="case_release",
    ),
    path("queue/keep/", queue_views.keep, name="queue_keep"),
    path("queue/undo/", queue_views.undo, name="queue_undo"),
    path("queue/outside/", queue_views.outside, name="queue_outside"),
    path("queue/feed/<str:secret>.ics", queue_views.feed, name="queue_feed"),
    path("queue.csv", queue_views.take_out, {"name": "queue", "shape": "csv"}, name="queue_csv"),
    path("queue.json", queue_views.take_out, {"name": "queue", "shape": "json"}, name="queue_json"),
    path("cases.csv", queue_views.take_out, {"name": "cases", "shape": "csv"}, name="cases_csv"),
    path("cases.json", queue_views.take_out, {"name": "cases", "shape": "json"}, name="cases_json"),
    path("cases/<str:key>/second-look/", attention_views.second_look, name="case_second_look"),
    path("cases/<str:key>/hand-over/", attention_views.hand_over, name="case_hand_over"),
    path("deciding/", attention_views.deciding, name="deciding"),
    path("campaigns/", campaign_views.campaign_list, name="campaign_list"),
    path("campaigns/new/", campaign_views.campaign_new, name="campaign_new"),
    path("campaigns/<str:key>/", campaign_views.campaign_page, name="campaign_page"),
    *(
        path(
            f"campaigns/<str:key>/{what}/",
            campaign_views.campaign_list_of,
            {"what": what},
            name=f"campaign_{what}",
        )
        for what in KINDS
    ),
    *(
        path(
            f"campaigns/<str:key>/{what}.{shape}",
            campaign_views.campaign_out,
            {"what": what, "shape": shape},
            name=f"campaign_{what}_{shape}",
        )
        for what in KINDS
        for shape in ("csv", "json")
    ),
    *(
        path(
            f"campaigns/<str:key>/{step}/",
            campaign_views.campaign_act,
            {"step": step},
            name=f"campaign_{step}",
        )
        for step in ACTS
    ),
    path("policies/", policy_views.policy_list, name="policy_list"),
    path("policies/new/", policy_views.policy_new, name="policy_new"),
    path("policies/<slug:slug>/<int:version>/", policy_views.policy_page, name="policy_page"),
    path(
        "policies/<slug:slug>/<int:version>/identities/",
        policy_views.policy_identities,
        name="policy_identities",
    ),
    path("policies/<slug:slug>/<int:version>/sign/", policy_views.policy_sign, name="policy_sign"),
    path(
        "policies/<slug:slug>/<int:version>/refuse/",
        policy_views.policy_refuse,
        name="policy_refuse",
    ),
    path("releases/", held_views.release_list, name="release_list"),
    path("releases/release/", held_views.several_release, name="several_release"),
    path("releases/drop/", held_views.several_drop, name="several_drop"),
    path("cases/<str:key>/held/release/", held_views.held_release, name="held_release"),
    path("cases/<str:key>/held/drop/", held_views.held_drop, name="held_drop"),
    path("profile/", views.profile, name="profile"),
    path("search/", views.search, name="search"),
    path("api/line/<path:name>/", api.line, name="api_line"),
    path("api/export/<str:what>/", api.export, name="api_export"),
    path("", include("reviews.pages.list_urls")),
    path("", include("reviews.pages.mode_urls")),
    path("", include("reviews.pages.unfinished_urls")),
    path("", include("reviews.pages.room_urls")),
    path("", include("reviews.pages.room_timeline_urls")),
    path("", include("reviews.pages.containment_urls")),
    path("", include("reviews.pages.radius_urls")),
    path("", include("reviews.pages.sealing_urls")),
    path("", include("reviews.pages.population_urls")),
]
