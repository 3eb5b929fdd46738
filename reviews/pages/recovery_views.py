"""Recoveries of logins: the page, cancelling one, reviewing what was carried out, and the links that
commands on the host print."""

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from config.page import page
from identities import sign_in_links
from reviews import enrolled, enrolling, recovering
from reviews.confirmed import permitted_first
from reviews.models.recoveries import FIRST
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
    said = "its second factors are removed" if row.kind == FIRST else "nothing of the login changes"
    messages.success(request, f"{row.key} is cancelled: {said}.")
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
def review(request: HttpRequest, pk: int) -> HttpResponse:
    user, said = user_of(request), request.POST
    row = get_object_or_404(pages.visible(user), pk=pk)
    verdict, words = said.get("verdict", ""), said.get("words", "")
    row = recovering.review(row=row, verdict=verdict, words=words, by=user, now=timezone.now())
    messages.success(request, f"{row.key} is reviewed: {row.verdict}.")
    return redirect("recoveries")


@require_GET
def link_of_host(request: HttpRequest, what: str, uid: str, key: str) -> HttpResponse:
    """Opening one uses nothing up: the password that is set, or the sign-in, ends it."""
    user = sign_in_links.opened(what, uid, key)
    if user is None:
        context = {
            "heading": "This link does not work any more",
            "sentence": "A link of the host works once, for three days. A command there makes another.",
            "next": [{"words": "Sign in", "url": "/accounts/login/"}],
        }
        return page(request, "message.html", context, status=404)
    if request.user.is_authenticated:
        logout(request)  # what is noted below would go with another login's session
    enrolling.mark(request, user, now=timezone.now())
    if what == sign_in_links.PASSWORD:
        return redirect(sign_in_links.password_page(user))
    return redirect(f"{reverse('account_login')}?next={enrolled.PAGE}")
