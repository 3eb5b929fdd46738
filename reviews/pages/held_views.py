"""The release list: each translates one request to one call."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from config.page import page
from evidence.parameters import whole
from evidence.words import counted
from reviews import actions, permissions
from reviews.actions import released
from reviews.confirmed import permitted_first
from reviews.pages import held
from reviews.views import asked_of, case_of, item_of, user_of


@require_GET
@login_required
def release_list(request: HttpRequest) -> HttpResponse:
    return page(
        request, "held.html", held.context(user_of(request), asked_of(request), now=timezone.now())
    )


@require_POST
@login_required
@permitted_first(
    lambda request, key: permissions.why_not_release(user_of(request), case_of(request, key))
)
def held_release(request: HttpRequest, key: str) -> HttpResponse:
    case = case_of(request, key)
    done = actions.release(
        case=case,
        rungs=_rungs(request),
        by=user_of(request),
        now=timezone.now(),
        reason=request.POST.get("reason", ""),
    )
    messages.success(request, f"Released in {case.key}: {counted(len(done), 'step')}.")
    return redirect("release_list")


@require_POST
@login_required
def held_drop(request: HttpRequest, key: str) -> HttpResponse:
    case = case_of(request, key)
    done = actions.drop(
        case=case,
        rungs=_rungs(request),
        by=user_of(request),
        now=timezone.now(),
        reason=request.POST.get("reason", ""),
    )
    messages.success(request, f"Dropped in {case.key}: {counted(len(done), 'step')}.")
    return redirect("release_list")


@require_POST
@login_required
@permitted_first(
    lambda request: released.why_none(user_of(request), _rungs(request), now=timezone.now())
)
def several_release(request: HttpRequest) -> HttpResponse:
    return _several(request, release=True)


@require_POST
@login_required
def several_drop(request: HttpRequest) -> HttpResponse:
    return _several(request, release=False)


def _several(request: HttpRequest, *, release: bool) -> HttpResponse:
    """What became of each that was selected, case by case."""
    now = timezone.now()
    done = released.settle(
        wanted=_rungs(request),
        release=release,
        by=user_of(request),
        now=now,
        reason=request.POST.get("reason", ""),
    )
    return page(request, "held_settled.html", held.settled(done, release=release, now=now))


@require_POST
@login_required
def restore(request: HttpRequest, key: str) -> HttpResponse:
    case = case_of(request, key)
    item = item_of(case, request.POST.get("item", ""))
    asked = actions.restore(case=case, item=item, by=user_of(request), now=timezone.now())
    messages.success(request, f"{item.title} is restored. {asked.key} asks about it anew.")
    return redirect("case_page", key=asked.key)


def _rungs(request: HttpRequest) -> list[int]:
    """The rungs that the form names; none of one case: all of it."""
    named = request.POST.getlist("rung")[: released.MOST + 1]
    return [whole(one) or 0 for one in named]
