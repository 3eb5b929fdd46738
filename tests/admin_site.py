"""The addresses of an installation with COUNTERSIGN_ADMIN=1."""

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

from django.urls import clear_url_caches

from config import urls


@contextlib.contextmanager
def admin_site(settings: Any) -> Iterator[None]:
    """Serve /admin/ meanwhile; `settings` is pytest-django's fixture."""
    settings.ADMIN = True
    importlib.reload(urls)
    clear_url_caches()
    try:
        yield
    finally:
        settings.ADMIN = False
        importlib.reload(urls)
        clear_url_caches()
