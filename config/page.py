"""Answers with the whole page, or with one part of it. A leaf: knows no app.

A part is a named partial inside the page's own template; its name is also the id of the element
and the target of the request (house.md). A history restore is no htmx request, so it gets the
whole page by itself.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme


def page(
    request: HttpRequest,
    template: str,
    context: dict[str, Any] | None = None,
    part: str | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    """`template` with `context`; only its partial `part` when htmx asks for a part."""
    wanted = f"{template}#{part}" if part and wants_part(request) else template
    response = render(request, wanted, context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def wants_part(request: HttpRequest) -> bool:
    """Whether htmx asks for a part; boosted navigation and history want the whole page."""
    htmx = getattr(request, "htmx", None)
    if not htmx or htmx.boosted or htmx.history_restore_request:
        return False
    return request.headers.get("HX-Request-Type", "partial") != "full"


def stays_here(request: HttpRequest, url: str) -> bool:
    """Whether an address that came with a request (a `next`, a `Referer`) has this site's host and
    does not leave https, so that it may become a redirect or a link. Relative ones do."""
    return url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
