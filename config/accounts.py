"""How people get in: nobody signs up; administrators and register files make accounts."""

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from django.http import HttpRequest

from config.redirects import stays_here


class ClosedAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """allauth's behaviour without sign-up, and with redirects to this site alone."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - allauth's signature
        return False

    def is_safe_url(self, url: str) -> bool:
        """Whether a `next` may be followed. allauth's own accepts every host of ALLOWED_HOSTS, so
        whatever listens on the reader's localhost too, and plain http."""
        return stays_here(context.request, url)
