"""The product's addresses with the style guide under /styleguide/."""

from django.urls import include, path

from config.urls import urlpatterns as product

urlpatterns = [path("styleguide/", include("config.styleguide.urls")), *product]
