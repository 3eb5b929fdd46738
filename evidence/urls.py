"""Addresses of evidence: the doors, and the pages of sources, deposits and the ledger."""

from django.urls import path, re_path

from evidence import (
    api,
    custody_views,
    hooks,
    pull_views,
    reading_views,
    signals_door,
    views,
)

urlpatterns = [
    path("v1/traces", api.traces, name="otlp_traces"),
    path("api/evidence/<slug:name>/", api.records, name="api_evidence"),
    # kube-apiserver drops the last slash of the address in its kubeconfig.
    path("api/evidence/<slug:name>", api.records),
    path("api/evidence/<slug:name>/github/", hooks.github, name="api_github"),
    re_path(
        r"^api/evidence/(?P<name>[-\w]+)/kubernetes/(?P<cluster>[\w.:-]{1,150})/?$",
        hooks.kubernetes,
        name="api_kubernetes",
    ),
    path("api/evidence/<slug:name>/signals/", signals_door.push, name="api_push_signals"),
    path("sources/", views.source_list, name="source_list"),
    path("sources/new/", views.source_new, name="source_new"),
    path("sources/<slug:name>/", views.source_page, name="source_page"),
    path("sources/<slug:name>/drop/", views.source_drop, name="source_drop"),
    path("sources/<slug:name>/uploads/<int:number>/", views.upload_bytes, name="upload_bytes"),
    path("sources/<slug:name>/token/", views.source_token, name="source_token"),
    path("sources/<slug:name>/webhook-secret/", views.source_secret, name="source_secret"),
    path("sources/<slug:name>/declare/", views.source_declare, name="source_declare"),
    path("sources/<slug:name>/connect/", pull_views.connect, name="source_connect"),
    path("sources/<slug:name>/check/", pull_views.check, name="source_check"),
    path("sources/<slug:name>/pull/", pull_views.pull_now, name="source_pull"),
    path("sources/<slug:name>/pulls/", pull_views.part, name="source_pulls"),
    path("sources/<slug:name>/cancel/", pull_views.cancel, name="source_cancel"),
    path("sources/<slug:name>/pause/", pull_views.pause, name="source_pause"),
    path("deposits/<int:number>/", views.deposit_page, name="deposit_page"),
    path("deposits/<int:number>/reread/", reading_views.deposit_reread, name="deposit_reread"),
    path("mappings/", reading_views.mapping_page, name="mapping_page"),
    path("sources/<slug:name>/retention/", custody_views.retention, name="source_retention"),
    path("sources/<slug:name>/keep-filter/", custody_views.keep_filter, name="source_filter"),
    path("sources/<slug:name>/holds/", custody_views.hold, name="source_hold"),
    path(
        "sources/<slug:name>/holds/<int:number>/release/",
        custody_views.release,
        name="hold_release",
    ),
    path("deposits/<int:number>/erase/", custody_views.erase, name="deposit_erase"),
    path("erasures/<uuid:erasure>/confirm/", custody_views.confirm, name="erasure_confirm"),
    path("erasures/<uuid:erasure>/refuse/", custody_views.refuse, name="erasure_refuse"),
    path("ledger/", views.ledger_page, name="ledger_page"),
    path("ledger/keys.json", views.ledger_keys, name="ledger_keys"),
    path("ledger/anchors/<int:number>.jws", views.ledger_anchor, name="ledger_anchor"),
    path("ledger/export/", views.ledger_export, name="ledger_export"),
]
