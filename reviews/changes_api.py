"""Changes that wait for a second person, for scripts. Signing takes a person, never a token."""

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identities import visible
from identities.actions import changes as actions
from identities.api.doors import PAGED, door, page_of
from identities.api.identities import user_of
from identities.api.serializers import Reason, checked
from identities.permissions import require
from reviews.pages.change_views import change_of
from reviews.pages.changes import as_data


class RefuseIn(serializers.Serializer[Any]):
    """Why it stays as it is."""

    reason = Reason()


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["changes"])
@door({"GET": "read"}, asks={"state": ("proposed", "in_force", "refused"), **PAGED})
def all_changes(request: Request) -> Response:
    """Changes that this user sees, the newest first (``?state=proposed&limit=50&after=12``)."""
    user, now = user_of(request), timezone.now()
    limit, after = page_of(request)
    rows = visible.changes(user, now=now).order_by("-number")
    if state := request.query_params.get("state"):
        rows = rows.filter(state=state)
    if after is not None:
        rows = rows.filter(number__lt=after)
    found = list(rows[: limit + 1])
    last = found[limit - 1].number if len(found) > limit else None
    return Response({"rows": [as_data(one, user, now=now) for one in found[:limit]], "after": last})


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["changes"])
@door({"GET": "read"})
def change(request: Request, key: str) -> Response:
    """One change, with what it changes and why this user may not sign it."""
    user = user_of(request)
    return Response(as_data(change_of(key, user), user, now=timezone.now()))


@extend_schema(request=None, responses=OpenApiTypes.OBJECT, tags=["changes"])
@door({"POST": "act"})
def sign(request: Request, key: str) -> Response:
    """The second signature, by a person who has just confirmed who they are: it is applied."""
    user, now = user_of(request), timezone.now()
    row = change_of(key, user)
    require(actions.why_not_sign_change(user, row, now=now))
    return Response(as_data(actions.sign(change=row, by=user, now=now), user, now=now))


@extend_schema(request=RefuseIn, responses=OpenApiTypes.OBJECT, tags=["changes"])
@door({"POST": "act"})
def refuse(request: Request, key: str) -> Response:
    """It is never applied; who proposed it takes it back the same way."""
    user, now = user_of(request), timezone.now()
    row = change_of(key, user)
    require(actions.why_not_refuse_change(user, row, now=now))
    data = checked(RefuseIn(data=request.data))
    row = actions.refuse(change=row, reason=data["reason"], by=user, now=now)
    return Response(as_data(row, user, now=now))
