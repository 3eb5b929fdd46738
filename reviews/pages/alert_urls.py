"""Addresses of alerts: the door of their senders, pages, and the same for scripts."""

from django.urls import path

from reviews import alerts_api
from reviews.pages import alert_views as views

urlpatterns = [
    path("alerts/", views.alert_list, name="alert_list"),
    path("alerts/<str:key>/", views.alert_page, name="alert_page"),
    path("alerts/<str:key>/match/", views.alert_match, name="alert_match"),
    path("alerts/<str:key>/dismiss/", views.alert_dismiss, name="alert_dismiss"),
    path("api/alerts/", alerts_api.all_alerts, name="api_alerts"),
    path("api/alerts/from/<slug:name>/", alerts_api.take, name="api_alerts_from"),
    path("api/alerts/<str:key>/", alerts_api.one_alert, name="api_alert"),
    path("api/alerts/<str:key>/match/", alerts_api.match, name="api_alert_match"),
    path("api/alerts/<str:key>/dismiss/", alerts_api.dismiss, name="api_alert_dismiss"),
]
