"""Streams of signals for scripts, to read; receivers manage theirs as SSF says (identities/api)."""

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from identities.api.doors import door
from reviews.pages import signals


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["signals"])
@door({"GET": "read"})
def all_signals(request: Request) -> Response:  # noqa: ARG001 - the shape of a view
    """Every stream that goes out with its state, backlog and failures, and every source of signals."""
    now = timezone.now()
    rows = [signals.row_of(one, now=now) for one in signals.streams()]
    for one in rows:
        one.pop("badge")
    return Response({"streams": rows, "sources": signals.sources(), "problem": signals.problem()})
