"""Addresses of identities: the decision endpoint and the API. Pages are in reviews/pages."""

from django.urls import include, path

from identities.api import (
    batches,
    bindings,
    custody,
    decisions,
    grants,
    identities,
    receivers,
    services,
    signals,
)

urlpatterns = [
    path("access/v1/evaluation", decisions.evaluation, name="evaluation"),
    path(
        ".well-known/authzen-configuration", decisions.configuration, name="authzen_configuration"
    ),
    path("api/identities/", identities.identities, name="api_identities"),
    path("api/identities/register/", identities.register, name="api_register"),
    path("api/identities/<str:key>/", identities.identity, name="api_identity"),
    path("api/identities/<str:key>/revocations/", identities.steps, name="api_revocations"),
    path("api/identities/<str:key>/cascade/", batches.cascade, name="api_cascade"),
    path("api/batches/", batches.many, name="api_batches"),
    path("api/batches/<str:key>/", batches.one, name="api_batch"),
    path(
        "api/services/<slug:slug>/criticality/",
        services.criticality,
        name="api_service_criticality",
    ),
    path("api/unclaimed/", bindings.unclaimed, name="api_unclaimed"),
    path("api/unclaimed/bind/", bindings.bind, name="api_bind"),
    path("api/unclaimed/confirm/", bindings.confirm_by_rule, name="api_confirm_by_rule"),
    path("api/bindings/<int:pk>/confirm/", bindings.confirm, name="api_confirm_binding"),
    path("api/bindings/<int:pk>/reject/", bindings.reject, name="api_reject_binding"),
    path("api/bindings/<int:pk>/end/", bindings.unbind, name="api_unbind"),
    path("api/links/", bindings.link_proposals, name="api_links"),
    path("api/links/<uuid:pk>/sign/", bindings.sign_link, name="api_sign_link"),
    path("api/links/<uuid:pk>/refuse/", bindings.refuse_link, name="api_refuse_link"),
    path("api/claims/", include("identities.api.claim_urls")),
    path("api/credentials/", identities.credentials, name="api_credentials"),
    path("api/enforcers/<slug:name>/proofs/", receivers.take, name="api_receiver"),
    path("api/grants/", grants.many, name="api_grants"),
    path("api/grants/<str:key>/", grants.one, name="api_grant"),
    path("api/grants/<str:key>/credentials/", grants.credentials, name="api_grant_credentials"),
    path("api/grants/<str:key>/retry/", grants.retry, name="api_grant_retry"),
    path("api/findings/", identities.findings, name="api_findings"),
    path("api/findings/<uuid:pk>/dispose/", identities.dispose, name="api_dispose_finding"),
    path("api/findings/<uuid:pk>/assign/", identities.assign, name="api_finding_assign"),
    path(
        "api/sources/<slug:name>/holds/<int:number>/release/",
        custody.release_hold,
        name="api_hold_release",
    ),
    path(".well-known/ssf-configuration", signals.configuration, name="ssf_configuration"),
    path("signals/jwks.json", signals.jwks, name="signals_jwks"),
    path("signals/streams", signals.configured, name="signals_streams"),
    path("signals/streams/<str:stream>/poll", signals.poll, name="signals_poll"),
    path("signals/status", signals.status, name="signals_status"),
    path("signals/subjects/add", signals.add_subject, name="signals_add_subject"),
    path("signals/subjects/remove", signals.remove_subject, name="signals_remove_subject"),
    path("signals/verify", signals.verify, name="signals_verify"),
]
