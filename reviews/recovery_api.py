"""Recoveries of logins for scripts: to read; cancelling and reviewing take a person."""

from typing import Any

from django.shortcuts import get_object_or_404
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
from reviews import recovering
from reviews.models import Recovery
from reviews.models.recoveries import VERDICTS
from reviews.pages import recoveries as pages

MOST = 200


class CancelIn(serializers.Serializer[Any]):
    """Why a recovery is cancelled."""

    reason = serializers.CharField(allow_blank=True, default="")


class ReviewIn(serializers.Serializer[Any]):
    """What a recovery was, and how that is known."""

    verdict = serializers.ChoiceField(choices=VERDICTS)
    words = serializers.CharField(allow_blank=True, default="")


def recovery_as_data(row: Recovery) -> dict[str, Any]:
    """A recovery as JSON."""
    return {
        "recovery": row.key,
        "id": row.pk,
        "login": row.user.username,
        "kind": row.kind,
        "lost": row.lost,
        "reason": row.reason,
        "state": row.state,
        "asked_at": row.asked_at,
        "asked_by": row.asked_by_name,
        "due_at": row.due_at,
        "cancelled_at": row.cancelled_at,
        "cancelled_by": row.cancelled_by_name,
        "done_at": row.done_at,
        "verdict": row.verdict,
        "review_words": row.review_words,
        "reviewed_at": row.reviewed_at,
        "reviewed_by": row.reviewed_by_name,
    }


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["recoveries"])
@door({"GET": "read"})
def all_recoveries(request: Request) -> Response:
    """Recoveries of logins, the newest first: the last 200."""
    rows = pages.visible(user_of(request)).order_by("-asked_at", "-pk")[:MOST]
    return Response({"rows": [recovery_as_data(one) for one in rows]})


@extend_schema(request=CancelIn, responses=OpenApiTypes.OBJECT, tags=["recoveries"])
@door({"POST": "act"})
def cancel(request: Request, pk: int) -> Response:
    """Cancel a recovery before it is carried out."""
    user, now = user_of(request), timezone.now()
    row = get_object_or_404(pages.visible(user), pk=pk)
    require(recovering.why_not_cancel_recovery(user, row, now=now))
    said = checked(CancelIn(data=request.data))
    return Response(
        recovery_as_data(recovering.cancel(row=row, reason=said["reason"], by=user, now=now))
    )


@extend_schema(request=ReviewIn, responses=OpenApiTypes.OBJECT, tags=["recoveries"])
@door({"POST": "act"})
def review(request: Request, pk: int) -> Response:
    """Say afterwards what a recovery was; another person than whose login it is."""
    user, now = user_of(request), timezone.now()
    row = get_object_or_404(pages.visible(user), pk=pk)
    require(recovering.why_not_review_recovery(user, row, now=now))
    said = checked(ReviewIn(data=request.data))
    done = recovering.review(
        row=row, verdict=said["verdict"], words=said["words"], by=user, now=now
    )
    return Response(recovery_as_data(done))
