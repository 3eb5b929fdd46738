"""The page on which the holder of a grant enters the code that a client of theirs shows."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from config.page import page
from identities.actions.grants import elsewhere, rights
from identities.permissions import NotPossible
from reviews.confirmed import permitted_first
from reviews.views import user_of

LONGEST = 40


def _code(request: HttpRequest) -> str:
    said = request.POST if request.method == "POST" else request.GET
    return said.get("code", "")[:LONGEST]


@require_GET
@login_required
def device(request: HttpRequest) -> HttpResponse:
    """Without a code the form for one; with it what is asked, by whom and from where."""
    now, code = timezone.now(), _code(request)
    context = {
        "title": "Sign in elsewhere",
        "crumbs": [{"words": "Home", "url": "/"}],
        "now": now,
        "code": code,
        "row": None,
        "problem": "",
        "why_not": "",
    }
    if code:
        try:
            row, grant = elsewhere.waiting(code, user_of(request), now=now)
        except NotPossible as problem:
            context["problem"] = str(problem)
        else:
            why = rights.why_not_take(user_of(request), grant, now=now) or ""
            context |= {
                "row": row,
                "grant": grant,
                "shown": elsewhere.shown(row.code),
                "why_not": why,
            }
    return page(request, "device.html", context)


def _why_not(request: HttpRequest) -> str | None:
    user, now = user_of(request), timezone.now()
    return rights.why_not_take(user, elsewhere.waiting(_code(request), user, now=now)[1], now=now)


@require_POST
@login_required
@permitted_first(_why_not)
def approve(request: HttpRequest) -> HttpResponse:
    """The sign-in itself: whoever has not just confirmed who they are is asked for it first."""
    grant = elsewhere.approve(_code(request), by=user_of(request), now=timezone.now())
    messages.success(
        request, f"Your client takes credentials of {grant.key} now: go back to where you began."
    )
    return redirect("grant_page", key=grant.key)


@require_POST
@login_required
def refuse(request: HttpRequest) -> HttpResponse:
    grant = elsewhere.refuse(_code(request), by=user_of(request), now=timezone.now())
    messages.success(request, "Refused: nobody takes anything by this code.")
    return redirect("grant_page", key=grant.key)


@require_GET
@login_required
def client(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 -- a view
    """The script that asks, to save beside one's profile."""
    file = settings.BASE_DIR / "scripts" / "countersign_credentials.py"
    response = HttpResponse(file.read_bytes(), content_type="text/x-python")
    response["Content-Disposition"] = f"attachment; filename={file.name}"
    return response
