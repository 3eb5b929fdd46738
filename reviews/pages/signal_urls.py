"""Addresses of shared signals for our people; those that receivers call are identities/urls.py's."""

from django.urls import path

from reviews.pages import signal_views

urlpatterns = [
    path("signals/", signal_views.signal_list, name="signal_list"),
    path("signals/receivers/new/", signal_views.signal_receiver, name="signal_receiver"),
    path("signals/receivers/<str:receiver>/end/", signal_views.receiver_end, name="signal_end"),
    path("signals/stream/<str:stream>/", signal_views.signal_stream, name="signal_stream"),
    path("signals/stream/<str:stream>/test/", signal_views.stream_test, name="signal_test"),
    path("signals/stream/<str:stream>/enabled/", signal_views.stream_enabled, name="signal_enable"),
    path("signals/stream/<str:stream>/paused/", signal_views.stream_paused, name="signal_pause"),
    path(
        "signals/stream/<str:stream>/disabled/",
        signal_views.stream_disabled,
        name="signal_disable",
    ),
    path("signals/stream/<str:stream>/remove/", signal_views.stream_remove, name="signal_remove"),
]
