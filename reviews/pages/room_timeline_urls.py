"""Addresses of the one timeline of an incident, and of the alerts in it."""

from django.urls import include, path

from reviews.pages import room_timeline_views as views

urlpatterns = [
    path("cases/<str:key>/timeline/", views.timeline_page, name="timeline_page"),
    path("cases/<str:key>/timeline/mark/", views.timeline_mark, name="timeline_mark"),
    path("cases/<str:key>/timeline/events/<str:ref>/", views.timeline_event, name="timeline_event"),
    *(
        path(
            f"cases/<str:key>/timeline.{shape}",
            views.timeline_out,
            {"shape": shape},
            name=f"timeline_{shape}",
        )
        for shape in ("csv", "json")
    ),
    path("api/cases/<str:key>/timeline/", views.api_timeline, name="api_timeline"),
    path("", include("reviews.pages.alert_urls")),
]
