"""Seats that change hands and second looks, for scripts: siblings of the pages."""

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
from identities.api.serializers import Reason, checked
from identities.permissions import require
from reviews import actions, independence, sight
from reviews.actions import attention
from reviews.api import case_of, seat_of
from reviews.models import Case


class HandOverIn(serializers.Serializer[Any]):
    """A seat, and to whom: a login, a mail address, or the name of a person or team."""

    seat = serializers.UUIDField()
    to = serializers.CharField(max_length=254)
    reason = Reason()
    version = serializers.IntegerField(min_value=0)


class SecondLookIn(serializers.Serializer[Any]):
    """Confirm answers that were given too fast, or ask for them again."""

    how = serializers.ChoiceField(choices=["confirm", "ask_again"])
    reason = Reason()


@extend_schema(request=HandOverIn, responses=OpenApiTypes.OBJECT, tags=["cases"])
@door({"POST": "act"})
def hand_over(request: Request, key: str) -> Response:
    """Hand a seat of a case to somebody else."""
    row, user, now = case_of(request, key), user_of(request), timezone.now()
    seat = seat_of(request, row)
    if seat is not None:
        require(independence.why_not_hand_over(user, row, seat, now=now))
    data = checked(HandOverIn(data=request.data))
    if seat is None:
        raise Http404
    seat = actions.hand_over(
        case=row,
        seat=seat,
        to=data["to"],
        reason=data["reason"],
        by=user,
        now=now,
        version=data["version"],
    )
    version = Case.objects.values_list("version", flat=True).get(pk=row.pk)
    return Response({"seat": str(seat.pk), "party": str(seat.party), "version": version})


@extend_schema(request=SecondLookIn, responses=OpenApiTypes.OBJECT, tags=["cases"])
@door({"POST": "act"})
def second_look(request: Request, key: str) -> Response:
    """Settle the marks of a provisional case."""
    case, user, now = case_of(request, key), user_of(request), timezone.now()
    require(sight.why_not_look_again(user, case, now=now))
    require(independence.why_not_look_again(user, case, attention.standing(case), now=now))
    data = checked(SecondLookIn(data=request.data))
    case = actions.look_again(case=case, how=data["how"], reason=data["reason"], by=user, now=now)
    return Response({"case": case.key, "state": case.state, "version": case.version})
