"""Shows the style guide to staff, or to everybody while DEBUG is on."""

from functools import wraps
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse

from config import badges
from config.page import page
from config.styleguide import pages, samples, stories, swimlanes


def for_staff(view: Any) -> Any:
    """Absent for everybody else."""

    @wraps(view)
    def guarded(request: HttpRequest, **given: str) -> HttpResponse:
        if not settings.DEBUG and not (request.user.is_active and request.user.is_staff):
            raise Http404
        response: HttpResponse = view(request, **given)
        return response

    return guarded


@for_staff
def guide(request: HttpRequest) -> HttpResponse:
    context = {
        **samples.frame(),
        **pages.line(),
        "looks": [{"kind": kind} for kind in badges.LOOKS if kind != "neutral"],
        "pages": sorted(stories.PAGES),
        "states": ("requested", "sent", "confirmed", "effective", "failed"),
        "variants": stories.VARIANTS,
    }
    return page(request, "styleguide/guide.html", context)


@for_staff
def sample(request: HttpRequest, name: str) -> HttpResponse:
    variant = request.GET.get("as", "story")
    if name not in stories.PAGES or variant not in stories.VARIANTS:
        raise Http404
    template, context = stories.context(name, variant)
    return page(request, template, context)


@for_staff
def lanes(request: HttpRequest) -> HttpResponse:
    try:
        count = min(100_000, int(request.GET.get("n", "0")))
    except ValueError:
        raise Http404 from None
    window = (request.GET.get("from"), request.GET.get("to"))
    return JsonResponse(swimlanes.drawn(count, request.GET.get("as", "story"), window))
