"""Addresses of changes that wait for a second person."""

from django.urls import path

from reviews import changes_api
from reviews.pages import change_views

urlpatterns = [
    path("changes/", change_views.change_list, name="change_list"),
    path("changes/<str:key>/", change_views.change_page, name="change_page"),
    path("changes/<str:key>/sign/", change_views.change_sign, name="change_sign"),
    path("changes/<str:key>/refuse/", change_views.change_refuse, name="change_refuse"),
    path("api/changes/", changes_api.all_changes, name="api_changes"),
    path("api/changes/<str:key>/", changes_api.change, name="api_change"),
    path("api/changes/<str:key>/sign/", changes_api.sign, name="api_change_sign"),
    path("api/changes/<str:key>/refuse/", changes_api.refuse, name="api_change_refuse"),
]
