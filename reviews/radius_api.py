"""The blast radius and the authority at a moment for scripts (docs/blast-radius.md)."""

from datetime import datetime

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from identities.api.doors import door
from identities.api.identities import identity_of, user_of
from identities.radius import starting
from reviews.pages import authority, moments, radius_views
from reviews.pages import radius as radius_page

NOT_A_MOMENT = "write a moment with its zone, like 2026-11-24T15:00:00Z."


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["evidence"])
@door({"GET": "read"}, asks={"from": (), "at": ()})
def radius_from(request: Request) -> Response:
    """``?from=credential:CRED-1&at=2026-11-24T15:00:00Z``: every row of its blast radius."""
    user, now = user_of(request), timezone.now()
    asked = {name: str(value)[:500] for name, value in request.query_params.items()}
    if starting.parse(asked.get("from", "")) is None:
        raise ValidationError(f"from: {radius_page.NOT_WRITTEN}")
    _moment(asked, "at")
    found = radius_views.of_request(user, asked, now=now)
    rows = radius_page.lines(found, live=not asked.get("at"))
    return Response(radius_page.as_data(found, rows))


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["identities"])
@door({"GET": "read"}, asks={"at": (), "known_at": ()})
def authority_at(request: Request, key: str) -> Response:
    """``?at=…&known_at=…``: what it was allowed at a moment, by what was known at another; both are
    now where they are left out."""
    now, identity = timezone.now(), identity_of(request, key)
    asked = {name: str(value)[:500] for name, value in request.query_params.items()}
    at, known_at = (_moment(asked, name) or now for name in ("at", "known_at"))
    return Response(authority.as_data(identity, at=min(at, now), known_at=min(known_at, now)))


def _moment(asked: dict[str, str], name: str) -> datetime | None:
    if not asked.get(name):
        return None
    found = moments.parse(asked[name])
    if found is None:
        raise ValidationError(f"{name}: {NOT_A_MOMENT}")
    return found
