"""The domain's two errors as pages, in one place: not allowed is 403, not possible is 409.

Owns as well that what decides asks who one is (reviews/confirmed.py), where somebody lands who opens
the address of a button, as after signing in again, and that the menu counts again after an act.
"""

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import Resolver404, resolve

from config.page import page, stays_here
from identities.confirming import ConfirmFirst, before_writing
from identities.permissions import NotAllowed, NotPossible
from reviews import confirmed, enrolled
from reviews.pages import frame


class Middleware:
    """Turns NotAllowed and NotPossible of a page into a designed answer with their sentence."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._answer(request)
        # Doors for machines have no session, and none is looked for.
        if request.method == "POST" and settings.SESSION_COOKIE_NAME in request.COOKIES:
            frame.acted(request.user)
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED and _read_by_person(request):
            messages.warning(
                request, "Nothing was done: an address of a button does nothing alone."
            )
            return HttpResponseRedirect(_thing(request.path))
        return response

    def _answer(self, request: HttpRequest) -> HttpResponse:
        if not confirmed.must_confirm(request):
            return self.get_response(request)
        with before_writing():
            response = self.get_response(request)
        if response.streaming:  # it would write when it is sent
            response.close()
            return _ask(request)
        return response

    def process_exception(self, request: HttpRequest, problem: Exception) -> HttpResponse | None:
        """These two, and who has to confirm who they are; every other error stays a 500."""
        if isinstance(problem, ConfirmFirst):
            return _ask(request)
        if isinstance(problem, NotAllowed):
            return _said(request, "You may not do this", str(problem), 403)
        if isinstance(problem, NotPossible):
            return _said(request, "Not possible now", str(problem), 409)
        return None


def _ask(request: HttpRequest) -> HttpResponse:
    try:
        return confirmed.ask(request)
    except NotAllowed as problem:
        return _said(request, "You may not do this", str(problem), 403)


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
