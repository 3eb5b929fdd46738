"""Pages of pulling: connect a source, test the connection, pull now, cancel, pause.

Owns the form of a connector's settings, which is made from its fields. Each view translates one
request to one call of evidence/connecting.py.
"""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from config.page import page
from evidence import changing, connecting, pages, permissions, pulling, pulls
from evidence.models import Connection, Source
from evidence.permissions import NotPossible, Reader
from evidence.sources import CONNECTORS
from evidence.sources.contract import Connector, Field
from evidence.views import read_by


def _field(field: Field) -> forms.Field:
    said: dict[str, Any] = {
        "label": field.label,
        "required": field.required,
        "help_text": field.help,
        "initial": field.default,
    }
    if field.choices:
        return forms.ChoiceField(choices=[(one, one) for one in field.choices], **said)
    if field.kind == "secret":
        words = (field.help.rstrip("."), "The name of a file in the folder of connector secrets.")
        said["help_text"] = ". ".join(filter(None, words))
    return forms.CharField(max_length=connecting.LONGEST_SETTING, **said)


def form_of(connector: Connector, data: Any = None, initial: Any = None) -> forms.Form:
    """The form of a connector: its own fields, how often, and how far back at first."""
    fields: dict[str, Any] = {f"set_{one.name}": _field(one) for one in connector.fields}
    if not connector.lists_only:
        fields["every_seconds"] = forms.IntegerField(
            label="Pulled every, in seconds",
            initial=300,
            min_value=connecting.SHORTEST_EVERY,
            max_value=connecting.LONGEST_EVERY,
        )
        fields["first_days"] = forms.IntegerField(
            label="The first pull goes back, in days", initial=7, min_value=0
        )
    kind = cast("type[forms.Form]", type("ConnectorForm", (forms.Form,), fields))
    return kind(data, initial=initial)


@read_by
def connect(request: HttpRequest, by: Reader, name: str) -> HttpResponse:
    permissions.require(by.why_not_administer)
    source = get_object_or_404(Source, name=name)
    link = Connection.objects.filter(source=source).first()
    asked = request.POST.get("connector") or request.GET.get("connector", "")
    connector = CONNECTORS.get(asked or (link.connector if link else ""))
    form: forms.Form | None = None
    if connector is not None:
        initial: dict[str, Any] = {}
        if link is not None and link.connector == connector.name:
            initial = {f"set_{key}": value for key, value in link.settings.items()}
            initial |= {"every_seconds": link.every_seconds, "first_days": link.first_days}
        form = form_of(connector, request.POST if request.method == "POST" else None, initial)
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data
            wanted: dict[str, Any] = {
                "source": source,
                "connector": connector.name,
                "settings": {
                    one.name: said.get(f"set_{one.name}") or "" for one in connector.fields
                },
                "by": by,
                "now": timezone.now(),
                **{one: said[one] for one in ("every_seconds", "first_days") if one in said},
            }
            try:
                if key := changing.connect(**wanted):
                    messages.info(request, f"A second person signs {key} first.")
                    return redirect(f"/changes/{key}/")
            except NotPossible as problem:
                form.add_error(None, str(problem))
            else:
                words = "is connected to" if connector.lists_only else "is pulled from"
                messages.success(request, f"{name} {words} {connector.title}.")
                return redirect("source_page", name=name)
    context = {
        "section": "sources",
        "source": source,
        "connectors": CONNECTORS.values(),
        "chosen": connector,
        "form": form,
    }
    wrong = form is not None and bool(form.errors)
    return page(request, "source_connect.html", context, status=400 if wrong else 200)


@require_POST
@read_by
def check(request: HttpRequest, by: Reader, name: str) -> HttpResponse:
    permissions.require(by.why_not_administer)
    source = get_object_or_404(Source, name=name)
    connecting.require_connection(source)
    now = timezone.now()
    context = pages.source(source, {}, by, now=now)
    context["checks"] = pulls.check(source=source, now=now, clock=timezone.now)
    return page(request, "source.html", context)


@require_POST
@read_by
def pull_now(request: HttpRequest, by: Reader, name: str) -> HttpResponse:
    source = get_object_or_404(Source, name=name)
    connecting.pull_now(source=source, by=by, now=timezone.now())
    messages.success(request, f"{name} is being pulled.")
    return redirect("source_page", name=name)


@require_POST
@read_by
def cancel(request: HttpRequest, by: Reader, name: str) -> HttpResponse:
    source = get_object_or_404(Source, name=name)
    connecting.cancel(source=source, by=by, now=timezone.now())
    messages.success(request, "The pull ends after the page it is at.")
    return redirect("source_page", name=name)


@require_POST
@read_by
def pause(request: HttpRequest, by: Reader, name: str) -> HttpResponse:
    source, now = get_object_or_404(Source, name=name), timezone.now()
    paused = request.POST.get("paused") == "1"
    reason = request.POST.get("reason", "")[:2_000].replace("\0", "")
    if key := changing.pause(source=source, paused=paused, reason=reason, by=by, now=now):
        messages.info(request, f"Pausing {name} is proposed: a second person signs {key}.")
        return redirect("source_page", name=name)
    messages.success(request, f"{name} {'is paused' if paused else 'goes on'}.")
    return redirect("source_page", name=name)


@require_GET
@read_by
def part(request: HttpRequest, by: Reader, name: str) -> HttpResponse:
    """The pulls of a source alone; its page asks for it while one is under way."""
    source = get_object_or_404(Source, name=name)
    context = {"pulling": pulling.context(source, by, now=timezone.now()), "source": {"name": name}}
    return page(request, "components/pulls.html", context)
