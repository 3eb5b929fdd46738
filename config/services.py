"""Sees that the services this process needs are up. The one place that starts embedded ones."""

from django.conf import settings

from config import embedded


def ensure(*, watch: bool = False) -> None:
    """Embedded mode: both services answer, and stay while this process lives. Else nothing."""
    if settings.EMBEDDED:
        embedded.ensure(settings.VAR, watch=watch)
