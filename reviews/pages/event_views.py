"""Pages of events: the rows behind a number, one event, and pinning it to a case."""

from datetime import datetime
from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from config.page import page
from evidence import custody_pages, looked, rereading
from evidence.intake.admitting import micros
from evidence.parameters import whole
from evidence.queries.events import key_in, one
from identities.models import User
from reviews import actions, readers
from reviews.models import Case
from reviews.pages import event, events
from reviews.visible import cases


def _asked(request: HttpRequest) -> dict[str, str]:
    return {key: str(value)[:500].replace("\0", "") for key, value in request.GET.items()}


@require_GET
@login_required
def event_list(request: HttpRequest) -> HttpResponse:
    now, user = timezone.now(), cast("User", request.user)
    context = events.listing(_asked(request), user, readers.reader(user, now), now=now)
    return page(request, "events.html", context, part="event_rows")


@require_GET
@login_required
def event_page(request: HttpRequest, ref: str) -> HttpResponse:
    now, user = timezone.now(), cast("User", request.user)
    by = readers.reader(user, now)
    context = event.event(ref, user, by, now=now)
    if context is None:
        key = key_in(ref)
        moved = None if key is None else rereading.moved_to(key)
        gone = "" if moved is not None or key is None else custody_pages.gone_at(key[0])
        if gone:
            # It was there once, or something of its month was: said instead of nothing.
            said = {
                "heading": "No longer kept",
                "sentence": f"If it was there, it is gone: {gone}.",
            }
            return page(request, "message.html", said, status=410)
        if moved is None:
            raise Http404("no event of this reference")
        return redirect("event_page", ref=f"{micros(moved[0])}-{moved[1]}")
    response = page(request, "event.html", context)
    looked.note(response, [("event", ref)], by=by, now=now)
    return response


def seen_event(ref: str, user: User, *, now: datetime) -> tuple[datetime, int]:
    """The key of the event of this reference that the user sees; 404 otherwise."""
    key = key_in(ref)
    if key is None or one(key, scope=readers.reader(user, now).scope) is None:
        raise Http404("no event of this reference")
    return key


def seen_case(key: str, user: User, *, now: datetime) -> Case:
    """The case of this key that the user sees; 404 otherwise."""
    number = whole(key.removeprefix("CS-")) if key.startswith("CS-") else None
    return get_object_or_404(cases(user, now=now), number=number or 0)


@require_POST
@login_required
def event_pin(request: HttpRequest, ref: str) -> HttpResponse:
    now, user = timezone.now(), cast("User", request.user)
    key = seen_event(ref, user, now=now)
    case = seen_case(request.POST.get("case", ""), user, now=now)
    note = request.POST.get("note", "")[:2_000].replace("\0", "")
    actions.pin(case=case, at=key[0], event_id=key[1], item=None, note=note, by=user, now=now)
    messages.success(request, f"Pinned to {case.key}.")
    return redirect("event_page", ref=ref)
