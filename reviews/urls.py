"""Addresses of cases, and of the pages that show more than their own app."""

from django.urls import include, path

from reviews import api, seats_api, views
from reviews.pages import case_views, pack_views

urlpatterns = [
    path("", views.front_page, name="front"),
    path("queue/", views.queue_page, name="queue"),
    path("cases/", views.case_list, name="case_list"),
    path("cases/<str:key>/", views.case_detail, name="case_page"),
    path("cases/<str:key>.json", case_views.case_json, name="case_json"),
    path(
        "cases/<str:key>/capsules/CAP-<int:number>.json",
        case_views.capsule_json,
        name="capsule_json",
    ),
    path(
        "cases/<str:key>/capsules/CAP-<int:number>/", case_views.capsule_page, name="capsule_page"
    ),
    path("cases/<str:key>/pack/", pack_views.pack_take, name="case_pack"),
    path("cases/<str:key>/decide/", views.case_decide, name="case_decide"),
    path("cases/<str:key>/undo/", views.case_undo, name="case_undo"),
    path("cases/<str:key>/tie-break/", views.case_tie_break, name="case_tie_break"),
    path("cases/<str:key>/pin/", views.case_pin, name="case_pin"),
    path("cases/<str:key>/start/", views.case_start, name="case_start"),
    path("cases/<str:key>/cancel/", views.case_cancel, name="case_cancel"),
    path("cases/<str:key>/again/", views.case_again, name="case_again"),
    path("identities/<str:key>/open-review/", views.open_review, name="open_review"),
    path("requests/new/", views.request_new, name="request_new"),
    path("sign-in/<str:token>/", views.sign_in, name="sign_in_link"),
    path("api/cases/", api.cases, name="api_cases"),
    path("api/cases/open/", api.open_review, name="api_open_review"),
    path("api/cases/<str:key>/", api.case, name="api_case"),
    path("api/cases/<str:key>/decide/", api.decide, name="api_decide"),
    path("api/cases/<str:key>/hand-over/", seats_api.hand_over, name="api_hand_over"),
    path("api/cases/<str:key>/second-look/", seats_api.second_look, name="api_second_look"),
    path("api/requests/", api.request_access, name="api_request_access"),
    path("api/", include("reviews.api_urls")),
    path("", include("reviews.signed_api")),
    path("", include("reviews.steering_api")),
    path("", include("reviews.sources_api")),
    path("", include("reviews.evidence_api")),
    path("", include("reviews.signals_api")),
    path("", include("reviews.pages.item_urls")),
    path("", include("reviews.manifest_urls")),
    path("", include("reviews.owners_api_urls")),
    path("", include("reviews.pages.owned_urls")),
    path("", include("reviews.pages.freeze_urls")),
    path("", include("reviews.pages.change_urls")),
    path("", include("reviews.pages.signal_urls")),
    path("", include("reviews.pages.automatic_urls")),
    path("", include("reviews.pages.grant_urls")),
    path("", include("reviews.pages.pack_urls")),
    # Names of its own before those that are keys of requests.
    path("", include("reviews.pages.account_urls")),
    path("", include("reviews.pages.sealed_urls")),
    path("", include("reviews.pages.break_glass_urls")),
    path("", include("reviews.pages.urls")),
]
