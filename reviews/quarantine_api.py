"""What is held before it is cut for good, and the way back, for scripts: siblings of the pages."""

from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identities.api.doors import door
from identities.api.identities import user_of
from identities.api.serializers import checked
from identities.permissions import require
from reviews import actions
from reviews.actions import quarantining
from reviews.api import case_of
from reviews.pages import quarantine
from reviews.pages.lists import PAGES

PATH = "/api/quarantine/"


class RestoreIn(serializers.Serializer[Any]):
    """The item that is held."""

    item = serializers.UUIDField()


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["cases"])
@door({"GET": "read"}, asks=PAGES)
def held(request: Request) -> Response:
    """What is held in all cases that the caller sees, what ends first comes first, 50 a `page`;
    `next` is the address of the next one."""
    asked = {"page": str(request.query_params.get("page", ""))[:20].replace("\0", "")}
    rows, following = quarantine.page(user_of(request), asked, PATH, now=timezone.now())
    return Response({"rows": quarantine.as_data(rows), "next": following})


@extend_schema(request=RestoreIn, responses=OpenApiTypes.OBJECT, tags=["cases"])
@door({"POST": "act"})
def restore(request: Request, key: str) -> Response:
    """Let go what is held in a case; `asked` is the case that asks about it again."""
    row, user, now = case_of(request, key), user_of(request), timezone.now()
    require(quarantining.why_not_touch(user, row, now=now))
    data = checked(RestoreIn(data=request.data))
    item = row.items.filter(pk=data["item"]).first()
    if item is None:
        raise Http404
    asked = actions.restore(case=row, item=item, by=user, now=now)
    item.refresh_from_db()
    said = {"item": str(item.pk), "asked": asked.key, "words": item.carried_words}
    return Response(said, status=201)
