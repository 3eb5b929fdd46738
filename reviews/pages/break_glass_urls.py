"""Addresses of break-glass, for people and for scripts."""

from django.urls import path

from reviews import break_glass_api as api
from reviews.pages import break_glass_views as views

BUNDLE = "break-glass/bundles/<slug:slug>/<int:version>/"

urlpatterns = [
    path("break-glass/", views.overview, name="break_glass_list"),
    path("break-glass/new/", views.break_glass_new, name="break_glass_new"),
    path("break-glass/bundles/", views.bundle_list, name="bundle_list"),
    path("break-glass/bundles/new/", views.bundle_new, name="bundle_new"),
    path(BUNDLE, views.bundle_page, name="bundle_page"),
    path(f"{BUNDLE}sign/", views.bundle_sign, name="bundle_sign"),
    path(f"{BUNDLE}refuse/", views.bundle_refuse, name="bundle_refuse"),
    path("break-glass/on-call/", views.on_call_page, name="on_call_page"),
    path("break-glass/<str:key>/", views.break_glass_page, name="break_glass_page"),
    *(
        path(f"break-glass/<str:key>/{name}/", view, name=f"break_glass_{name.replace('-', '_')}")
        for name, view in views.ACTS.items()
    ),
    path("api/break-glass/", api.break_glass, name="api_break_glass"),
    path("api/break-glass/bundles/", api.all_bundles, name="api_bundles"),
    path("api/break-glass/on-call/", api.on_call_now, name="api_on_call"),
    path("api/break-glass/<str:key>/", api.one, name="api_break_glass_one"),
    *(
        path(
            f"api/break-glass/<str:key>/{act}/",
            api.act,
            {"act": act},
            name=f"api_break_glass_{act.replace('-', '_')}",
        )
        for act in api.ACTS
    ),
]
