"""Who is here and who has left, for scripts: a list of people, and one person at a time.

Siblings of the pages (reviews/pages/people_views.py) over the same actions. Saves nothing itself.
"""

import json
from typing import Any
from uuid import UUID

from django.db import transaction
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identities.actions import registration
from identities.api.deciding import confirmed
from identities.api.doors import PAGED, door, page_of
from identities.api.identities import user_of
from identities.api.serializers import Reason, checked
from identities.models import ApiToken, Person
from identities.permissions import NotPossible, require, why_not_roster, why_not_say_who_left
from identities.register import read
from reviews import owner_permissions
from reviews.pages import people
from reviews.succession import foreseen

# Of a dry run of a list: what follows is said of so many; of all of them one by one.
MOST_FORESEEN = 20


class RosterIn(serializers.Serializer[Any]):
    """A list of people, as `people` of a registration file. `whole`: whom it leaves out has left."""

    people = serializers.ListField(child=serializers.DictField(), max_length=100_000)
    whole = serializers.BooleanField(default=False)
    leaving_at_most = serializers.IntegerField(min_value=0, required=False, allow_null=True)
    dry_run = serializers.BooleanField(default=False)


class WhereIn(serializers.Serializer[Any]):
    """`left` with `at`, `here`, or `moved` with `at` and the name of a team ("": in none)."""

    state = serializers.ChoiceField(choices=["left", "here", "moved"])
    at = serializers.DateTimeField(required=False)
    team = serializers.CharField(max_length=200, default="", allow_blank=True)
    reason = Reason()
    dry_run = serializers.BooleanField(default=False)


@extend_schema(request=RosterIn, responses=OpenApiTypes.OBJECT, tags=["people"])
@door({"GET": "read", "POST": "act"}, asks={"q": (), "state": ("here", "left"), **PAGED})
def roster(request: Request) -> Response:
    """GET: people, by name (``?q=…&state=left&limit=50&after=…``). POST: a list of them; applied
    whole or, with 422 and every problem, not at all."""
    user, now = user_of(request), timezone.now()
    if request.method == "GET":
        return _list(request)
    require(why_not_roster(user, now=now))
    data = checked(RosterIn(data=request.data))
    # A token was made for the system that knows who is here.
    if not data["dry_run"] and not isinstance(request.auth, ApiToken):
        confirmed(request)
    entries = read("list.json", json.dumps({"people": data["people"]}))
    with transaction.atomic():
        found = registration.roster(
            entries=entries,
            whole=data["whole"],
            leaving_at_most=data.get("leaving_at_most"),
            dry_run=data["dry_run"],
            by=user,
            now=now,
        )
        require(
            owner_permissions.why_not_say_gone_of(
                user, [one for one in found.gone if one.pk], now=now
            )
        )
    said = registration.as_json(found.done)
    gone = [one for one in found.gone if one.pk is not None]
    said["left"] = [{"id": str(one.pk), "name": one.name, "email": one.email} for one in gone]
    if data["dry_run"]:
        said["follows"] = [
            {"name": one.name} | people.follows_out(foreseen.foresee(one, at=now, now=now))
            for one in gone[:MOST_FORESEEN]
        ]
    return Response(said)


def _list(request: Request) -> Response:
    require(owner_permissions.why_not_see_successions(user_of(request)))
    limit, after = page_of(request)
    q = request.query_params.get("q", "")[:200].replace("\0", "")
    state = request.query_params.get("state", "")
    now = timezone.now()
    rows = people.named(q, state, now=now)
    start = after or 0
    found = list(rows[start : start + limit + 1])
    return Response(
        {
            "rows": [people.person_out(one, now=now) for one in found[:limit]],
            "after": start + limit if len(found) > limit else None,
        }
    )


@extend_schema(request=WhereIn, responses=OpenApiTypes.OBJECT, tags=["people"])
@door({"GET": "read", "POST": "act"})
def person(request: Request, pk: UUID) -> Response:
    """GET: one person, and what follows if they leave. POST: they left, are here, or moved."""
    user, now = user_of(request), timezone.now()
    waits = None
    require(owner_permissions.why_not_see_successions(user))
    row = get_object_or_404(Person.objects.prefetch_related("users"), pk=pk)
    if request.method == "POST":
        require(why_not_say_who_left(user, row, now=now))
        data = checked(WhereIn(data=request.data))
        if data["state"] != "here":
            require(owner_permissions.why_not_say_gone(user, row, now=now))
            if data.get("at") is None:
                raise NotPossible("Say when: at, a date and time.")
        waits = people.say(
            row,
            state=data["state"],
            at=data.get("at") or now,
            team=data["team"],
            reason=data["reason"],
            dry_run=data["dry_run"],
            by=user,
            now=now,
        )
        row = get_object_or_404(Person, pk=pk)
    follows = foreseen.foresee(row, at=now, now=now)
    said = people.person_out(row, now=now) | {"follows": people.follows_out(follows)}
    return Response(said if waits is None else said | {"waits": waits.key})
