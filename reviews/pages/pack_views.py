"""Pages and forms of packs: each translates one request to one call."""

from tempfile import SpooledTemporaryFile
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from config.page import page
from evidence import looked
from evidence.models import Pack
from evidence.permissions import NotAllowed, Reader
from evidence.sources.failures import Stopped
from identities.models import User
from identities.permissions import require
from reviews.packs import handing, ordering, subjects
from reviews.pages import packs
from reviews.pages.packs import pack_of
from reviews.views import asked_of, user_of

IN_MEMORY = 8 << 20


@require_GET
@login_required
def pack_list(request: HttpRequest) -> HttpResponse:
    context = packs.listed(user_of(request), asked_of(request), now=timezone.now())
    return page(request, "packs.html", context)


@require_GET
@login_required
def pack_page(request: HttpRequest, key: str) -> HttpResponse:
    user = user_of(request)
    context = packs.one(pack_of(user, key), user, now=timezone.now())
    return page(request, "pack_one.html", context, part="pack_live")


@require_POST
@login_required
def pack_take(request: HttpRequest, key: str) -> HttpResponseBase:
    """Take a pack out: the zip at once, or the page on which a long one is waited for. A POST,
    because taking it out is an act of its own."""
    user, now = user_of(request), timezone.now()
    subject = subjects.find(key, user, now=now)
    if subject is None:
        raise Http404("nothing of this key")
    require(subjects.why_not_take(user, subject, now=now))
    with_deposits = request.POST.get("deposits") == "1"
    if ordering.is_long(subject, user, now=now):
        row = ordering.ask(subject, by=user, now=now, with_deposits=with_deposits)
        return redirect("pack_page", key=row.key)
    pack = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 -- the response closes it
    try:
        row = ordering.take(pack, subject, by=user, now=now, with_deposits=with_deposits)
    except Stopped as problem:
        pack.close()
        messages.error(request, f"{problem.what} {problem.fix}")
        return redirect(subject.url)
    except NotAllowed:
        pack.close()
        raise
    response = FileResponse(pack, as_attachment=True, filename=f"countersign-{subject.key}.zip")
    _seen(response, row, user, case=subject.row.pk if subject.kind == "case" else None)
    return response


@require_POST
@login_required
def pack_file(request: HttpRequest, key: str) -> HttpResponseBase:
    """The file of a long pack, for who asked for it."""
    user = user_of(request)
    row = pack_of(user, key)
    require(handing.why_not_fetch(user, row, now=timezone.now()))
    try:
        file = ordering.path_of(row).open("rb")
    except FileNotFoundError:
        messages.error(request, f"The file of {row.key} is gone: ask for it again.")
        return redirect("pack_page", key=row.key)
    response = FileResponse(file, as_attachment=True, filename=f"countersign-{row.subject}.zip")
    _seen(response, row, user, case=row.sealed_case)
    return response


def _seen(response: FileResponse, row: Pack, user: User, *, case: UUID | None) -> None:
    response["X-Pack"] = row.key
    response["X-Pack-SHA256"] = bytes(row.digest or b"").hex()
    seen = [("export", f"{row.key} of {row.subject}")]
    by = Reader(user.ref, user.called)
    looked.note(response, seen, by=by, now=timezone.now(), case=case)


@require_POST
@login_required
def pack_transfer(request: HttpRequest, key: str) -> HttpResponse:
    """Write down whom it was given to."""
    user = user_of(request)
    said = {
        name: str(request.POST.get(name, ""))[:4_000].replace("\0", "")
        for name in ("to_name", "organisation", "purpose", "on_behalf", "digest")
    }
    row = handing.hand_over(pack_of(user, key), by=user, now=timezone.now(), **said)
    messages.success(
        request, f"{row.pack.key} was given to {row.to_name}: it stands in the ledger."
    )
    return redirect("pack_page", key=key)
