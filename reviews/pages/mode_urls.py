"""Addresses of modes, of what can be restored, and of the switch for all outgoing writes."""

from django.urls import path

from reviews import quarantine_api
from reviews.pages import held_views, mode_views, outgoing_views

urlpatterns = [
    path("modes/", mode_views.mode_list, name="mode_list"),
    path("modes/new/", mode_views.mode_new, name="mode_new"),
    path("modes/<str:key>/", mode_views.mode_page, name="mode_page"),
    path("modes/<str:key>/identities/", mode_views.mode_identities, name="mode_identities"),
    path("modes/<str:key>/sign/", mode_views.mode_sign, name="mode_sign"),
    path("modes/<str:key>/refuse/", mode_views.mode_refuse, name="mode_refuse"),
    path("modes/<str:key>/back/", mode_views.mode_back, name="mode_back"),
    path("cases/<str:key>/restore/", held_views.restore, name="case_restore"),
    path("api/cases/<str:key>/restore/", quarantine_api.restore, name="api_restore"),
    path("api/quarantine/", quarantine_api.held, name="api_quarantine"),
    path("outgoing/", outgoing_views.outgoing, name="outgoing"),
    path("outgoing/propose/", outgoing_views.propose, name="outgoing_propose"),
    path("outgoing/sign/", outgoing_views.sign, name="outgoing_sign"),
    path("outgoing/refuse/", outgoing_views.refuse, name="outgoing_refuse"),
]
