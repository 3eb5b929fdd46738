"""The blast radius and the authority at a moment as pages and files: each translates one request."""

from datetime import datetime

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_GET

from config.page import page
from evidence import looked
from evidence.parameters import Known, checked
from identities import radius, visible
from identities.decisions import NHI
from identities.models import Identity, User
from identities.radius import starting
from reviews.pages import authority, moments, queue_out
from reviews.pages import radius as radius_page
from reviews.readers import reader
from reviews.views import asked_of, user_of

ASKS: Known = {"from": lambda text: starting.parse(text) is not None,
               "at": lambda text: moments.parse(text) is not None}  # fmt: skip


def moment_of(asked: dict[str, str], now: datetime) -> datetime:
    """The moment asked for, never later than now."""
    return min(moments.parse(asked.get("at", "")) or now, now)


def of_request(user: User, asked: dict[str, str], *, now: datetime) -> radius.Radius:
    """The radius that an address asks for; 404 where there is nothing this user may see."""
    start = radius_page.start_of(
        asked.get("from", ""), user, at=moment_of(asked, now), now=now
    )  # fmt: skip
    if start is None:
        raise Http404("nothing of this name")
    return radius_page.read(start, user, now=now, live=not asked.get("at"))


@require_GET
@login_required
def radius_of(request: HttpRequest) -> HttpResponse:
    user, asked, now = user_of(request), asked_of(request), timezone.now()
    if starting.parse(asked.get("from", "")) is None:
        said = radius_page.NOT_WRITTEN if asked.get("from") else ""
        empty = {"section": "events", "title": "Blast radius", "radius": None, "problem": said,
                 "asked": {"from": asked.get("from", "")}}  # fmt: skip
        return page(request, "radius.html", empty, status=400 if said else 200)
    found = of_request(user, asked, now=now)
    context = radius_page.context(found, asked, live=not asked.get("at"))
    response = page(request, "radius.html", context)
    looked.note(response, [("radius", found.start.written)], by=reader(user, now), now=now)
    return response


@require_GET
@login_required
def radius_file(request: HttpRequest, shape: str) -> HttpResponseBase:
    user, asked, now = user_of(request), asked_of(request), timezone.now()
    checked(asked, ASKS)
    found = of_request(user, asked, now=now)
    rows = radius_page.lines(found, live=not asked.get("at"))
    response = queue_out.answer(rows, "radius", shape, radius_page.COLUMNS.split())
    taken = [("export", f"radius of {found.start.written}")]
    looked.note(response, taken, by=reader(user, now), now=now)
    return response


@require_GET
@login_required
def authority_at(request: HttpRequest, key: str) -> HttpResponse:
    user, asked, now = user_of(request), asked_of(request), timezone.now()
    identity = identity_of(user, key, now=now)
    at = moment_of(asked, now)
    known_at = min(moments.parse(asked.get("known_at", "")) or now, now)
    context = authority.context(identity, asked, at=at, known_at=known_at, now=now)
    response = page(request, "authority.html", context)
    looked.note(response, [("line", identity.key)], by=reader(user, now), now=now)
    return response


def identity_of(user: User, key: str, *, now: datetime) -> Identity:
    """An identity this user may see, by its key; anything else is absent."""
    found = NHI.fullmatch(key)
    rows = visible.identities(user, now=now)
    return get_object_or_404(rows, number=int(found[1]) if found else 0)
