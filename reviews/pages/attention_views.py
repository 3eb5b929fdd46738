"""How I decide, the second look at a provisional case, handing over a seat: one call each."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from config.page import page
from evidence.parameters import whole
from identities.permissions import NotAllowed, NotPossible
from reviews import actions, independence, sight, visible
from reviews.actions.attention import standing
from reviews.confirmed import permitted_first
from reviews.models import Case, Seat
from reviews.pages import attention
from reviews.permissions import SEAT_WORDS
from reviews.views import back_to, case_of, user_of


@require_GET
@login_required
def deciding(request: HttpRequest) -> HttpResponse:
    return page(request, "deciding.html", attention.deciding(user_of(request), now=timezone.now()))


def _why_not_look(request: HttpRequest, case: Case) -> str | None:
    """Why not read it; of what is posted, why not settle it."""
    user, now = user_of(request), timezone.now()
    why = sight.why_not_look_again(user, case, now=now)
    if why is None and request.method == "POST":
        why = independence.why_not_look_again(user, case, standing(case), now=now)
    return why


@require_http_methods(["GET", "POST"])
@login_required
@permitted_first(lambda request, key: _why_not_look(request, case_of(request, key)))
def second_look(request: HttpRequest, key: str) -> HttpResponse:
    case, user, now = case_of(request, key), user_of(request), timezone.now()
    problem, status = "", 200
    if request.method == "POST":
        how, reason = request.POST.get("how", ""), request.POST.get("reason", "")
        try:
            read = request.POST.get("read", "")
            actions.look_again(case=case, how=how, reason=reason, by=user, now=now, read=read)
        except (NotAllowed, NotPossible) as refused:
            problem, status = str(refused), 403 if isinstance(refused, NotAllowed) else 409
        else:
            said = "confirmed" if how == "confirm" else "asked again"
            messages.success(request, f"The answers in {case.key} are {said}.")
            return back_to(case)
    typed = {name: str(value)[:4_000] for name, value in request.POST.items()}
    context = attention.second_look(case, user, typed, now=now)
    return page(request, "second_look.html", context | {"problem": problem}, status=status)


@require_http_methods(["GET", "POST"])
@login_required
def hand_over(request: HttpRequest, key: str) -> HttpResponse:
    case, user, now = case_of(request, key), user_of(request), timezone.now()
    typed = {name: str(value)[:4_000] for name, value in request.POST.items()}
    problem, status = "", 200
    if request.method == "POST":
        try:
            seat = actions.hand_over(
                case=case,
                seat=seat_of(case, typed.get("seat", "")),
                to=typed.get("to", ""),
                reason=typed.get("reason", ""),
                by=user,
                now=now,
                version=whole(typed.get("version", "")) or -1,
            )
        except (NotAllowed, NotPossible) as refused:
            problem, status = str(refused), 403 if isinstance(refused, NotAllowed) else 409
        else:
            words = f"The seat of the {SEAT_WORDS[seat.kind]} is {seat.party}'s now."
            messages.success(request, words)
            # Whoever saw the case by this seat alone does not see it any more.
            return (
                back_to(case)
                if visible.cases(user, now=now).filter(pk=case.pk)
                else redirect("queue")
            )
    context = attention.hand_over(case_of(request, key), user, typed, now=now)
    return page(request, "hand_over.html", context | {"problem": problem}, status=status)


def seat_of(case: Case, text: str) -> Seat:
    try:
        return get_object_or_404(case.seats, pk=UUID(text))
    except ValueError:
        raise Http404("no such seat") from None
