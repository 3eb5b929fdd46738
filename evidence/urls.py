"""Addresses of evidence: the doors that senders push to, and the pages about what came in."""

from importlib import import_module
from importlib.util import find_spec

from django.urls import URLPattern, path

from evidence import api

urlpatterns: list[URLPattern] = [
    path("v1/traces", api.traces, name="otlp_traces"),
    path("api/evidence/<slug:name>/", api.records, name="api_evidence"),
]

if find_spec("evidence.views") is not None:
    views = import_module("evidence.views")
    urlpatterns += [
        path("sources/", views.source_list, name="sources"),
        path("sources/new/", views.source_new, name="source_new"),
        path("sources/<slug:name>/", views.source_page, name="source"),
        path("sources/<slug:name>/drop/", views.source_drop, name="source_drop"),
        path("sources/<slug:name>/rotate/", views.source_rotate, name="source_rotate"),
        path("sources/<slug:name>/declare/", views.source_declare, name="source_declare"),
        path("events/", views.event_list, name="events"),
        path("events/<str:ref>/", views.event_page, name="event"),
        path("deposits/<int:pk>/", views.deposit_page, name="deposit"),
        path("ledger/", views.ledger_page, name="ledger"),
    ]
