"""The line and the exports for scripts: the same shapes as the commands (docs/exports.md)."""

from django.http import Http404, StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from identities import visible
from identities.api.doors import door
from identities.api.identities import user_of
from identities.models import Identity
from identities.permissions import NotAllowed
from reviews import exports
from reviews.pages import line_data, moments, names
from reviews.pages.dossier import dossier


@extend_schema(responses=OpenApiTypes.OBJECT)
@door({"GET": "read"}, asks={"at": ()})
def line(request: Request, name: str) -> Response:
    """The three answers for an identity key or name, an ARN, a key id or an agent's name."""
    user, now = user_of(request), timezone.now()
    asked = request.query_params.get("at", "")
    at = moments.parse(asked) if asked else None
    if asked and at is None:
        raise ValidationError("at: write a moment with its zone, like 2026-11-24T15:00:00Z.")
    found = names.resolve(name)
    if isinstance(found, Identity):
        if not visible.identities(user, now=now).filter(pk=found.pk).exists():
            raise Http404
        return Response(line_data.as_data(dossier(found, now=now, at=at)))
    if found is None or not visible.sees_all(user):
        raise Http404
    return Response(names.unclaimed_line(found))


@extend_schema(responses={(200, "application/x-ndjson"): OpenApiTypes.STR})
@door({"GET": "read"})
def export(request: Request, what: str) -> StreamingHttpResponse:
    """links, events, credentials, findings or unclaimed, a JSON object a line: all there are, so
    that an address which asks for less is refused."""
    rows = exports.EXPORTS.get(what)
    if rows is None:
        raise Http404
    if not visible.sees_all(user_of(request)):
        raise NotAllowed(
            "Exports hold every identity: a reviewer, responder or auditor takes them."
        )
    response = StreamingHttpResponse(exports.lines(rows()), content_type="application/x-ndjson")
    response["Content-Disposition"] = f'attachment; filename="countersign-{what}.ndjson"'
    return response
