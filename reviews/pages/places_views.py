"""Naming who stands in the places of those who have left: each view translates one request."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from config.page import page
from identities.models import Party
from identities.permissions import NotAllowed, NotPossible
from reviews.actions import places as acts
from reviews.pages import places
from reviews.views import identity_of, user_of


@require_http_methods(["GET", "POST"])
@login_required
def of_leaver(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Everything of one leaver at once."""
    gone = get_object_or_404(Party.objects.select_related("person", "team"), pk=pk)
    context = places.of_leaver(gone, user_of(request), now=timezone.now())
    if context is None:
        raise Http404("nothing of theirs")
    return _named(request, context)


@require_http_methods(["GET", "POST"])
@login_required
def of_identity(request: HttpRequest, key: str) -> HttpResponse:
    identity = identity_of(request, key)
    if identity is None:
        raise Http404("no identity of this key")
    return _named(request, places.of_identity(identity, user_of(request), now=timezone.now()))


def _named(request: HttpRequest, context: Mapping[str, Any]) -> HttpResponse:
    typed = {name: request.POST.get(name, "")[:4_000] for name in ("to", "reason", "how")}
    problem, status = "", 200
    if request.method == "POST":
        to = typed["to"].strip()
        try:
            if typed["how"] != "clear" and not to:
                raise NotPossible("Say who: a login, a mail address, or the name of a team.")
            done = acts.name_all(
                those=places.picked(request.POST.getlist("pick"), context["rows"]),
                to="" if typed["how"] == "clear" else to,
                reason=typed["reason"],
                by=user_of(request),
                now=timezone.now(),
            )
        except (NotAllowed, NotPossible) as refused:
            problem, status = str(refused), 403 if isinstance(refused, NotAllowed) else 409
        else:
            to = "" if typed["how"] == "clear" else to
            return page(request, "owned_renewed.html", places.became(done, to))
    return page(
        request, "places.html", {**context, "typed": typed, "problem": problem}, status=status
    )
