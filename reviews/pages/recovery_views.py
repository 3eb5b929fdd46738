"""Recoveries of logins: the page, cancelling one, and reviewing what was carried out."""

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from config.page import page
from reviews import recovering
from reviews.confirmed import always, permitted_first
from reviews.pages import recoveries as pages
from reviews.views import asked_of, user_of


@require_GET
@login_required
def overview(request: HttpRequest) -> HttpResponse:
    context = pages.context(user_of(request), asked_of(request), now=timezone.now())
    return page(request, "recoveries.html", context)


@require_POST
@login_required
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    user, reason = user_of(request), request.POST.get("reason", "")
    row = get_object_or_404(pages.visible(user), pk=pk)
    row = recovering.cancel(row=row, reason=reason, by=user, now=timezone.now())
    messages.success(request, f"{row.key} is cancelled: nothing of the login changes.")
    return redirect("recoveries")


@require_POST
@login_required
@permitted_first(
    lambda request, pk: recovering.why_not_review_recovery(
        user_of(request),
        get_object_or_404(pages.visible(user_of(request)), pk=pk),
        now=timezone.now(),
    )
)
@reauthentication_required(enabled=always)  # type: ignore[untyped-decorator]  # allauth ships no types
def review(request: HttpRequest, pk: int) -> HttpResponse:
    user, said = user_of(request), request.POST
    row = get_object_or_404(pages.visible(user), pk=pk)
    verdict, words = said.get("verdict", ""), said.get("words", "")
    row = recovering.review(row=row, verdict=verdict, words=words, by=user, now=timezone.now())
    messages.success(request, f"{row.key} is reviewed: {row.verdict}.")
    return redirect("recoveries")
