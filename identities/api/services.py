"""Services for scripts: which identities follow theirs in criticality."""

from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identities.actions import inheriting
from identities.models import Service
from identities.permissions import require
from identities.visible import sees_all

from .doors import door
from .identities import user_of
from .serializers import Reason, checked


class FollowIn(serializers.Serializer[Any]):
    """Who stays as they are (keys), and why the rest follows."""

    stay = serializers.ListField(
        child=serializers.CharField(max_length=40), default=list, max_length=inheriting.MOST
    )
    reason = Reason()


def _out(one: inheriting.Would) -> dict[str, Any]:
    return {
        "identity": one.identity.key,
        "name": one.identity.name,
        "from": one.was,
        "to": one.was if one.stays else one.to,
        "stays": one.stays or None,
    }


@extend_schema(request=FollowIn, responses=OpenApiTypes.OBJECT, tags=["identities"])
@door({"GET": "read", "POST": "act"})
def criticality(request: Request, slug: str) -> Response:
    """GET: the identities of a service that do not follow it, and what each would become. POST: have
    them follow; those that do so from now on."""
    user, now = user_of(request), timezone.now()
    service = Service.objects.filter(slug=slug).first() if sees_all(user) else None
    if service is None:
        raise Http404
    if request.method == "GET":
        would = inheriting.preview(service)
        return Response({"words": inheriting.in_words(would), "rows": [_out(one) for one in would]})
    require(inheriting.why_not_follow(user, now=now))
    data = checked(FollowIn(data=request.data))
    done = inheriting.follow(service=service, by=user, now=now, **data)
    return Response({"rows": [_out(one) for one in done]})
