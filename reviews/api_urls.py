"""Addresses of policies and campaigns for scripts."""

from django.urls import path

from reviews import campaigns_api, policies_api
from reviews.campaigns.acts import ACTS
from reviews.pages.campaign_rows import KINDS

VERSION = "policies/<slug:slug>/<int:version>/"

urlpatterns = [
    path("policies/", policies_api.policies, name="api_policies"),
    path("policies/dry-run/", policies_api.dry_run, name="api_policy_try"),
    path(VERSION, policies_api.policy, name="api_policy"),
    path(f"{VERSION}dry-run/", policies_api.dry_run_of, name="api_policy_dry_run"),
    path(f"{VERSION}sign/", policies_api.sign, name="api_policy_sign"),
    path(f"{VERSION}refuse/", policies_api.refuse, name="api_policy_refuse"),
    path("campaigns/", campaigns_api.campaigns, name="api_campaigns"),
    path("campaigns/<str:key>/", campaigns_api.campaign, name="api_campaign"),
    path("campaigns/<str:key>/preview/", campaigns_api.look, name="api_campaign_preview"),
    *(
        path(
            f"campaigns/<str:key>/{what}/",
            campaigns_api.taken_out,
            {"what": what},
            name=f"api_campaign_{what}",
        )
        for what in KINDS
    ),
    *(
        path(
            f"campaigns/<str:key>/{step}/",
            campaigns_api.act,
            {"step": step},
            name=f"api_campaign_{step}",
        )
        for step in ACTS
    ),
]
