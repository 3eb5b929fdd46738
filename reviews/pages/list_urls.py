"""Addresses of the lists beside the queue as files, and of those that had no door for scripts."""

from django.urls import path

from reviews.pages import list_views
from reviews.pages.lists_out import LISTS

urlpatterns = [
    *(
        path(
            f"{name}.{shape}",
            list_views.take_out,
            {"name": name, "shape": shape},
            name=f"{name}_{shape}",
        )
        for name in LISTS
        for shape in ("csv", "json")
    ),
    path("alignment/", list_views.alignment, name="alignment"),
    path("api/modes/", list_views.modes, name="api_modes"),
    path("api/releases/", list_views.releases, name="api_releases"),
]
