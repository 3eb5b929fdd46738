"""Pages of changes that wait for a second person: each translates one request to one call."""

import re

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_GET

from config.page import page
from identities import visible
from identities.actions import changes as actions
from identities.models import ProposedChange, User
from reviews.pages import changes
from reviews.pages.signed_views import act, signing
from reviews.views import asked_of, user_of


def change_of(key: str, user: User | None = None) -> ProposedChange:
    """The change of this key, if this user may see it. Who acts on it is asked by the act."""
    found = re.fullmatch(r"CHG-0*(\d{1,15})", key)
    if found is None:
        raise Http404("no change of this key")
    rows = ProposedChange.objects.all()
    if user is not None:
        rows = visible.changes(user, now=timezone.now())
    return get_object_or_404(rows, number=int(found.group(1)))


@require_GET
@login_required
def change_list(request: HttpRequest) -> HttpResponse:
    context = changes.listed(user_of(request), asked_of(request), now=timezone.now())
    return page(request, "changes.html", context)


@require_GET
@login_required
def change_page(request: HttpRequest, key: str) -> HttpResponse:
    user = user_of(request)
    return page(
        request, "change.html", changes.shown(change_of(key, user), user, now=timezone.now())
    )


change_sign = signing(
    "change", change_of, actions.why_not_sign_change, actions.sign, "{} is signed and applied."
)
change_refuse = act("change", change_of, actions.refuse, "{} is refused.", "reason")
