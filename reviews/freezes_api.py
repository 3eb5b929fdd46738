"""Change freezes for scripts, to read; what holds is signed by two people on the pages."""

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from identities.api.doors import door
from reviews.models import Freeze
from reviews.pages import freezes
from reviews.pages.freeze_views import freeze_of

MOST = 200


def as_data(row: Freeze) -> dict[str, Any]:
    """A freeze as JSON."""
    said = freezes.row_of(row, now=timezone.now())
    return {
        "freeze": said["key"],
        "url": said["url"],
        "scope": row.scope,
        "says": said["words"],
        "since": row.since,
        "until": row.until,
        "state": row.state,
        "holds": said["badge"].get("words") == "holds",
        "asked": said["asked"],
        "reason": row.reason,
        "proposed_at": row.proposed_at,
        "proposed_by": row.proposed_by_name,
        "settled_at": row.settled_at,
        "settled_by": row.settled_by_name,
        "settled_reason": row.settled_reason,
        "ended_at": row.ended_at,
        "ended_by": row.ended_by_name,
        "ended_reason": row.ended_reason,
    }


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["freezes"])
@door({"GET": "read"})
def all_freezes(request: Request) -> Response:  # noqa: ARG001 - the shape of a view
    """All freezes, the newest first: the last 200."""
    rows = Freeze.objects.select_related("asked").order_by("-number")[:MOST]
    return Response({"rows": [as_data(one) for one in rows]})


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["freezes"])
@door({"GET": "read"})
def freeze(request: Request, key: str) -> Response:  # noqa: ARG001 - the shape of a view
    """One freeze."""
    return Response(as_data(freeze_of(key)))
