"""Addresses of containment and its playbooks, and where trackers say what became of tickets."""

from django.urls import path

from reviews import containment_api as api
from reviews import tickets_api
from reviews.pages import containment_views as views
from reviews.pages import playbook_views

CASE = "cases/<str:key>/"
VERSION = "playbooks/<slug:slug>/<int:version>/"
RUNS = f"{CASE}playbooks/"

urlpatterns = [
    path(f"{CASE}containment/", views.containment_page, name="containment"),
    path(f"{CASE}containment/new/", views.containment_new, name="containment_new"),
    path(f"{CASE}containment/sign/", views.containment_sign, name="containment_sign"),
    path(f"{CASE}containment/ask/", views.containment_ask, name="containment_ask"),
    path(f"{CASE}containment/<str:step>/", views.containment_step, name="containment_step"),
    path(f"{CASE}containment/<str:step>/undo/", views.containment_undo, name="containment_undo"),
    path(f"{RUNS}new/", playbook_views.playbook_run_new, name="playbook_run_new"),
    path(f"{RUNS}sign/", playbook_views.playbook_run_sign, name="playbook_run_sign"),
    path(f"{RUNS}<str:run>/", playbook_views.playbook_run, name="playbook_run"),
    path(f"{RUNS}<str:run>/stop/", playbook_views.playbook_run_stop, name="playbook_run_stop"),
    path("playbooks/", playbook_views.playbook_list, name="playbook_list"),
    path("playbooks/new/", playbook_views.playbook_new, name="playbook_new"),
    path(VERSION, playbook_views.playbook_page, name="playbook_page"),
    path(f"{VERSION}sign/", playbook_views.playbook_sign, name="playbook_sign"),
    path(f"{VERSION}refuse/", playbook_views.playbook_refuse, name="playbook_refuse"),
    path(f"{VERSION}end/", playbook_views.playbook_end, name="playbook_end"),
    path(f"api/{CASE}containment/", api.steps, name="api_containment"),
    path(f"api/{CASE}containment/<str:step>/", api.step, name="api_containment_step"),
    path(f"api/{CASE}containment/<str:step>/undo/", api.undo, name="api_containment_undo"),
    path(f"api/{RUNS}", api.runs, name="api_playbook_runs"),
    path(f"api/{RUNS}<str:run>/", api.run, name="api_playbook_run"),
    path(f"api/{RUNS}<str:run>/stop/", api.stop, name="api_playbook_run_stop"),
    path("api/playbooks/", api.playbooks, name="api_playbooks"),
    path(f"api/{VERSION}", api.playbook, name="api_playbook"),
    path(f"api/{VERSION}sign/", api.sign, name="api_playbook_sign"),
    path(f"api/{VERSION}refuse/", api.refuse, name="api_playbook_refuse"),
    path(f"api/{VERSION}end/", api.end, name="api_playbook_end"),
    path("api/tickets/<slug:name>/", tickets_api.take, name="api_tickets"),
]
