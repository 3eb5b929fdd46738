"""Addresses of the room of an incident, for people and for scripts."""

from django.urls import path

from reviews import incidents_api as api
from reviews.pages import room_views as views

ROOM = "cases/<str:key>/room/"

urlpatterns = [
    path("incidents/new/", views.incident_new, name="incident_new"),
    path("incidents/tasks/", views.my_tasks, name="my_tasks"),
    path(ROOM, views.room_page, name="room_page"),
    path(f"{ROOM}questions/<int:number>/", views.question_page, name="room_question"),
    path(f"{ROOM}tasks/<int:number>/", views.task_page, name="room_task"),
    path(f"{ROOM}conclude/", views.conclude, name="room_conclude"),
    *(
        path(f"{ROOM}{name}/", view, name=f"room_{name.replace('-', '_')}")
        for name, view in views.ACTS.items()
    ),
    path("api/incidents/", api.incidents, name="api_incidents"),
    path("api/incidents/<str:key>/", api.one, name="api_incident"),
    *(
        path(
            f"api/incidents/<str:key>/{act}/",
            api.act,
            {"act": act},
            name=f"api_incident_{act.replace('-', '_')}",
        )
        for act in api.ACTS
    ),
]
