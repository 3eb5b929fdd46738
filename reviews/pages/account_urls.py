"""Addresses of break-glass accounts, and of recoveries of logins."""

from django.urls import path

from reviews import accounts_api, recovery_api
from reviews.pages import account_views, recovery_views

urlpatterns = [
    path("break-glass/sign-in/", account_views.enter, name="break_glass_sign_in"),
    path("break-glass/accounts/", account_views.overview, name="break_glass_accounts"),
    path("break-glass/accounts/new/", account_views.new, name="break_glass_account_new"),
    path(
        "break-glass/accounts/<uuid:pk>/seal/", account_views.seal, name="break_glass_account_seal"
    ),
    path("break-glass/accounts/<uuid:pk>/end/", account_views.end, name="break_glass_account_end"),
    path(
        "break-glass/accounts/uses/<int:pk>/",
        account_views.look_back,
        name="break_glass_account_look_back",
    ),
    path("api/break-glass/accounts/new/", accounts_api.new, name="api_break_glass_account_new"),
    path(
        "api/break-glass/accounts/<uuid:pk>/seal/",
        accounts_api.seal,
        name="api_break_glass_account_seal",
    ),
    path(
        "api/break-glass/accounts/<uuid:pk>/end/",
        accounts_api.end,
        name="api_break_glass_account_end",
    ),
    path("api/break-glass/accounts/", accounts_api.all_accounts, name="api_break_glass_accounts"),
    path(
        "api/break-glass/accounts/uses/<int:pk>/",
        accounts_api.look_back,
        name="api_break_glass_account_use",
    ),
    path("recoveries/", recovery_views.overview, name="recoveries"),
    path("recoveries/<int:pk>/cancel/", recovery_views.cancel, name="recovery_cancel"),
    path("recoveries/<int:pk>/review/", recovery_views.review, name="recovery_review"),
    path(
        "from-host/<str:what>/<str:uid>/<str:key>/",
        recovery_views.link_of_host,
        name="link_of_host",
    ),
    path("api/recoveries/", recovery_api.all_recoveries, name="api_recoveries"),
    path("api/recoveries/<int:pk>/cancel/", recovery_api.cancel, name="api_recovery_cancel"),
    path("api/recoveries/<int:pk>/review/", recovery_api.review, name="api_recovery_review"),
]
