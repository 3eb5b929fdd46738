"""Addresses of evidence: the doors, and the pages of sources, deposits and the ledger."""

from django.urls import path

from evidence import api

urlpatterns = [
    path("v1/traces", api.traces, name="otlp_traces"),
    path("api/evidence/<slug:name>/", api.records, name="api_evidence"),
]
