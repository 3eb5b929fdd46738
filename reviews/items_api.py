"""Comments, and trying out what a narrowing leaves, for scripts: siblings of the pages."""

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identities.api.doors import door
from identities.api.identities import user_of
from identities.api.serializers import checked
from identities.permissions import NotAllowed, NotPossible, require
from identities.visible import sees_all
from reviews import actions, commenting, permissions
from reviews.actions import planted_answers
from reviews.actions.commenting import LONGEST
from reviews.api import ProposalIn, case_of
from reviews.pages import breaks as breaks_page
from reviews.pages import comments, planted, weighing
from reviews.pages import left as left_page


class CommentIn(serializers.Serializer[Any]):
    """Words on a case, or on one of its items; `@login` tells somebody who sees the case."""

    text = serializers.CharField(max_length=LONGEST)
    item = serializers.UUIDField(required=False)


class LeftIn(serializers.Serializer[Any]):
    """An item that is a delegation, and what "narrow" would leave of it."""

    item = serializers.UUIDField()
    proposal = ProposalIn()


class ItemIn(serializers.Serializer[Any]):
    """An item of the case."""

    item = serializers.UUIDField()


@extend_schema(request=CommentIn, responses=OpenApiTypes.OBJECT, tags=["cases"])
@door({"POST": "act"})
def comment(request: Request, key: str) -> Response:
    """Comment on a case. A comment is no answer."""
    row, user, now = case_of(request, key), user_of(request), timezone.now()
    require(commenting.why_not_comment(user, row, now=now))
    data = checked(CommentIn(data=request.data))
    item = planted.shown_item(row, str(data["item"])) if data.get("item") else None
    # What was planted is no item of the case: a comment on it is one on the case.
    real = item if item is not None and planted_answers.behind(item) is None else None
    made = actions.comment(case=row, text=data["text"], by=user, now=now, item=real)
    return Response(comments.written(made), status=201)


@extend_schema(
    parameters=[OpenApiParameter("item", OpenApiTypes.UUID, required=True)],
    responses=OpenApiTypes.OBJECT,
    tags=["cases"],
)
@door({"GET": "read"}, asks={"item": ()})
def breaks(request: Request, key: str) -> Response:
    """What breaks when an item is revoked: who shares it, what was passed on, its last use, runs
    under way, what is left (``?item=…``).

    Send ``digest`` back with ``decide``: where what breaks has changed meanwhile, nothing is signed.
    """
    row, user, now = case_of(request, key), user_of(request), timezone.now()
    seats = row.seats.select_related("party", "backup", "person")
    if not sees_all(user) and not any(
        permissions.why_not_sit(user, row, seat, now=now) is None for seat in seats
    ):
        raise NotAllowed("What breaks is said to whoever sits in this case or sees all identities.")
    data = checked(ItemIn(data=request.query_params))
    item = planted.shown_item(row, str(data["item"]))
    return Response(breaks_page.as_data(item, breaks_page.look(item, row.identity, now=now)))


@extend_schema(request=LeftIn, responses=OpenApiTypes.OBJECT, tags=["cases"])
@door({"POST": "read"})
def left(request: Request, key: str) -> Response:
    """What is wrong with a narrowing, and what of the last 90 days it would have refused.

    Stores nothing. The same proposal signs with ``decide``.
    """
    row, now = case_of(request, key), timezone.now()
    data = checked(LeftIn(data=request.data))
    leaves = {name: data["proposal"].get(name, []) for name in ("actions", "resources")}
    item = planted.shown_item(row, str(data["item"]))
    found = left_page.checked(item, weighing.read(row, now=now), leaves, "", now=now)
    if found is None:
        raise NotPossible(f"{item.title} is no delegation in force: there is nothing to narrow.")
    return Response(left_page.as_data(found))
