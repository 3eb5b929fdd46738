"""Pages of what is not finished, of one revocation, and the acts on it: one request, one call."""

import re
from datetime import UTC, datetime

from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET, require_POST

from config.page import page
from evidence import looked, proofs
from evidence.permissions import Reader
from identities import visible
from identities.actions import revocations
from identities.actions.revocations import stating
from identities.models import Revocation
from identities.permissions import NotPossible
from reviews.actions.stating import two_needed
from reviews.confirmed import always, permitted_first
from reviews.pages import queue_out, revocation, unfinished
from reviews.views import asked_of, user_of

LONGEST_TYPED = 4_000


def revocation_of(request: HttpRequest, key: str) -> Revocation:
    """One that this user may see; anything else is absent."""
    found = re.fullmatch(r"REV-0*(\d{1,15})", key)
    if found is None:
        raise Http404("no revocation of this key")
    rows = visible.revocations(user_of(request), now=timezone.now())
    return get_object_or_404(
        rows.select_related("identity__service", "credential__actor"), number=int(found.group(1))
    )


@require_GET
@login_required
def wall(request: HttpRequest) -> HttpResponse:
    context = unfinished.context(user_of(request), asked_of(request), now=timezone.now())
    return page(request, "unfinished.html", context, part="unfinished_rows")


@require_GET
@login_required
def wall_out(request: HttpRequest, shape: str) -> HttpResponseBase:
    rows = unfinished.out(user_of(request), asked_of(request), now=timezone.now())
    return queue_out.answer(rows, "unfinished", shape, unfinished.COLUMNS)


@require_GET
@login_required
def revocation_page(request: HttpRequest, key: str) -> HttpResponse:
    row = revocation_of(request, key)
    context = revocation.context(row, user_of(request), now=timezone.now())
    asked = bool(context["state_url"]) and is_reauthentication_required(request, app="account")
    return page(request, "revocation.html", context | {"asks_who": asked})


def _why_not_state(request: HttpRequest, key: str) -> str | None:
    identity = revocation_of(request, key).identity
    return stating.why_not_state(user_of(request), identity, now=timezone.now())


@require_POST
@login_required
@permitted_first(_why_not_state)
@reauthentication_required(enabled=always)  # type: ignore[untyped-decorator]  # allauth ships no types
def state(request: HttpRequest, key: str) -> HttpResponse:
    row, now = revocation_of(request, key), timezone.now()
    typed = {name: request.POST.get(name, "") for name in ("done_by", "done_at", "note")}
    try:
        made = stating.state(
            revocation=row,
            done_by=typed["done_by"],
            done_at=moment_of(typed["done_at"]),
            note=typed["note"],
            file=_file(request),
            two_needed=two_needed(row),
            by=user_of(request),
            now=now,
        )
    except NotPossible as refused:
        # What was typed stays. Not the file: no page can put one back, nor does who confirms who
        # they are get it sent again.
        context = revocation.context(row, user_of(request), now=now)
        context |= {"problem": str(refused), "typed": _cut(typed)}
        return page(request, "revocation.html", context, status=409)
    said = "a second person signs it on this page" if made.two_needed else "effective, as you state"
    messages.success(request, f"{row.key}: {said}. The target is looked at where it can be.")
    return redirect("revocation_page", key=key)


def _cut(typed: dict[str, str]) -> dict[str, str]:
    return {name: text[:LONGEST_TYPED] for name, text in typed.items()}


def moment_of(text: str) -> datetime:
    """A moment that somebody typed, in UTC where nothing else is said."""
    try:
        at = parse_datetime(text[:40])
    except ValueError:
        at = None
    if at is None:
        raise NotPossible("Say when it was done, as 2026-11-24 15:48 (UTC).")
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _file(request: HttpRequest) -> stating.File | None:
    sent = request.FILES.get("proof")
    if sent is None:
        return None
    if (sent.size or 0) > proofs.LARGEST:
        raise NotPossible(f"The file is larger than {proofs.LARGEST >> 20} MiB. {proofs.WHAT}.")
    return stating.File(sent.name or "", sent.read(proofs.LARGEST + 1))


def _why_not_sign(request: HttpRequest, key: str) -> str | None:
    row = revocation_of(request, key)
    waits = row.statements.filter(state="proposed").first()
    user = user_of(request)
    return stating.why_not_sign_statement(user, row.identity, waits, now=timezone.now())


@require_POST
@login_required
@permitted_first(_why_not_sign)
def sign(request: HttpRequest, key: str) -> HttpResponse:
    row = revocation_of(request, key)
    stating.sign(revocation=row, by=user_of(request), now=timezone.now())
    messages.success(request, f"{row.key} is effective, as two people state.")
    return redirect("revocation_page", key=key)


@require_POST
@login_required
def refuse(request: HttpRequest, key: str) -> HttpResponse:
    row = revocation_of(request, key)
    reason = request.POST.get("reason", "")
    stating.refuse(revocation=row, reason=reason, by=user_of(request), now=timezone.now())
    messages.success(request, f"{row.key} waits as before.")
    return redirect("revocation_page", key=key)


@require_POST
@login_required
def retry(request: HttpRequest, key: str) -> HttpResponse:
    row = revocations.retry(
        revocation=revocation_of(request, key), by=user_of(request), now=timezone.now()
    )
    messages.success(request, f"{row.key} is tried again; the target is looked at first.")
    return redirect("revocation_page", key=key)


@require_GET
@login_required
def proof(request: HttpRequest, key: str, number: int) -> HttpResponse:
    """The file, to be saved and never shown by the browser."""
    row, user = revocation_of(request, key), user_of(request)
    found = get_object_or_404(row.statements.select_related("deposit"), pk=number)
    body = None if found.deposit is None else proofs.body_of(found.deposit)
    if found.deposit is None or body is None:
        raise Http404("the file is gone; its digest stays in the ledger")
    response = HttpResponse(body, content_type=found.content_type)
    response["Content-Disposition"] = f'attachment; filename="{found.file_name}"'
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    by = Reader(user.ref, user.called)
    looked.note(response, [("deposit", str(found.deposit.pk))], by=by, now=timezone.now())
    return response
