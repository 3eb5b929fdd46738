"""Pages of what a source's system lists: each translates one request to one call."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from config.page import page
from evidence.models import Source
from evidence.permissions import Reader
from evidence.views import asked, read_by
from identities.inventory import asking
from reviews.pages import inventory


@require_GET
@read_by
def inventory_page(request: HttpRequest, by: Reader, name: str) -> HttpResponse:
    source = get_object_or_404(Source, name=name)
    context = inventory.context(source, asked(request), by)
    part = "inventory" if request.headers.get("HX-Part") == "inventory" else "inventory_rows"
    return page(request, "inventory.html", context, part=part)


@require_POST
@read_by
def inventory_read(request: HttpRequest, by: Reader, name: str) -> HttpResponse:
    source = get_object_or_404(Source, name=name)
    asking.read_now(source=source, by=by, now=timezone.now())
    messages.success(request, f"The lists of {name} are being read.")
    return redirect("inventory_page", name=name)


@require_POST
@read_by
def inventory_pause(request: HttpRequest, by: Reader, name: str) -> HttpResponse:
    source, now = get_object_or_404(Source, name=name), timezone.now()
    paused = request.POST.get("paused") == "1"
    if key := asking.pause(source=source, paused=paused, by=by, now=now):
        messages.info(request, f"Nothing is changed yet: a second person signs {key} first.")
        return redirect(f"/changes/{key}/")
    said = "are not read by themselves" if paused else "are read by themselves again"
    messages.success(request, f"The lists of {name} {said}.")
    return redirect("inventory_page", name=name)
