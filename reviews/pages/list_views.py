"""The lists beside the queue as files, and modes and what waits for a release for scripts."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_GET
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from config.page import page
from identities.api.doors import door
from identities.api.identities import user_of as caller
from reviews.pages import alignment as alignment_page
from reviews.pages import lists_out, queue_out
from reviews.views import asked_of, user_of


@require_GET
@login_required
def alignment(request: HttpRequest) -> HttpResponse:
    """How aligned we are, by AI system and by source."""
    now = timezone.now()
    return page(request, "alignment.html", alignment_page.context(user_of(request), now=now))


@require_GET
@login_required
def take_out(request: HttpRequest, name: str, shape: str) -> HttpResponseBase:
    rows = lists_out.of(name, user_of(request), asked_of(request), now=timezone.now())
    return queue_out.answer(rows, name, shape, lists_out.LISTS[name].columns.split())


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["modes"])
@door({"GET": "read"})
def modes(request: Request) -> Response:
    """All rules of modes, the newest first. Signing one takes two people, on the pages."""
    return _all(request, "modes")


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["cases"])
@door({"GET": "read"})
def releases(request: Request) -> Response:
    """What silence would have done and a person has to release, of all cases the caller sees."""
    return _all(request, "releases")


def _all(request: Request, name: str) -> Response:
    return Response({"rows": list(lists_out.of(name, caller(request), {}, now=timezone.now()))})
