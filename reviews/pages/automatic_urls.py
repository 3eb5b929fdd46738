"""Addresses of automatic holds and of their rules."""

from django.urls import path

from reviews import automatic_api
from reviews.pages import automatic_views as views

PATH = "automatic-holds"

urlpatterns = [
    path(f"{PATH}/", views.hold_list, name="automatic_holds"),
    path(f"{PATH}/new/", views.rule_new, name="hold_rule_new"),
    path(f"{PATH}/held/<str:key>/", views.hold_page, name="automatic_hold"),
    path(f"{PATH}/held/<str:key>/release/", views.hold_release, name="automatic_hold_release"),
    path(f"{PATH}/<str:key>/", views.rule_page, name="hold_rule"),
    path(f"{PATH}/<str:key>/sign/", views.rule_sign, name="hold_rule_sign"),
    path(f"{PATH}/<str:key>/refuse/", views.rule_refuse, name="hold_rule_refuse"),
    path(f"{PATH}/<str:key>/end/", views.rule_end, name="hold_rule_end"),
    path(f"api/{PATH}/", automatic_api.holds, name="api_automatic_holds"),
    path(f"api/{PATH}/rules/", automatic_api.all_rules, name="api_hold_rules"),
    path(f"api/{PATH}/replay/", automatic_api.try_it, name="api_hold_rule_replay"),
    path(f"api/{PATH}/held/<str:key>/", automatic_api.hold, name="api_automatic_hold"),
    path(
        f"api/{PATH}/held/<str:key>/release/", automatic_api.release, name="api_automatic_release"
    ),
    path(f"api/{PATH}/<str:key>/", automatic_api.rule, name="api_hold_rule"),
    path(f"api/{PATH}/<str:key>/sign/", automatic_api.sign, name="api_hold_rule_sign"),
    path(f"api/{PATH}/<str:key>/refuse/", automatic_api.refuse, name="api_hold_rule_refuse"),
    path(f"api/{PATH}/<str:key>/end/", automatic_api.end, name="api_hold_rule_end"),
]
