"""Pages and forms of alerts: each translates one request to one call."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from config.page import page
from evidence import looked
from evidence.permissions import Reader
from identities.models import ProposedChange
from identities.permissions import NotAllowed, NotPossible, require
from reviews.alerts_api import alert_of
from reviews.incidents import alert_rights, alerts
from reviews.models import Alert
from reviews.pages import alerts as pages
from reviews.views import asked_of, identity_of, user_of


@require_GET
@login_required
def alert_list(request: HttpRequest) -> HttpResponse:
    context = pages.overview(user_of(request), asked_of(request), now=timezone.now())
    return page(request, "alerts.html", context)


@require_GET
@login_required
def alert_page(request: HttpRequest, key: str) -> HttpResponse:
    row, user, now = alert_of(request, key), user_of(request), timezone.now()
    response = page(request, "alert.html", pages.one(row, user, now=now))
    seen = [("deposit", str(row.deposit_id))]
    looked.note(response, seen, by=Reader(user.ref, user.called), now=now, case=row.case_id)
    return response


@require_POST
@login_required
def alert_match(request: HttpRequest, key: str) -> HttpResponse:
    """Say whom it is about, and go to the room that follows."""
    row, user, now = alert_of(request, key), user_of(request), timezone.now()
    typed = {name: request.POST.get(name, "")[:2_000] for name in ("identity", "reason")}
    try:
        require(alert_rights.why_not_settle_alert(user, now=now))
        identity = identity_of(request, typed["identity"].strip())
        if identity is None:
            raise NotPossible("There is no such identity: write its key (NHI-12) or its name.")
        done = alerts.match(alert=row, identity=identity, reason=typed["reason"], by=user, now=now)
    except (NotAllowed, NotPossible) as problem:
        return _again(request, row, typed, problem)
    if isinstance(done, ProposedChange):
        return _waits(request, row, done)
    messages.success(request, f"{row.key} is in {done.key}.")
    return redirect(f"/cases/{done.key}/room/")


@require_POST
@login_required
def alert_dismiss(request: HttpRequest, key: str) -> HttpResponse:
    row, user = alert_of(request, key), user_of(request)
    typed = {"dismissed": request.POST.get("reason", "")[:2_000]}
    try:
        change = alerts.dismiss(alert=row, reason=typed["dismissed"], by=user, now=timezone.now())
    except (NotAllowed, NotPossible) as problem:
        return _again(request, row, typed, problem)
    return _waits(request, row, change)


def _waits(request: HttpRequest, row: Alert, change: ProposedChange) -> HttpResponse:
    messages.info(request, f"{row.key}: a second person signs {change} first.")
    return redirect("alert_page", key=row.key)


def _again(
    request: HttpRequest, row: Alert, typed: dict[str, str], problem: Exception
) -> HttpResponse:
    """The page with what was typed, and the sentence of what is wrong with it."""
    context = pages.one(row, user_of(request), now=timezone.now(), typed=typed)
    status = 403 if isinstance(problem, NotAllowed) else 409
    return page(request, "alert.html", context | {"problem": str(problem)}, status=status)
