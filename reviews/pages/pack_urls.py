"""Addresses of packs, and of capsules that somebody froze by hand."""

from django.urls import path

from reviews import packs_api
from reviews.pages import pack_views as views
from reviews.pages import selection_views

urlpatterns = [
    path("packs/", views.pack_list, name="pack_list"),
    path("packs/take/<str:key>/", views.pack_take, name="pack_take"),
    path("packs/<str:key>/", views.pack_page, name="pack_page"),
    path("packs/<str:key>/file/", views.pack_file, name="pack_file"),
    path("packs/<str:key>/transfers/", views.pack_transfer, name="pack_transfer"),
    path("events/freeze/", selection_views.freeze, name="events_freeze"),
    path("capsules/", selection_views.capsule_list, name="selection_list"),
    path("capsules/<str:key>.json", selection_views.capsule_json, name="selection_json"),
    path("capsules/<str:key>/", selection_views.capsule_page, name="selection_page"),
    path("api/packs/", packs_api.packs, name="api_packs"),
    path("api/packs/<str:key>/", packs_api.pack, name="api_pack"),
    path("api/packs/<str:key>/file/", packs_api.file, name="api_pack_file"),
    path("api/packs/<str:key>/transfers/", packs_api.transfers, name="api_pack_transfers"),
    path("api/capsules/", packs_api.capsules, name="api_capsules"),
    path("api/capsules/<str:key>/", packs_api.capsule, name="api_capsule"),
]
