"""Incidents for scripts: open or join, read a room, work in it. Siblings of the pages.

A token opens, asks, concludes and gives tasks; an incident is closed by a person's own hand.
"""

from collections.abc import Callable
from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identities.api.doors import PAGED, door, named, page_of
from identities.api.identities import user_of
from identities.api.serializers import Reason, checked
from identities.models import User
from identities.permissions import NotPossible, require
from reviews import visible
from reviews.actions import handing
from reviews.api import case_of
from reviews.incidents import closing, forms, freezing, opening, questions, rights, rooms, tasks
from reviews.models import Case, Room
from reviews.models.incidents import CERTAINTIES, ROLES, SEVERITIES
from reviews.pages import room, room_opening


class OpenIn(serializers.Serializer[Any]):
    """Open an incident of an identity, or add to the one that is open."""

    identity = serializers.CharField(max_length=200)
    title = serializers.CharField(max_length=opening.LONGEST_TITLE)
    reason = Reason()
    severity = serializers.ChoiceField(choices=list(SEVERITIES), default="medium")
    detected_at = serializers.DateTimeField(required=False, default=None, allow_null=True)
    findings = serializers.ListField(
        child=serializers.CharField(max_length=20),
        required=False,
        default=list,
        max_length=opening.MOST_FINDINGS,
    )


class IncidentReasonIn(serializers.Serializer[Any]):
    """Why."""

    reason = Reason()


class IncidentNothingIn(serializers.Serializer[Any]):
    """Nothing more has to be said."""


class SeverityIn(serializers.Serializer[Any]):
    """How severe it is now, and why."""

    severity = serializers.ChoiceField(choices=list(SEVERITIES))
    reason = Reason()


class RoleIn(serializers.Serializer[Any]):
    """Who gets a role: a login, mail address or name."""

    role = serializers.ChoiceField(choices=list(ROLES))
    to = serializers.CharField(max_length=handing.LONGEST_NAME)


class HandOverIn(serializers.Serializer[Any]):
    """Who leads next, what is known, what is not (`unknown`)."""

    to = serializers.CharField(max_length=handing.LONGEST_NAME)
    known = Reason()
    unknown = Reason()


class WordsIn(serializers.Serializer[Any]):
    """Words that stand in the room."""

    words = Reason()


class QuestionIn(serializers.Serializer[Any]):
    """A question."""

    number = serializers.IntegerField(min_value=1, max_value=questions.MOST)


class DropIn(QuestionIn):
    """A question that is not answered any further, and why."""

    reason = Reason()


class ConcludeIn(QuestionIn):
    """A conclusion; `events`: references as events' addresses have them, `seen`: the conclusion that
    stands, as it was read."""

    words = Reason()
    certainty = serializers.ChoiceField(choices=list(CERTAINTIES))
    missing = serializers.CharField(required=False, default="", allow_blank=True, max_length=2_000)
    denies = serializers.BooleanField(required=False, default=False)
    seen = serializers.UUIDField(required=False, default=None, allow_null=True)
    events = serializers.ListField(
        child=serializers.CharField(max_length=60), max_length=questions.MOST_EVENTS
    )


class TaskIn(serializers.Serializer[Any]):
    """What somebody has to do, who (a person or team) and by when."""

    words = Reason()
    owner = serializers.CharField(max_length=handing.LONGEST_NAME)
    due_at = serializers.DateTimeField()


class EndTaskIn(serializers.Serializer[Any]):
    """What came of a task."""

    number = serializers.IntegerField(min_value=1)
    state = serializers.ChoiceField(choices=["done", "dropped"])
    said = Reason()


class CloseIn(serializers.Serializer[Any]):
    """What was looked at; `version`: of the room as it was read."""

    words = Reason()
    version = serializers.IntegerField(min_value=0)


type WhyNot = Callable[..., str | None]


def _why_not_end(user: User, case: Case, *, now: Any) -> str | None:
    """The owner of any open task of it may end that one; which, is the act's to ask."""
    owners = case.room.tasks.values_list("owner", flat=True)
    whys = [rights.why_not_end_task(user, case, one, now=now) for one in {*owners}]
    return None if None in whys else rights.why_not_work(user, case, now=now)


# act: what does it, what it takes, and who may.
ACTS: dict[str, tuple[Callable[..., Any], type[serializers.Serializer[Any]], WhyNot]] = {
    "severity": (rooms.set_severity, SeverityIn, rights.why_not_work),
    "role": (rooms.name_role, RoleIn, rights.why_not_work),
    "hand-over": (rooms.hand_over, HandOverIn, rights.why_not_work),
    "outcome": (rooms.write_outcome, WordsIn, rights.why_not_work),
    "lessons": (rooms.note_lessons, WordsIn, rights.why_not_work),
    "ask": (questions.ask, WordsIn, rights.why_not_work),
    "drop": (questions.drop, DropIn, rights.why_not_work),
    "take-up": (questions.take_up, QuestionIn, rights.why_not_work),
    "conclude": (questions.conclude, ConcludeIn, rights.why_not_work),
    "task": (tasks.add, TaskIn, rights.why_not_work),
    "end-task": (tasks.end, EndTaskIn, _why_not_end),
    "freeze": (freezing.freeze, IncidentNothingIn, rights.why_not_work),
    "review": (closing.open_review, IncidentNothingIn, rights.why_not_work),
    "look-back": (closing.put_before, IncidentNothingIn, rights.why_not_work),
    "send-back": (closing.send_back, IncidentReasonIn, rights.why_not_send_back),
    "close": (closing.close, CloseIn, rights.why_not_close),
}


@extend_schema(request=OpenIn, responses=OpenApiTypes.OBJECT, tags=["incidents"])
@door({"GET": "read", "POST": "act"}, asks=PAGED)
def incidents(request: Request) -> Response:
    """GET: the incidents the caller sees, newest first. POST: open one (201), or join the open one of
    the identity (200)."""
    user, now = user_of(request), timezone.now()
    if request.method == "POST":
        case, new = _open(request, user)
        return Response(room.as_data(case, user, now=now), status=201 if new else 200)
    limit, after = page_of(request)
    rows = Room.objects.filter(case__in=visible.cases(user, now=now))
    if after is not None:
        rows = rows.filter(case__number__lt=after)
    found = list(rows.select_related("case__identity").order_by("-case__number")[:limit])
    return Response(
        {
            "rows": [
                {
                    "case": one.case.key,
                    "title": one.case.title,
                    "state": one.case.state,
                    "severity": one.severity,
                    "identity": None if one.case.identity is None else one.case.identity.key,
                    "opened_at": one.case.opened_at,
                    "closed_at": one.case.closed_at,
                }
                for one in found
            ],
            "after": found[-1].case.number if len(found) == limit else None,
        }
    )


def _open(request: Request, user: User) -> tuple[Case, bool]:
    now = timezone.now()
    name = named(request, "identity")
    identity = room_opening.identity_called(name, user, now=now)
    if identity is not None:
        require(rights.why_not_open(user, identity, now=now))
    data = dict(checked(OpenIn(data=request.data)))
    if identity is None:
        raise NotPossible(f"There is no identity called {data['identity'][:100]!r}.")
    numbers = forms.finding_numbers(" ".join(data.pop("findings")))
    data.pop("identity")
    return room_opening.open_for(identity, user, **data, numbers=numbers, now=now)


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["incidents"])
@door({"GET": "read"})
def one(request: Request, key: str) -> Response:
    """A room: its clocks, questions and conclusions, tasks, roles, and what keeps it from closing."""
    return Response(room.as_data(room_of(request, key), user_of(request), now=timezone.now()))


@extend_schema(request=WordsIn, responses=OpenApiTypes.OBJECT, tags=["incidents"])
@door({"POST": "act"})
def act(request: Request, key: str, act: str) -> Response:
    """Work in a room: severity, role, hand-over, outcome, lessons, ask, drop, take-up, conclude, task,
    end-task, freeze, review, look-back, send-back, close."""
    does, takes, why_not = ACTS[act]
    case, user, now = room_of(request, key), user_of(request), timezone.now()
    require(why_not(user, case, now=now))
    data = dict(checked(takes(data=request.data)))
    if "events" in data:
        data["events"] = forms.refs_of(" ".join(data["events"]))
    if "owner" in data:
        data["owner"] = handing.party_called(data["owner"])
    does(case=case, **data, by=user, now=now)
    return Response(room.as_data(room_of(request, key), user, now=now))


def room_of(request: Request, key: str) -> Case:
    """An incident with a room that the caller may see; anything else is absent."""
    case = case_of(request, key)
    if not Room.objects.filter(case=case).exists():
        raise Http404
    return case
