"""Addresses of sealed credentials, for people and for scripts."""

from django.urls import path

from reviews import sealed_api as api
from reviews.pages import sealed_views as views

HERE, API = "break-glass/sealed/", "api/break-glass/sealed/"
ONE = "<slug:slug>/<int:version>/"

urlpatterns = [
    path(HERE, views.overview, name="sealed_list"),
    path(f"{HERE}new/", views.sealed_new, name="sealed_new"),
    path(f"{HERE}{ONE}", views.sealed_page, name="sealed_page"),
    path(f"{HERE}{ONE}sign/", views.sealed_sign, name="sealed_sign"),
    path(f"{HERE}{ONE}refuse/", views.sealed_refuse, name="sealed_refuse"),
    path(f"{HERE}<slug:slug>/drills/", views.drill, name="sealed_drill"),
    path(f"{HERE}uses/<str:key>/explain/", views.explain, name="sealed_explain"),
    path(f"{HERE}uses/<str:key>/decide/", views.decide, name="sealed_decide"),
    path(f"{HERE}uses/<str:key>/look-back/", views.look_back, name="sealed_look_back"),
    path(API, api.sealed, name="api_sealed"),
    path(f"{API}{ONE}sign/", api.sign, name="api_sealed_sign"),
    path(f"{API}{ONE}refuse/", api.refuse, name="api_sealed_refuse"),
    path(f"{API}<slug:slug>/drills/", api.drill, name="api_sealed_drill"),
    path(f"{API}uses/<str:key>/", api.one_use, name="api_sealed_use"),
    path(f"{API}uses/<str:key>/explain/", api.explain, name="api_sealed_explain"),
    path(f"{API}uses/<str:key>/decide/", api.decide, name="api_sealed_decide"),
    path(f"{API}uses/<str:key>/look-back/", api.look_back, name="api_sealed_look_back"),
]
