"""Pages of one grant and the acts on it: one request, one call."""

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from config.page import page
from identities.actions import grants
from identities.actions.grants import minting, rights
from identities.api.grants import GRT
from identities.models import Grant, User
from reviews import visible
from reviews.confirmed import always, permitted_first
from reviews.pages import grant_page
from reviews.views import user_of


def grant_of(user: User, key: str) -> Grant:
    """One that this user holds, or whose case they see; anything else is absent."""
    number = GRT.fullmatch(key)
    rows = Grant.objects.select_related("delegation__grantee", "holder")
    row = (
        rows.prefetch_related("sessions").filter(number=int(number[1])).first() if number else None
    )
    if row is None:
        raise Http404("no grant of this key")
    held = row.person == user.username and user.is_active
    if not held and not visible.cases(user, now=timezone.now()).filter(pk=row.case).exists():
        raise Http404("no grant of this key")
    return row


@require_GET
@login_required
def grant(request: HttpRequest, key: str) -> HttpResponse:
    user = user_of(request)
    return page(
        request, "grant.html", grant_page.context(grant_of(user, key), user, now=timezone.now())
    )


@require_POST
@login_required
def retry(request: HttpRequest, key: str) -> HttpResponse:
    user = user_of(request)
    row = grants.retry(grant_of(user, key).pk, by=user, now=timezone.now())
    messages.success(request, f"{row.key} is tried again.")
    return redirect("grant_page", key=key)


def _why_not_take(request: HttpRequest, key: str) -> str | None:
    user = user_of(request)
    return rights.why_not_take(user, grant_of(user, key), now=timezone.now())


@require_POST
@login_required
@permitted_first(_why_not_take)
@reauthentication_required(enabled=always)  # type: ignore[untyped-decorator]  # allauth ships no types
def console(request: HttpRequest, key: str) -> HttpResponse:
    """A link to the console, which holds for some minutes and is kept nowhere."""
    user, now = user_of(request), timezone.now()
    row = grant_of(user, key)
    link = minting.console(row.pk, by=user, now=now)
    context = grant_page.context(grant_of(user, key), user, now=now)
    return page(request, "grant.html", context | {"console_link": link})
