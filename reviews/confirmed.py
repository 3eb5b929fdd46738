"""Whether somebody has just confirmed who they are, before what cannot be undone goes out.

allauth does the asking: it keeps the form, asks for password, code or passkey, and goes on.
A login without any of these could confirm nothing, and allauth lets such a one pass; here it
passes in the demo only.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from identities.models import User
from identities.permissions import NotAllowed, require

# What is guarded: it goes out at commit (docs/decisions, 19). Denying takes nothing away.
GUARDED = frozenset({"revoke", "approve"})
SEALED_CODE = "sealed_code"
ANOTHER_CODE = (
    "Your sealed code was used too long ago to confirm this: sign out, and come in with another one"
    " at /break-glass/sign-in/, or add a passkey next time you are in."
)
NOTHING_TO_CONFIRM = (
    "This login has neither password nor second factor, so nothing can confirm that it is you:"
    " set one up first."
)


def asks_again(request: HttpRequest) -> bool:
    """For allauth's decorator: this form carries an answer that is guarded."""
    if request.method != "POST" or request.POST.get("answer") not in GUARDED:
        return False
    require_a_way(cast("User", request.user), request)
    return True


def always(request: HttpRequest) -> bool:
    """For allauth's decorator: whatever this form carries is guarded."""
    require_a_way(cast("User", request.user), request)
    return True


def permitted_first(
    why_not: Callable[..., str | None],
) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """A view whose refusal is said before anybody is asked who they are.

    `why_not` is called as the view is; to be written above allauth's decorator.
    """

    def wrap(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def permitted(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            require(why_not(request, *args, **kwargs))
            return view(request, *args, **kwargs)

        return permitted

    return wrap


def require_a_way(user: User, request: HttpRequest | None = None) -> None:
    """NotAllowed for a login that could confirm nothing, outside the demo.

    A sealed code (reviews/accounts) has confirmed it just now, and only just now.
    """
    if settings.DEMO or get_reauthentication_flows(user):
        return
    records = [] if request is None else get_authentication_records(request, user)
    if not records or records[-1].get("method") != SEALED_CODE:
        raise NotAllowed(NOTHING_TO_CONFIRM)
    if timezone.now().timestamp() - records[-1]["at"] >= settings.ACCOUNT_REAUTHENTICATION_TIMEOUT:
        raise NotAllowed(ANOTHER_CODE)
