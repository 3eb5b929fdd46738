"""Pages and forms of events that somebody froze: each translates one request to one call."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from config.page import page
from evidence import looked
from identities.permissions import NotPossible
from reviews import readers, selections
from reviews.models import Case
from reviews.pages import capsule as capsule_page_of
from reviews.pages import selected
from reviews.pages.selected import selection_of
from reviews.views import asked_of, case_of, user_of

OWN = frozenset({"csrfmiddlewaretoken", "title", "case", "ref"})


@require_POST
@login_required
def freeze(request: HttpRequest) -> HttpResponse:
    """Freeze all events that the address of a list chooses, or those that are named (`ref`)."""
    user, now = user_of(request), timezone.now()
    by = readers.reader(user, now)
    said = {key: str(value)[:500].replace("\0", "") for key, value in request.POST.items()}
    asked = {key: value for key, value in said.items() if key not in OWN and value}
    wanted = said.get("case", "").strip()
    case = _case(request, wanted) if wanted else None
    refs = request.POST.getlist("ref")
    events = selected.named(refs, by) if refs else selected.keys(asked, user, by, now=now)
    capsule = selections.freeze(
        events=events,
        title=said.get("title", ""),
        query=asked or {"named": str(len(events))},
        window=selected.window(asked),
        by=user,
        reader=by,
        now=now,
        case=case,
    )
    messages.success(request, f"{capsule.key} holds {len(capsule.body['events']):,} of them.")
    if case is not None:
        return redirect("capsule_page", key=case.key, number=capsule.number)
    return redirect("selection_page", key=capsule.key)


def _case(request: HttpRequest, typed: str) -> Case:
    try:
        return case_of(request, typed)
    except Http404:
        raise NotPossible(
            f"You see no case {typed!r}: give its number, as CS-1, or leave it empty."
        ) from None


@require_GET
@login_required
def capsule_list(request: HttpRequest) -> HttpResponse:
    return page(request, "capsules.html", selected.listed(user_of(request), asked_of(request)))


@require_GET
@login_required
def capsule_page(request: HttpRequest, key: str) -> HttpResponse:
    user, now = user_of(request), timezone.now()
    found = selection_of(user, key)
    response = page(request, "capsule.html", selected.page(found, user))
    looked.note(response, [("capsule", found.key)], by=readers.reader(user, now), now=now)
    return response


@require_GET
@login_required
def capsule_json(request: HttpRequest, key: str) -> HttpResponse:
    user, now = user_of(request), timezone.now()
    found = selection_of(user, key)
    data = capsule_page_of.as_data(found)
    response = JsonResponse(data)
    looked.note(response, [("capsule", found.key)], by=readers.reader(user, now), now=now)
    return response
