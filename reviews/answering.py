"""The domain's two errors as pages, in one place: not allowed is 403, not possible is 409."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from config.page import page
from identities.permissions import NotAllowed, NotPossible


class Middleware:
    """Turns NotAllowed and NotPossible of a page into a designed answer with their sentence."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, problem: Exception) -> HttpResponse | None:
        """Only these two; every other error is one of ours and stays a 500."""
        if isinstance(problem, NotAllowed):
            return _said(request, "You may not do this", str(problem), 403)
        if isinstance(problem, NotPossible):
            return _said(request, "Not possible now", str(problem), 409)
        return None


def _said(request: HttpRequest, heading: str, sentence: str, status: int) -> HttpResponse:
    back = request.headers.get("Referer", "")
    here = request.build_absolute_uri("/")
    # Only a way back into this site: the header is the browser's word.
    url = back.removeprefix(here.rstrip("/")) if back.startswith(here) else "/"
    context = {
        "heading": heading,
        "sentence": sentence,
        "problem": sentence,
        "next": [{"words": "Back to where you were", "url": url}],
    }
    return page(request, "message.html", context, status=status)
