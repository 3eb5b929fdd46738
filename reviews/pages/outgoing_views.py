"""The switch for all outgoing writes: each translates one request to one call."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from config.page import page
from identities.actions import outgoing as actions
from reviews.confirmed import permitted_first
from reviews.pages import outgoing as pages
from reviews.views import user_of


@require_GET
@login_required
def outgoing(request: HttpRequest) -> HttpResponse:
    return page(request, "outgoing.html", pages.context(user_of(request), now=timezone.now()))


@require_POST
@login_required
def propose(request: HttpRequest) -> HttpResponse:
    actions.propose(
        to=request.POST.get("to", ""),
        reason=request.POST.get("reason", ""),
        by=user_of(request),
        now=timezone.now(),
    )
    messages.success(request, "Proposed: a second person signs it on this page.")
    return redirect("outgoing")


@require_POST
@login_required
@permitted_first(
    lambda request: actions.why_not_sign_switch(
        user_of(request), actions.proposed(), now=timezone.now()
    )
)
def sign(request: HttpRequest) -> HttpResponse:
    row = actions.sign(by=user_of(request), now=timezone.now())
    done = "Nothing goes out any more." if row.to == "stopped" else "What waits goes out again."
    messages.success(request, done)
    return redirect("outgoing")


@require_POST
@login_required
def refuse(request: HttpRequest) -> HttpResponse:
    actions.refuse(reason=request.POST.get("reason", ""), by=user_of(request), now=timezone.now())
    messages.success(request, "Refused: it stays as it is.")
    return redirect("outgoing")
