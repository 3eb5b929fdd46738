"""Addresses of what people say and try out on the items of a case."""

from django.urls import path

from reviews import items_api
from reviews.pages import comment_views, left_views

urlpatterns = [
    path("cases/<str:key>/comment/", comment_views.case_comment, name="case_comment"),
    path("cases/<str:key>/left/", left_views.case_left, name="case_left"),
    path("api/cases/<str:key>/left/", items_api.left, name="api_left"),
    path("api/cases/<str:key>/breaks/", items_api.breaks, name="api_breaks"),
    path("api/cases/<str:key>/comments/", items_api.comment, name="api_comment"),
]
