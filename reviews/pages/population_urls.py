"""Addresses of the population as of a date."""

from django.urls import URLPattern, path

from reviews.pages import population_views

urlpatterns: list[URLPattern] = [
    path("population/", population_views.population_asked, name="population"),
    path("population/take/", population_views.population_taken, name="population_take"),
]
