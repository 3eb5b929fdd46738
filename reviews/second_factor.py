"""Asking for the second factor of a login, on top of confirming who one is (reviews/confirmed.py).

allauth does the asking, keeps the form and goes on. Which factor counts is break_glass/factors.py's.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.flows.reauthentication import suspend_request
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from identities.models import User
from reviews.break_glass import factors
from reviews.models import BreakGlass

ASKED = "This asks for your second factor: a password alone does not open it."


def given(request: HttpRequest, user: User) -> str:
    """The kind of second factor that was given in this session just now, "" for none."""
    now = timezone.now()
    since = now.timestamp() - settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    fresh = [
        one.get("id")
        for one in get_authentication_records(request, user)
        if one.get("method") == "mfa" and one["at"] >= since
    ]
    rows = factors.counting(user, now=now).filter(pk__in=fresh)
    return str(rows.order_by("pk").values_list("type", flat=True).first() or "")


def asked_first(
    glass_of: Callable[..., BreakGlass],
) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """A view that goes on once the second factor was given, where its login has one that counts.

    `glass_of` is called as the view is; to be written below what permits.
    """

    def wrap(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            user, now = request.user, timezone.now()
            glass = glass_of(request, *args, **kwargs)
            if not isinstance(user, User) or factors.why_none(glass, user, now=now):
                return view(request, *args, **kwargs)
            if given(request, user):
                return view(request, *args, **kwargs)
            kinds = set(factors.counting(user, now=now).values_list("type", flat=True))
            by_key = kinds == {Authenticator.Type.WEBAUTHN.value}
            messages.info(request, ASKED)
            page = "mfa_reauthenticate_webauthn" if by_key else "mfa_reauthenticate"
            answer: HttpResponse = suspend_request(request, reverse(page))
            return answer

        return asked

    return wrap
