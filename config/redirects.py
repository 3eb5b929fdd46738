"""Whether an address that came with a request leads back into this site.

Owns the one test that a `next`, a `Referer` or a path has to pass before it becomes a redirect or
a link.
"""

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme


def stays_here(request: HttpRequest, url: str) -> bool:
    """Whether `url` has this site's host and does not leave https; relative addresses do."""
    return url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
