"""The queue's own requests: keeping many, taking it back, taking a view out, calendar and mail."""

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from config.page import page
from identities.models import User
from identities.permissions import NotAllowed, NotPossible
from reviews import visible
from reviews.actions import bulk, feeds
from reviews.actions.answers import AT_ONCE
from reviews.confirmed import permitted_first
from reviews.models import Item, QueueSetting
from reviews.pages import planted, queue_items, queue_out, waiting
from reviews.views import asked_of, user_of

SHAPES = {"queue": queue_out.mine, "cases": queue_out.cases}


@require_GET
@login_required
def take_out(request: HttpRequest, name: str, shape: str) -> HttpResponseBase:
    asked = asked_of(request)
    rows = SHAPES[name](user_of(request), asked, now=timezone.now())
    return queue_out.answer(rows, name, shape, queue_out.columns(name, asked))


def _picked(request: HttpRequest) -> tuple[list[bulk.Pick], list[str]]:
    """The items that were selected and wait for this user, as they were read; and the words of
    those that do not wait for them any more."""
    chosen: dict[UUID, int] = {}
    said = request.POST.getlist("pick")
    if len(said) > bulk.MOST:
        raise NotPossible(bulk.too_many(len(said)))
    for text in said:
        item, _, version = text.partition(".")
        try:
            chosen[UUID(item)] = int(version)
        except ValueError:
            raise NotPossible("Select items on the page of the queue.") from None
    user, now = user_of(request), timezone.now()
    cases = list(Item.objects.filter(pk__in=chosen).values_list("case", flat=True).distinct())
    cases += planted.cases_of(list(chosen))
    found = waiting.for_user(user, now=now, cases=cases) if cases else []
    picks = [
        pick._replace(version=chosen[pick.item.pk])
        for pick in queue_items.picks(found, list(chosen))
    ]
    there = {pick.item.pk for pick in picks}
    gone = Item.objects.filter(
        pk__in=[pk for pk in chosen if pk not in there], case__in=visible.cases(user, now=now)
    )
    return picks, [
        f"{title} waits for you no longer." for title in gone.values_list("title", flat=True)
    ]


@require_http_methods(["GET", "POST"])
@login_required
def keep(request: HttpRequest) -> HttpResponse:
    """Sign keep on the selected; a row for what became of each."""
    if request.method == "GET":
        return redirect("/queue/?show=items")
    return _kept(request)


@permitted_first(lambda request: feeds.why_not_feed(user_of(request)))
def _kept(request: HttpRequest) -> HttpResponse:
    user, now = user_of(request), timezone.now()
    problem, kept = "", []
    try:
        picks, gone = _picked(request)
        if gone and not picks:
            raise NotPossible(" ".join(gone))
        kept = bulk.keep(picks, reason=request.POST.get("reason", ""), by=user, now=now)
        problem = " ".join(gone)
    except (NotAllowed, NotPossible) as refused:
        problem = str(refused)
    return _result(request, kept, problem=problem, undone=False)


@require_http_methods(["GET", "POST"])
@login_required
def undo(request: HttpRequest) -> HttpResponse:
    """Take back the answers on these items, each for itself."""
    if request.method == "GET":
        return redirect("/queue/?show=items")
    wanted = []
    for text in request.POST.getlist("item")[: bulk.MOST]:
        try:
            wanted.append(UUID(text))
        except ValueError:
            raise Http404("no such item") from None
    now = timezone.now()
    shown = visible.cases(user_of(request), now=now)
    rows = Item.objects.filter(pk__in=wanted, case__in=shown).select_related("case")
    found = [*rows.order_by("case__number", "position"), *planted.of_ids(wanted, shown)]
    kept = bulk.take_back(found, by=user_of(request), now=now)
    return _result(request, kept, problem="", undone=True)


def _result(
    request: HttpRequest, kept: list[bulk.Kept], *, problem: str, undone: bool
) -> HttpResponse:
    rows = [_row(one, undone=undone) for one in kept]
    done = sum(not one["why"] for one in rows)
    verb = "taken back" if undone else "kept"
    context = {
        "section": "queue",
        "title": "What became of each",
        "heading": f"{done} of {len(rows)} {verb}" if rows else "Nothing was kept",
        "problem": problem,
        "rows": rows,
        "undone": undone,
        "undo_until": max((row["undo_until"] for row in rows if row["undo_until"]), default=None),
        "back_url": "/queue/?show=items",
        "now": timezone.now(),
    }
    status = 409 if problem and not rows else 200
    return page(request, "queue_kept.html", context, status=status)


def _row(one: bulk.Kept, *, undone: bool) -> dict[str, Any]:
    item, case, row = one.item, one.item.case, one.decision
    takes_back = row is not None and row.answer not in AT_ONCE
    return {
        "item": str(item.pk),
        "title": item.title,
        "url": f"/cases/{case.key}/?item={item.pk}",
        "case_key": case.key,
        "identity": case.identity.name if case.identity is not None else case.title,
        "kind": "" if one.why else ("waits" if undone else "keep"),
        "why": one.why,
        "undo_until": row.not_before if takes_back and row is not None else None,
    }


@require_http_methods(["GET", "POST"])
@login_required
def outside(request: HttpRequest) -> HttpResponse:
    """The calendar's address, shown once when it is made, and the daily mail."""
    user, now = user_of(request), timezone.now()
    secret = ""
    if request.method == "POST":
        act = request.POST.get("do", "")
        if act == "renew":
            secret = feeds.renew(user=user, now=now)
        elif act == "stop":
            feeds.stop(user=user, now=now)
        elif act in ("mail_on", "mail_off"):
            feeds.mail(user=user, wanted=act == "mail_on", now=now)
        else:
            raise NotPossible("Choose what to change.")
        if not secret:
            return redirect("queue_outside")
    return page(request, "queue_outside.html", _outside(request, user, secret))


def _outside(request: HttpRequest, user: User, secret: str) -> dict[str, Any]:
    row = QueueSetting.objects.filter(user=user).first()
    return {
        "section": "queue",
        "title": "Calendar and mail",
        "feed": request.build_absolute_uri(f"/queue/feed/{secret}.ics") if secret else "",
        "made_at": row.made_at if row is not None else None,
        "mail": row is None or row.mail,
        "email": user.person.email if user.person is not None else "",
        "why_not": feeds.why_not_feed(user) or "",
        "action_url": "/queue/outside/",
    }


@require_GET
def feed(_request: HttpRequest, secret: str) -> HttpResponse:
    """The calendar: whoever has the address reads it, so it says no more than a mail does."""
    user = feeds.whose(secret)
    if user is None:
        raise Http404("no such calendar")
    return queue_out.calendar(user, now=timezone.now())
