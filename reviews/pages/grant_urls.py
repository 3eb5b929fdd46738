"""Addresses of one grant, and of signing in for a client that uses it elsewhere."""

from django.urls import path

from reviews import elsewhere_api
from reviews.pages import elsewhere_views
from reviews.pages import grant_views as views

urlpatterns = [
    path("grants/<str:key>/", views.grant, name="grant_page"),
    path("grants/<str:key>/retry/", views.retry, name="grant_retry"),
    path("grants/<str:key>/console/", views.console, name="grant_console"),
    path("device/", elsewhere_views.device, name="device"),
    path("device/countersign_credentials.py", elsewhere_views.client, name="device_client"),
    path("device/approve/", elsewhere_views.approve, name="device_approve"),
    path("device/refuse/", elsewhere_views.refuse, name="device_refuse"),
    path("device/authorization/", elsewhere_api.begin, name="device_authorization"),
    path("device/token/", elsewhere_api.token, name="device_token"),
]
