"""Addresses of evidence: the doors, and the pages of sources, deposits and the ledger."""

from django.urls import path

from evidence import api, pull_views, views

urlpatterns = [
    path("v1/traces", api.traces, name="otlp_traces"),
    path("api/evidence/<slug:name>/", api.records, name="api_evidence"),
    path("sources/", views.source_list, name="source_list"),
    path("sources/new/", views.source_new, name="source_new"),
    path("sources/<slug:name>/", views.source_page, name="source_page"),
    path("sources/<slug:name>/drop/", views.source_drop, name="source_drop"),
    path("sources/<slug:name>/token/", views.source_token, name="source_token"),
    path("sources/<slug:name>/declare/", views.source_declare, name="source_declare"),
    path("sources/<slug:name>/connect/", pull_views.connect, name="source_connect"),
    path("sources/<slug:name>/check/", pull_views.check, name="source_check"),
    path("sources/<slug:name>/pull/", pull_views.pull_now, name="source_pull"),
    path("sources/<slug:name>/pulls/", pull_views.part, name="source_pulls"),
    path("sources/<slug:name>/cancel/", pull_views.cancel, name="source_cancel"),
    path("sources/<slug:name>/pause/", pull_views.pause, name="source_pause"),
    path("deposits/<int:number>/", views.deposit_page, name="deposit_page"),
    path("ledger/", views.ledger_page, name="ledger_page"),
    path("ledger/export/", views.ledger_export, name="ledger_export"),
]
