"""The acts that lead to an incident: to the form that opens one, and to the room of one.

Owns what stands on the pages of findings, identities, runs and cases.
"""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet

from identities.models import Identity, User
from reviews import visible
from reviews.incidents import rights
from reviews.models import Case, Room, Task
from reviews.permissions import mine

type Act = dict[str, Any]
MOST_TASKS = 200


def tasks_of(user: User, *, now: datetime) -> QuerySet[Task]:
    """The open tasks of this user and their teams, in incidents that they see, the first due first."""
    rows = Task.objects.filter(
        state="open",
        owner__in=mine(user, now=now),
        room__case__in=visible.cases(user, now=now).exclude(state__in=rights.OVER),
    )
    return rows.select_related("room__case", "owner__person", "owner__team").order_by(
        "due_at", "number"
    )


def my_tasks(user: User, *, now: datetime) -> dict[str, Any]:
    """templates/room_tasks.html."""
    found = list(tasks_of(user, now=now)[: MOST_TASKS + 1])
    return {
        "section": "incident",
        "now": now,
        "title": "Tasks of incidents",
        "crumbs": [{"words": "Incidents", "url": "/cases/?door=incident"}],
        "more": len(found) > MOST_TASKS,
        "rows": [
            {
                "key": one.key,
                "words": one.words,
                "owner": str(one.owner),
                "due_at": one.due_at,
                "case": one.room.case,
                "url": f"/cases/{one.room.case.key}/room/tasks/{one.number}/",
            }
            for one in found[:MOST_TASKS]
        ],
    }


def opening(identity: Identity | None, user: User, *, now: datetime, **comes: str) -> list[Act]:
    """To the form, for those who may. `comes`: from which finding, run or case."""
    if identity is None or rights.why_not_open(user, identity, now=now) is not None:
        return []
    url = f"/incidents/new/?{urlencode({'identity': identity.key, **comes})}"
    return [{"words": "Open an incident", "url": url, "icon": "flame", "get": True}]


def of_case(case: Case, user: User, *, now: datetime) -> list[Act]:
    """To the room of an incident; from every other case to the form. What is sealed is named in no
    other case."""
    if case.door != "incident":
        return [] if case.sealed else opening(case.identity, user, now=now, case=case.key)
    if not Room.objects.filter(case=case).exists():
        return []
    url = f"/cases/{case.key}/room/"
    return [{"words": "The room", "url": url, "icon": "flame", "get": True, "primary": True}]
