"""All addresses. Each app owns its own; the house adds health, metrics, accounts, admin, schema."""

from importlib.util import find_spec

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import IsAuthenticated

from config import health, metrics

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("accounts/", include("allauth.urls")),
    path("styleguide/", include("config.styleguide.urls")),
    path(
        "api/schema/",
        SpectacularAPIView.as_view(permission_classes=[IsAuthenticated]),
        name="schema",
    ),
    path(
        "api/docs/",
        login_required(SpectacularSwaggerSplitView.as_view(url_name="schema")),
        name="api_docs",
    ),
]
if settings.ADMIN:
    urlpatterns.append(path("admin/", admin.site.urls))

# Lower apps first; the top app has the front page.
urlpatterns += [
    path("", include(f"{app}.urls"))
    for app in ("evidence", "identities", "reviews")
    if find_spec(f"{app}.urls") is not None
]
