"""Addresses of sealing and unsealing a case, for people and for scripts."""

from django.urls import path

from reviews import sealing_api as api
from reviews.pages import sealing_views as views

HERE, API = "cases/<str:key>/seal/", "api/cases/<str:key>/seal/"

urlpatterns = [
    path("incidents/sealed/", views.sealed_incident, name="sealed_incident"),
    path("api/sealed-incidents/", api.open_sealed, name="api_sealed_incident"),
    path(HERE, views.seal, name="seal"),
    path(f"{HERE}members/add/", views.member_add, name="member_add"),
    path(f"{HERE}members/remove/", views.member_remove, name="member_remove"),
    path(f"{HERE}subjects/add/", views.subject_add, name="subject_add"),
    path(f"{HERE}end/ask/", views.unseal_ask, name="unseal_ask"),
    path(f"{HERE}end/drop/", views.unseal_drop, name="unseal_drop"),
    path(f"{HERE}end/sign/", views.unseal_sign, name="unseal_sign"),
    path(API, api.seal, name="api_seal"),
    path(f"{API}members/add/", api.member_add, name="api_member_add"),
    path(f"{API}members/remove/", api.member_remove, name="api_member_remove"),
    path(f"{API}subjects/add/", api.subject_add, name="api_subject_add"),
    path(f"{API}end/ask/", api.unseal_ask, name="api_unseal_ask"),
    path(f"{API}end/drop/", api.unseal_drop, name="api_unseal_drop"),
    path(f"{API}end/sign/", api.unseal_sign, name="api_unseal_sign"),
]
