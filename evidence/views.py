"""Pages of sources, deposits and the ledger: each translates one request to one call.

The event pages show more than evidence and live with the pages above.
"""

from collections.abc import Callable, Iterator
from functools import wraps
from itertools import chain as both
from typing import Any, Concatenate

import orjson
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_POST

from config.page import page
from evidence import (
    actions,
    anchoring,
    chain,
    changing,
    completeness,
    custody_pages,
    dropping,
    ledger,
    looked,
    pages,
    permissions,
    readings,
    second_person,
    uploads,
)
from evidence.forms import DeclareForm, SourceForm
from evidence.models import Anchor, Deposit, PendingUpload, Source
from evidence.permissions import NotPossible, Reader

type View = Callable[..., HttpResponseBase]


def asked(request: HttpRequest) -> dict[str, str]:
    """The query of a request, bounded and without NUL."""
    return {key: str(value)[:500].replace("\0", "") for key, value in request.GET.items()}


def read_by(view: Callable[Concatenate[HttpRequest, Reader, ...], HttpResponseBase]) -> View:
    """A page of evidence: signed in, and known as a reader."""

    @login_required
    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        by = permissions.reader(request.user, now=timezone.now())
        return view(request, by, *args, **kwargs)

    return answered


@require_GET
@read_by
def source_list(request: HttpRequest, by: Reader) -> HttpResponse:
    context = pages.source_list(asked(request), by, now=timezone.now())
    return page(request, "sources.html", context, part="source_rows")


@read_by
def source_new(request: HttpRequest, by: Reader) -> HttpResponse:
    permissions.require(by.why_not_administer)
    form = SourceForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            made = changing.add(form.said(), by=by, now=timezone.now())
            return page(request, "source_token.html", pages.token(*made))
        except NotPossible as problem:
            form.add_error(None, str(problem))
    context = {
        "section": "sources",
        "form": form,
        "action_url": "/sources/new/",
        "waits": second_person.adding_waits(by),
    }
    return page(request, "source_new.html", context, status=400 if form.errors else 200)


@require_GET
@read_by
def source_page(request: HttpRequest, by: Reader, name: str) -> HttpResponse:
    source = get_object_or_404(Source, name=name)
    context = pages.source(source, asked(request), by, now=timezone.now())
    part = "source_state" if request.headers.get("HX-Part") == "source_state" else "deposit_rows"
    return page(request, "source.html", context, part=part)


@require_POST
@read_by
def source_token(request: HttpRequest, by: Reader, name: str) -> HttpResponse:
    source = get_object_or_404(Source, name=name)
    made = changing.give_token(source=source, by=by, now=timezone.now())
    return page(request, "source_token.html", pages.token(*made))


@require_POST
@read_by
def source_secret(request: HttpRequest, by: Reader, name: str) -> HttpResponse:
    source = get_object_or_404(Source, name=name)
    secret = actions.show_webhook_secret(source=source, by=by, now=timezone.now())
    return page(request, "source_secret.html", pages.secret(source, secret, by))


@require_POST
@read_by
def source_declare(request: HttpRequest, by: Reader, name: str) -> HttpResponse:
    source = get_object_or_404(Source, name=name)
    form = DeclareForm(request.POST)
    if not form.is_valid():
        raise NotPossible("Say up to when it is complete, and how you know.")
    key = completeness.propose(source=source, by=by, now=timezone.now(), **form.cleaned_data)
    messages.info(request, f"Nothing is changed yet: a second person signs {key} first.")
    return redirect(f"/changes/{key}/")


@csrf_exempt  # checked below, once it is known that this person may send at all
@require_POST
@read_by
def source_drop(request: HttpRequest, by: Reader, name: str) -> HttpResponseBase:
    source = get_object_or_404(Source, name=name)
    as_json = "application/json" in request.headers.get("Accept", "")
    try:
        permissions.require(by.why_not_send)
        dropping.require_size(request.META.get("CONTENT_LENGTH", ""))
        return _dropped(request, source, by, as_json)
    except dropping.Refused as problem:
        return _not_dropped(request, source, by, problem, as_json)


@csrf_protect
def _dropped(request: HttpRequest, source: Source, by: Reader, as_json: bool) -> HttpResponseBase:
    upload = request.FILES.get("file")
    steps = dropping.take(source, upload, request.POST.get("format", ""), by=by)
    first = next(steps)
    if as_json:
        lines = (orjson.dumps(step) + b"\n" for step in _all(first, steps))
        return StreamingHttpResponse(lines, content_type="application/x-ndjson")
    last = list(_all(first, steps))[-1]
    if last.get("problem"):
        raise dropping.Refused(last["problem"], 400)
    messages.success(request, last["words"])
    return redirect(last["url"])


def _all(first: dict[str, Any], rest: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield first
    yield from rest


def _not_dropped(
    request: HttpRequest, source: Source, by: Reader, problem: dropping.Refused, as_json: bool
) -> HttpResponse:
    if as_json:
        response = HttpResponse(
            orjson.dumps({"problem": str(problem)}), "application/json", problem.status
        )
    else:
        context = pages.source(source, {}, by, now=timezone.now()) | {"problem": str(problem)}
        response = page(request, "source.html", context, status=problem.status)
    if problem.retry_after:
        response["Retry-After"] = str(problem.retry_after)
    return response


@require_GET
@read_by
def deposit_page(request: HttpRequest, by: Reader, number: int) -> HttpResponse:
    permissions.require_all(by)
    row = get_object_or_404(Deposit.objects.select_related("source"), pk=number)
    now = timezone.now()
    shown = pages.deposit(row, asked(request), now=now) | {
        "readings": readings.context(row, by),
        "custody": custody_pages.of_deposit(row, by),
    }
    response = page(request, "deposit.html", shown)
    looked.note(response, [("deposit", str(row.pk))], by=by, now=now)
    return response


@require_GET
@read_by
def upload_bytes(_request: HttpRequest, by: Reader, name: str, number: int) -> HttpResponse:
    """What is kept of a file that waits for a second person, for who signs it."""
    permissions.require_all(by)
    row = get_object_or_404(PendingUpload.objects.filter(source__name=name), pk=number)
    response = HttpResponse(uploads.kept_bytes(row), "application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="upload-{row.pk}"'
    looked.note(response, [("export", f"upload-{row.pk}")], by=by, now=timezone.now())
    return response


@require_GET
@read_by
def ledger_page(request: HttpRequest, by: Reader) -> HttpResponse:
    permissions.require_all(by)
    return page(request, "ledger.html", pages.ledger_page(asked(request), by), part="ledger_rows")


@require_GET
@read_by
def ledger_keys(_request: HttpRequest, by: Reader) -> HttpResponse:
    """The public keys that ever signed the ledger's head, as a JWKS (RFC 7517)."""
    permissions.require_all(by)
    return HttpResponse(
        orjson.dumps({"keys": list(anchoring.jwks().values())}), "application/jwk-set+json"
    )


@require_GET
@read_by
def ledger_anchor(_request: HttpRequest, by: Reader, number: int) -> HttpResponse:
    """A signed head, for `verify_ledger --anchor`."""
    permissions.require_all(by)
    row = get_object_or_404(Anchor, pk=number)
    response = HttpResponse(row.statement, "application/jose")
    name = f"countersign-ledger-{row.number}.jws"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    looked.note(response, [("export", name)], by=by, now=timezone.now())
    return response


@require_GET
@read_by
def ledger_export(_request: HttpRequest, by: Reader) -> HttpResponseBase:
    permissions.require_all(by)
    now = timezone.now()
    rows = both(ledger.export(now=now), chain.export())
    lines = (orjson.dumps(row) + b"\n" for row in rows)
    response = StreamingHttpResponse(lines, content_type="application/x-ndjson")
    response["Content-Disposition"] = 'attachment; filename="countersign-ledger.ndjson"'
    looked.note(response, [("export", "ledger")], by=by, now=now)
    return response
