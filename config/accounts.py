"""How people get in: nobody signs up; administrators and register files make accounts.

Owns as well how guessing a password is slowed without giving an attacker a way to lock a person
out. Failures count against the account together with where they come from: the browser, if it
signed in to this account before, else the network. Those of other places are not held against
somebody who comes from elsewhere.
"""

import secrets
from ipaddress import ip_address, ip_network
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.utils import filter_users_by_email, filter_users_by_username
from allauth.core import context
from allauth.core.internal import ratelimit
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from config.page import stays_here
from identities.models import User
from reviews import enrolled

DEVICE_COOKIE = "countersign_device"
DEVICE_SALT = "config.accounts.device"
DEVICE_AGE = 180 * 24 * 3600  # seconds
# Addresses that one customer of a provider can usually take turns with: bits of their network.
NETWORK_BITS = {4: 24, 6: 48}


class ClosedAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """allauth's behaviour without sign-up, with redirects to this site alone, and with limits of
    wrong passwords that know a person's own browser."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "too_many_login_attempts": (
            "Too many failed sign-ins from here, or with this name. Nothing is locked for good:"
            " wait five minutes, then try again."
        )
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - allauth's signature
        return False

    def is_safe_url(self, url: str) -> bool:
        """Whether a `next` may be followed. allauth's own accepts every host of ALLOWED_HOSTS, so
        whatever listens on the reader's localhost too, and plain http."""
        return stays_here(context.request, url)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count an attempt; `authenticate` takes it back when the password is right."""
        account = _account(credentials)
        device = _device(request, account)
        if device:
            usage = _consume(request, "password_on_device", f"{account}@{device}")
        else:
            place = f"{account}@{self._network(request)}"
            usage = _consume(request, "password_in_network", place)
            more = usage and (
                _consume(request, "password_anywhere", account)
                or _consume(request, "password_under_attack", place)
            )
            if usage and more:
                usage.usage += more.usage
            else:
                usage = None
        self._login_failed_rl_usage = usage
        if not usage:
            raise self.validation_error("too_many_login_attempts")

    def get_reauthentication_methods(
        self, user: AbstractBaseUser | AnonymousUser
    ) -> list[dict[str, Any]]:
        """How who is signed in confirms who they are: by the second factor where there is one; a
        password that somebody read over a shoulder signs nothing then."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        by_factor = [one for one in methods if one["id"] != "reauthenticate"]
        return by_factor or methods

    def post_login(
        self, request: HttpRequest, user: AbstractBaseUser, **options: Any
    ) -> HttpResponse:
        """Remember that this browser has signed in to this account, and lead whoever decides and has
        no second factor to where one is added."""
        response: HttpResponse = super().post_login(request, user, **options)
        if isinstance(user, User) and enrolled.asked_to_add(user):
            messages.warning(request, enrolled.WITHOUT)
            response = redirect("mfa_index")
        value = signing.dumps([str(user.pk), secrets.token_urlsafe(16)], salt=DEVICE_SALT)
        response.set_cookie(
            DEVICE_COOKIE,
            value,
            max_age=DEVICE_AGE,
            path="/accounts/",
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Strict",
        )
        return response

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        """Forget what was counted here, after the password was reset."""
        account = _account(credentials)
        place = f"{account}@{_device(request, account) or self._network(request)}"
        for action in ("password_on_device", "password_in_network", "password_under_attack"):
            ratelimit.clear(request, app="allauth.account", action=action, key=place)

    def _network(self, request: HttpRequest) -> str:
        address = ip_address(self.get_client_ip(request))
        address = getattr(address, "ipv4_mapped", None) or address
        return str(ip_network((address, NETWORK_BITS[address.version]), strict=False))


def _account(credentials: dict[str, Any]) -> str:
    """The key of the account that was named by user name or mail; of one that does not exist, what
    was typed, so that nobody learns from the limits which exist."""
    email, username = credentials.get("email") or "", credentials.get("username") or ""
    found = list(filter_users_by_email(email)) if email else []
    found += list(filter_users_by_username(username)[:1]) if username else []
    return str(found[0].pk) if found else (email or username).lower()


def _device(request: HttpRequest, account: str) -> str:
    """What tells a browser that signed in to this account before from others; "" of others."""
    try:
        known, device = signing.loads(
            request.COOKIES.get(DEVICE_COOKIE, ""), salt=DEVICE_SALT, max_age=DEVICE_AGE
        )
    except signing.BadSignature:
        known, device = "", ""
    if known == account:
        return str(device)
    # By a link or before there was the cookie: whoever confirms who they are is signed in.
    if request.user.is_authenticated and str(request.user.pk) == account:
        return request.session.session_key or ""
    return ""


def _consume(request: HttpRequest, action: str, key: str) -> ratelimit.RateLimitUsage | None:
    return ratelimit.consume(request, app="allauth.account", action=action, key=key)
