"""The acts on what two people sign: signing, refusing, ending. One table of a view each.

Owns their common way: the row is found, the act is done, and its page says what is true now. What
is signed is permitted first. Who may is the act's own to require.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from reviews.confirmed import permitted_first
from reviews.views import user_of

type View = Callable[..., HttpResponse]


def act(
    name: str, of: Callable[..., Any], does: Callable[..., Any], said: str, *takes: str
) -> View:
    """One act on the row that `of` finds by the address; the act knows it as `name`.

    `takes`: the fields of the form that it is given. `said`: what is true afterwards, of the row.
    """

    @require_POST
    @login_required
    def view(request: HttpRequest, **address: Any) -> HttpResponse:
        return _done(request, name, of(**address), does, said, takes)

    return view


def signing(
    name: str, of: Callable[..., Any], why_not: Callable[..., str | None], does: Any, said: str
) -> View:
    """The second signature on such a row."""

    @require_POST
    @login_required
    @permitted_first(
        lambda request, **address: why_not(user_of(request), of(**address), now=timezone.now())
    )
    def view(request: HttpRequest, **address: Any) -> HttpResponse:
        return _done(request, name, of(**address), does, said, ())

    return view


def _done(
    request: HttpRequest,
    name: str,
    row: Any,
    does: Callable[..., Any],
    said: str,
    takes: tuple[str, ...],
) -> HttpResponse:
    more = {field: request.POST.get(field, "") for field in takes}
    row = does(**{name: row}, **more, by=user_of(request), now=timezone.now())
    messages.success(request, said.format(row))
    return redirect(row.url)
