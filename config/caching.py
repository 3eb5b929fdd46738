"""Says of every answer that nothing may keep it: answers show access data of people.

Owns the header `Cache-Control` of all that views answer. Static files have a header of their own,
from WhiteNoise.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

NO_STORE = "no-store, private"


class Middleware:
    """Adds `Cache-Control: no-store, private` where an answer has no such header yet."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", NO_STORE)
        return response
