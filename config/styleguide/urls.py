"""Addresses of the style guide, under /styleguide/."""

from django.urls import path

from config.styleguide import views

urlpatterns = [
    path("", views.guide, name="styleguide"),
    path("lanes.json", views.lanes, name="styleguide_lanes"),
    path("<slug:name>/", views.sample, name="styleguide_page"),
]
