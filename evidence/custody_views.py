"""Forms of custody on the pages of sources and deposits: each translates one request to one call."""

from datetime import UTC, datetime
from uuid import UUID

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from evidence import changing, custody, erasing, keeping, permissions, pieces
from evidence.models import Deposit, Erasure, LegalHold, Source
from evidence.parameters import whole
from evidence.permissions import NotPossible, Reader
from evidence.views import read_by


def said(request: HttpRequest, name: str, longest: int = 2_000) -> str:
    """One field of the form, bounded and without NUL."""
    return request.POST.get(name, "")[:longest].replace("\0", "").strip()


@require_POST
@read_by
def retention(request: HttpRequest, by: Reader, name: str) -> HttpResponse:
    source = get_object_or_404(Source, name=name)
    days, reason = whole(said(request, "days")) or 0, said(request, "reason")
    if key := changing.keep_for(source=source, days=days, reason=reason, by=by, now=timezone.now()):
        return _waits(request, key)
    messages.success(request, f"{name} is kept for {days:,} days.")
    return redirect("source_page", name=name)


@require_POST
@read_by
def keep_filter(request: HttpRequest, by: Reader, name: str) -> HttpResponse:
    source = get_object_or_404(Source, name=name)
    text = said(request, "rules", keeping.LONGEST)
    if key := changing.keep(source=source, text=text, by=by, now=timezone.now()):
        return _waits(request, key)
    messages.success(request, "The keep-filter counts from the next body on.")
    return redirect("source_page", name=name)


@require_POST
@read_by
def hold(request: HttpRequest, by: Reader, name: str) -> HttpResponse:
    permissions.require(by.why_not_administer)
    actor = said(request, "actor")
    custody.place_hold(
        source=get_object_or_404(Source, name=name),
        actor=custody.actor_called(actor) if actor else None,
        begins=_moment(said(request, "begins")),
        ends=_moment(said(request, "ends")),
        reason=said(request, "reason"),
        by=by,
        now=timezone.now(),
    )
    messages.success(request, "The evidence is held until somebody releases it.")
    return redirect("source_page", name=name)


@require_POST
@read_by
def release(request: HttpRequest, by: Reader, name: str, number: int) -> HttpResponse:
    row = get_object_or_404(LegalHold, source__name=name, pk=number)
    reason = said(request, "reason")
    if key := changing.release(hold=row, reason=reason, by=by, now=timezone.now()):
        return _waits(request, key)
    messages.success(request, "The hold is released.")
    return redirect("source_page", name=name)


def _waits(request: HttpRequest, key: str) -> HttpResponse:
    messages.info(request, f"Nothing is changed yet: a second person signs {key} first.")
    return redirect(f"/changes/{key}/")


@require_POST
@read_by
def erase(request: HttpRequest, by: Reader, number: int) -> HttpResponse:
    permissions.require_all(by)
    ordinal = said(request, "ordinal")
    if ordinal and whole(ordinal) is None:
        raise NotPossible("The record's place is a number; the first is 0.")
    erasing.ask(
        deposit=get_object_or_404(Deposit.objects.select_related("source"), pk=number),
        ordinal=whole(ordinal) if ordinal else None,
        names=request.POST.get("names") == "1",
        reason=said(request, "reason"),
        short=pieces.named(said(request, "pieces", 10_000)),
        by=by,
        now=timezone.now(),
    )
    messages.success(request, "Asked for. Somebody else has to confirm it.")
    return redirect("deposit_page", number=number)


@require_POST
@read_by
def confirm(request: HttpRequest, by: Reader, erasure: UUID) -> HttpResponse:
    row = get_object_or_404(Erasure, pk=erasure)
    # Who may not is told so before they are asked who they are.
    permissions.require(erasing.why_not_confirm(row, by))
    answer: HttpResponse = _confirmed(request, row, by)
    return answer


@reauthentication_required  # type: ignore[untyped-decorator]  # allauth ships no types
def _confirmed(request: HttpRequest, row: Erasure, by: Reader) -> HttpResponse:
    erasing.confirm(erasure=row, by=by, now=timezone.now())
    messages.success(request, "Confirmed: it is being erased.")
    return redirect("deposit_page", number=row.deposit_id)


@require_POST
@read_by
def refuse(request: HttpRequest, by: Reader, erasure: UUID) -> HttpResponse:
    row = get_object_or_404(Erasure, pk=erasure)
    erasing.refuse(erasure=row, reason=said(request, "reason"), by=by, now=timezone.now())
    messages.success(request, "It stays.")
    return redirect("deposit_page", number=row.deposit_id)


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise NotPossible(f"{text[:40]!r} is no time.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
