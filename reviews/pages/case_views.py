"""A case as data, its capsules, and giving back what was stopped for what is withdrawn."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from config.page import page
from evidence import looked
from evidence.models import Capsule
from identities.actions import revocations
from identities.permissions import require
from reviews import actions, readers, sight
from reviews.confirmed import permitted_first
from reviews.pages import capsule, case_data
from reviews.views import back_to, case_of, user_of


@require_GET
@login_required
def case_json(request: HttpRequest, key: str) -> HttpResponse:
    data = case_data.as_data(case_of(request, key), user_of(request), now=timezone.now())
    return JsonResponse(data)


@require_GET
@login_required
def capsule_json(request: HttpRequest, key: str, number: int) -> HttpResponse:
    case = case_of(request, key)
    found = get_object_or_404(Capsule, number=number, subject=case.key)
    require(sight.why_not_see_capsule(user_of(request), case, found, now=timezone.now()))
    data = capsule.as_data(found)
    return JsonResponse(data)


@require_GET
@login_required
def capsule_page(request: HttpRequest, key: str, number: int) -> HttpResponse:
    case, now = case_of(request, key), timezone.now()
    found = get_object_or_404(Capsule, number=number, subject=case.key)
    require(sight.why_not_see_capsule(user_of(request), case, found, now=now))
    response = page(request, "capsule.html", capsule.page(case, found))
    by = readers.reader(user_of(request), now)
    looked.note(response, [("capsule", found.key)], by=by, now=now, case=case.pk)
    return response


@require_POST
@login_required
@permitted_first(
    lambda request, key: revocations.why_not(
        case_of(request, key).identity, "release", user_of(request), now=timezone.now()
    )
)
def case_give_back(request: HttpRequest, key: str) -> HttpResponse:
    case = case_of(request, key)
    made = actions.give_back(
        case=case,
        by=user_of(request),
        now=timezone.now(),
        reason=request.POST.get("reason", ""),
    )
    for row in made:
        messages.success(request, f"{row.key}: {row.words}.")
    return back_to(case)
