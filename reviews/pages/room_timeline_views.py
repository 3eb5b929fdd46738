"""The timeline of an incident: its page, one event of it, marks, files, and the same for scripts."""

from collections.abc import Iterator
from datetime import datetime
from itertools import batched
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.page import page
from evidence import looked
from evidence.parameters import Known, checked, whole
from evidence.permissions import Reader
from evidence.queries.events import key_in
from identities.api.doors import door
from identities.api.identities import user_of as caller
from identities.api.serializers import checked as checked_in
from identities.models import User
from identities.permissions import NotPossible, require
from reviews import readers
from reviews.api import case_of as case_for
from reviews.incidents import marks, places, reading, rights
from reviews.models import Case
from reviews.pages import queue_out, room_event, room_timeline, timeline_rows
from reviews.views import asked_of, case_of, user_of

ACTS = ("star", "unstar", "label", "unlabel", "pin", "note")
PER_PAGE, MOST = 100, 500
OF_API: Known = {**places.PAGED, "limit": ()}
STEP = 500


def _incident(case: Case) -> Case:
    """Only an incident has a timeline of its own."""
    if case.door != "incident":
        raise Http404("no incident of this key")
    return case


@require_GET
@login_required
def timeline_page(request: HttpRequest, key: str) -> HttpResponse:
    case, user, now = _incident(case_of(request, key)), user_of(request), timezone.now()
    said = asked_of(request)
    most = room_timeline.SHORT if said.pop("short", "") else room_timeline.PAGE
    context = {
        "section": "cases",
        "case": case,
        "crumbs": [
            {"words": "Incidents", "url": "/cases/?door=incident"},
            {"words": case.key, "url": f"/cases/{case.key}/room/"},
        ],
        "heading": f"Timeline: {case.title}",
        "room_timeline": room_timeline.context(case, user, said, now=now, most=most),
    }
    response = page(request, "timeline.html", context, part="room_timeline")
    if "HX-Request" not in request.headers:
        looked.note(
            response, [("case", case.key)], by=Reader(user.ref, user.called), now=now, case=case.pk
        )
    return response


@require_GET
@login_required
def timeline_event(request: HttpRequest, key: str, ref: str) -> HttpResponse:
    case, user, now = _incident(case_of(request, key)), user_of(request), timezone.now()
    event, by = key_in(ref), readers.reader(user, now)
    found = (
        None
        if event is None
        else room_event.of_event(case, event, user, by, asked_of(request), now=now)
    )
    if found is None:
        raise Http404("no event of this reference")
    response = page(request, "room_event.html", found)
    looked.note(response, [("event", ref)], by=by, now=now, case=case.pk)
    return response


@require_POST
@login_required
def timeline_mark(request: HttpRequest, key: str) -> HttpResponse:
    """Put a mark on an event or take it off, and go back to where that was done."""
    case, user = _incident(case_of(request, key)), user_of(request)
    said = {name: str(value)[:8_000] for name, value in request.POST.items()}
    words = act(case, said, by=user, now=timezone.now())
    messages.success(request, words)
    ref = said.get("event", "")
    if said.get("back") == "event":
        return redirect("timeline_event", key=case.key, ref=ref)
    if said.get("back") == "room":
        return redirect(f"/cases/{case.key}/room/#timeline")
    kept = [pair for pair in parse_qsl(said.get("here", "")) if pair[0] in places.PAGED]
    query = f"?{urlencode(kept)}" if kept else ""
    return redirect(f"{room_timeline.path_of(case)}{query}#event-{ref}")


def act(case: Case, said: dict[str, str], *, by: User, now: datetime) -> str:
    """One act on one event, in words. Raises NotAllowed, NotPossible with what is wrong."""
    require(rights.why_not_work(by, case, now=now))
    key, does = key_in(said.get("event", "")), said.get("do", "")
    if key is None:
        raise NotPossible("Name the event by its reference: <microseconds>-<id>.")
    if does not in ACTS:
        raise NotPossible(f"Say what to do with the event: {', '.join(ACTS)}.")
    if does == "pin":
        marks.pin(case=case, key=key, by=by, now=now)
        return f"Pinned to {case.key} as evidence."
    if does == "note":
        marks.note(case=case, key=key, text=said.get("text", ""), by=by, now=now)
        return "Your note is on the event, and among the comments of the case."
    label = "" if does.endswith("star") else marks.label_of(said.get("label", ""))
    what = f'"{label}"' if label else "star"
    if does in ("star", "label"):
        row, new = marks.put(case=case, key=key, label=label, by=by, now=now)
        return f"The {what} is on it." if new else f"The {what} was on it, by {row.by_name}."
    gone = marks.take_off(case=case, key=key, label=label, by=by, now=now)
    return f"The {what} is off." if gone else f"The {what} was off already."


@require_GET
@login_required
def timeline_out(request: HttpRequest, key: str, shape: str) -> HttpResponseBase:
    """All of it, with the filters of its page, as a file."""
    case, user, now = _incident(case_of(request, key)), user_of(request), timezone.now()
    said = asked_of(request)
    checked(said, places.FILTERS)
    rows = _rows(case, said, now=now)
    if shape == "csv":
        rows = (row | {"labels": ", ".join(row["labels"] or ())} for row in rows)
    response = queue_out.answer(rows, f"{case.key}-timeline", shape, timeline_rows.COLUMNS.split())
    looked.note(
        response, [("case", case.key)], by=Reader(user.ref, user.called), now=now, case=case.pk
    )
    return response


def _rows(case: Case, said: dict[str, str], *, now: datetime) -> Iterator[dict[str, Any]]:
    asked = places.asked_of(said, reading.window(case, now=now))
    for some in batched(reading.every(case, asked, step=STEP), STEP):
        for row in timeline_rows.drawn(case, some):
            yield timeline_rows.as_data(row)


class MarkIn(serializers.Serializer[Any]):
    """One act on one event; `label` for label and unlabel, `text` for a note."""

    event = serializers.CharField(max_length=40)
    do = serializers.ChoiceField(choices=list(ACTS))
    label = serializers.CharField(  # type: ignore[assignment]  # a member's name; DRF takes fields out of the class
        required=False, default="", allow_blank=True, max_length=200
    )
    text = serializers.CharField(required=False, default="", allow_blank=True, max_length=8_000)


@extend_schema(methods=["GET"], responses=OpenApiTypes.OBJECT, tags=["incidents"])
@extend_schema(methods=["POST"], request=MarkIn, responses=OpenApiTypes.OBJECT, tags=["incidents"])
@door({"GET": "read", "POST": "act"}, asks=OF_API)
def api_timeline(request: Request, key: str) -> Response:
    """GET: a page of rows, the newest, in order of time; ``?before=`` and ``?after=`` as answered.
    POST: star, label, pin or note an event."""
    case, user, now = _incident(case_for(request, key)), caller(request), timezone.now()
    if request.method == "POST":
        require(rights.why_not_work(user, case, now=now))
        said = dict(checked_in(MarkIn(data=request.data)))
        return Response({"done": act(case, said, by=user, now=now)}, status=201)
    said = {name: str(value)[:500] for name, value in request.query_params.items()}
    limit = whole(said.get("limit", "")) or PER_PAGE
    asked = places.asked_of(said, reading.window(case, now=now))
    rows, earlier, later = room_timeline.page_of(case, asked, said, min(limit, MOST))
    return Response(
        {
            "case": case.key,
            "from": asked.begins,
            "to": asked.ends,
            "rows": [timeline_rows.as_data(one) for one in timeline_rows.drawn(case, rows)],
            "before": None if earlier is None else places.text_of(earlier),
            "after": None if later is None else places.text_of(later),
        }
    )
