"""Addresses of the claim wave's API, under /api/claims/."""

from django.urls import path

from identities.api import claims

urlpatterns = [
    path("", claims.claims, name="api_claims"),
    path("answer/", claims.answer, name="api_claim_answer"),
    path("answers/<uuid:pk>/undo/", claims.undo, name="api_claim_undo"),
    path("rule/", claims.rule, name="api_claim_rule"),
    path("burn-down/", claims.burn_down, name="api_claim_burn_down"),
]
