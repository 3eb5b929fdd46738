"""Addresses of release manifests."""

from django.urls import path

from reviews import manifests_api
from reviews.pages import manifest_views

urlpatterns = [
    path("manifests/<str:key>/", manifest_views.manifest_page, name="manifest_page"),
    path("api/manifests/", manifests_api.declare, name="api_manifests"),
    path("api/manifests/<str:key>/", manifests_api.check, name="api_manifest"),
]
