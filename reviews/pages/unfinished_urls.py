"""Addresses of what is not finished, of one revocation, and of one signature on many targets."""

from django.urls import path

from reviews import unfinished_api as api
from reviews.pages import batch_views as batches
from reviews.pages import unfinished_views as views

ONE = "revocations/<str:key>/"

urlpatterns = [
    path("unfinished/", views.wall, name="unfinished"),
    path("unfinished.csv", views.wall_out, {"shape": "csv"}, name="unfinished_csv"),
    path("unfinished.json", views.wall_out, {"shape": "json"}, name="unfinished_json"),
    path(ONE, views.revocation_page, name="revocation_page"),
    path(f"{ONE}state/", views.state, name="revocation_state"),
    path(f"{ONE}sign/", views.sign, name="revocation_sign"),
    path(f"{ONE}refuse/", views.refuse, name="revocation_refuse"),
    path(f"{ONE}retry/", views.retry, name="revocation_retry"),
    path(f"{ONE}proofs/<int:number>/", views.proof, name="revocation_proof"),
    path("identities/<str:key>/cascade/", batches.cascade, name="cascade"),
    path("identities/<str:key>/cascade/sign/", batches.cascade_sign, name="cascade_sign"),
    path("batches/", batches.batch_list, name="batch_list"),
    path("batches/new/", batches.batch_new, name="batch_new"),
    path("batches/sign/", batches.batch_sign, name="batch_sign"),
    path("batches/<str:key>/", batches.batch_page, name="batch_page"),
    path("batches/<str:key>.csv", batches.batch_out, name="batch_csv"),
    path("api/unfinished/", api.wall, name="api_unfinished"),
    path("api/rights/", api.rights, name="api_rights"),
    path(f"api/{ONE}", api.one, name="api_revocation"),
    path(f"api/{ONE}state/", api.state, name="api_revocation_state"),
    path(f"api/{ONE}sign/", api.sign, name="api_revocation_sign"),
    path(f"api/{ONE}refuse/", api.refuse, name="api_revocation_refuse"),
    path(f"api/{ONE}retry/", api.retry, name="api_revocation_retry"),
]
