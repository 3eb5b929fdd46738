"""Addresses of what somebody answers for, for scripts."""

from django.urls import path

from reviews import owners_api as api
from reviews import people_api, places_api

urlpatterns = [
    path("api/people/", people_api.roster, name="api_people"),
    path("api/people/<uuid:pk>/", people_api.person, name="api_person"),
    path("api/owned/", api.owned_list, name="api_owned"),
    path("api/owned/activate/", api.activate_many, name="api_activate_many"),
    path("api/owned/places/", places_api.name_many, name="api_name_many"),
    path("api/owned/attest/", api.attest_many, name="api_attest_many"),
    path("api/owned/offers/<uuid:pk>/", api.offer, name="api_offer"),
    path("api/owned/succession/<uuid:pk>/", api.succession, name="api_succession"),
    path("api/identities/<str:key>/activate/", api.activate, name="api_activate"),
    path("api/identities/<str:key>/retire/", api.retire, name="api_retire"),
    path("api/identities/<str:key>/resume/", api.resume, name="api_resume"),
    path("api/identities/<str:key>/places/", places_api.name, name="api_name"),
    path("api/identities/<str:key>/attest/", api.attest, name="api_attest"),
    path("api/identities/<str:key>/vendor/", api.vendor, name="api_vendor"),
    path("api/identities/<str:key>/hand-over/", api.hand_over, name="api_identity_hand_over"),
]
