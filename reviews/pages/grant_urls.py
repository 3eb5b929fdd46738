"""Addresses of one grant."""

from django.urls import path

from reviews.pages import grant_views as views

urlpatterns = [
    path("grants/<str:key>/", views.grant, name="grant_page"),
    path("grants/<str:key>/retry/", views.retry, name="grant_retry"),
    path("grants/<str:key>/console/", views.console, name="grant_console"),
]
