"""The population as of a date: its page, and taking it out."""

from tempfile import SpooledTemporaryFile

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from config.page import page
from evidence import looked
from evidence.parameters import whole
from evidence.permissions import NotAllowed
from evidence.sources.failures import Stopped
from identities.permissions import NotPossible, require
from reviews import population
from reviews.pages import moments
from reviews.pages import population as population_page
from reviews.population.rights import why_not_population
from reviews.readers import reader
from reviews.views import user_of

IN_MEMORY = 8 << 20


@require_GET
@login_required
def population_asked(request: HttpRequest) -> HttpResponse:
    context = population_page.context(user_of(request), now=timezone.now())
    return page(request, "population.html", context)


@require_POST
@login_required
def population_taken(request: HttpRequest) -> HttpResponseBase:
    """The zip; a POST, because taking it out is an act of its own."""
    user, now = user_of(request), timezone.now()
    require(why_not_population(user, now=now))
    at = moments.parse(request.POST.get("at", "")[:40])
    sample = whole(request.POST.get("sample", ""))
    if at is None or sample is None:
        raise NotPossible("Say as of when, and how many rows the sample of each table has.")
    seed = request.POST.get("seed", "")[:1_000].strip()
    into = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 -- the response closes it
    try:
        population.take(into, at=at, sample=sample, seed=seed, by=user, now=now)
    except Stopped as problem:
        into.close()
        messages.error(request, f"{problem.what} {problem.fix}")
        return redirect("population")
    except (NotAllowed, NotPossible):
        into.close()
        raise
    into.seek(0)
    name = f"countersign-population-{at:%Y-%m-%d}.zip"
    response = FileResponse(into, as_attachment=True, filename=name)
    taken = [("export", f"population as of {at.isoformat()}")]
    looked.note(response, taken, by=reader(user, now), now=now)
    return response
