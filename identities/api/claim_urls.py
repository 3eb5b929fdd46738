"""Addresses of the claim wave's API, under /api/claims/."""

from django.urls import path

from identities.api import claims

urlpatterns = [
    path("", claims.claims, name="api_claims"),
    path("answer/", claims.answer, name="api_claim_answer"),
    path("answers/<uuid:pk>/undo/", claims.undo, name="api_claim_undo"),
    path("rule/", claims.rule, name="api_claim_rule"),
    path("pass-on/", claims.pass_on, name="api_claim_pass_on"),
    path("wave/start/", claims.wave_start, name="api_claim_wave_start"),
    path("wave/end/", claims.wave_end, name="api_claim_wave_end"),
    path("burn-down/", claims.burn_down, name="api_claim_burn_down"),
]
