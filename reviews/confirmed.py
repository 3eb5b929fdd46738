"""Whether somebody has just confirmed who they are, before what they decide counts.

allauth does the asking: it keeps the form, asks for password, code or passkey, and goes on.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.http import HttpRequest, HttpResponse

from identities.confirming import require_a_way
from identities.models import User
from identities.permissions import require


def always(request: HttpRequest) -> bool:
    """For allauth's decorator: whatever this form carries is guarded."""
    require_a_way(cast("User", request.user), request)
    return True


def when_posted(request: HttpRequest) -> bool:
    """The same of a view that shows its form as well."""
    return request.method == "POST" and always(request)


def permitted_first(
    why_not: Callable[..., str | None],
) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """A view whose refusal is said before anybody is asked who they are.

    `why_not` is called as the view is; to be written above allauth's decorator.
    """

    def wrap(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def permitted(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            require(why_not(request, *args, **kwargs))
            return view(request, *args, **kwargs)

        return permitted

    return wrap
