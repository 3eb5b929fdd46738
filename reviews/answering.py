"""The domain's two errors as pages, in one place: not allowed is 403, not possible is 409.

Owns as well where somebody lands who opens the address of a button, as after signing in again, and
that the menu counts again after an act.
"""

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import Resolver404, resolve

from config.page import page, stays_here
from identities.permissions import NotAllowed, NotPossible
from reviews import enrolled
from reviews.pages import frame


class Middleware:
    """Turns NotAllowed and NotPossible of a page into a designed answer with their sentence."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # Doors for machines have no session, and none is looked for.
        if request.method == "POST" and settings.SESSION_COOKIE_NAME in request.COOKIES:
            frame.acted(request.user)
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED and _read_by_person(request):
            messages.warning(
                request, "Nothing was done: an address of a button does nothing alone."
            )
            return HttpResponseRedirect(_thing(request.path))
        return response

    def process_exception(self, request: HttpRequest, problem: Exception) -> HttpResponse | None:
        """Only these two; every other error is one of ours and stays a 500."""
        if isinstance(problem, NotAllowed):
            return _said(request, "You may not do this", str(problem), 403)
        if isinstance(problem, NotPossible):
            return _said(request, "Not possible now", str(problem), 409)
        return None


def _read_by_person(request: HttpRequest) -> bool:
    """Whether somebody looks at it in a browser; a script gets the 405 that it can read."""
    return request.method == "GET" and "text/html" in request.headers.get("Accept", "")


def _thing(path: str) -> str:
    """The page of the thing that a button's address is about: the nearest address above it."""
    while path != "/":
        path = path.rstrip("/").rpartition("/")[0] + "/"
        try:
            resolve(path)
        except Resolver404:
            continue
        break
    return path


def _said(request: HttpRequest, heading: str, sentence: str, status: int) -> HttpResponse:
    # The header is the browser's word, and whoever made the link has a say in it.
    back = request.headers.get("Referer", "")
    url = back if stays_here(request, back) else "/"
    steps = [{"words": "Back to where you were", "url": url}]
    if sentence == enrolled.WITHOUT:
        steps.insert(0, {"words": "Add a second factor", "url": enrolled.PAGE})
    context = {"heading": heading, "sentence": sentence, "problem": sentence, "next": steps}
    return page(request, "message.html", context, status=status)
