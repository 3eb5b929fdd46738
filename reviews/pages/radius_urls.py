"""Addresses of the blast radius, and of the authority as it stood at a moment."""

from django.urls import URLPattern, path

from reviews import radius_api
from reviews.pages import radius_views

urlpatterns: list[URLPattern] = [
    path("radius/", radius_views.radius_of, name="radius"),
    path("radius.csv", radius_views.radius_file, {"shape": "csv"}, name="radius_csv"),
    path("radius.json", radius_views.radius_file, {"shape": "json"}, name="radius_json"),
    path("identities/<str:key>/authority/", radius_views.authority_at, name="identity_authority"),
    path("api/radius/", radius_api.radius_from, name="api_radius"),
    path("api/identities/<str:key>/authority/", radius_api.authority_at, name="api_authority"),
]
