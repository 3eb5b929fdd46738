"""Pages and forms of cases: each translates one request to one call."""

import re
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from config.page import page
from evidence import looked
from evidence.intake.admitting import EPOCH
from evidence.permissions import Reader
from identities import visible as identities_visible
from identities.models import Delegation, Identity, User
from identities.permissions import NotAllowed, NotPossible
from reviews import actions, visible
from reviews.actions import entrance, freezing, planted_answers
from reviews.actions.answers import AT_ONCE, WORDS
from reviews.confirmed import permitted_first
from reviews.forms import DecideForm, PinForm, RequestForm, TieForm, initial_of, ticked
from reviews.models import Case, Item
from reviews.pages import breaks, front, planted, queue, refused
from reviews.pages import case as case_page
from reviews.permissions import SEAT_WORDS

BACKEND = "django.contrib.auth.backends.ModelBackend"


def user_of(request: HttpRequest) -> User:
    return cast("User", request.user)


def asked_of(request: HttpRequest) -> dict[str, str]:
    """The address's parameters, bounded; log text may have been pasted into them."""
    return {key: str(value)[:500].replace("\0", "") for key, value in request.GET.items()}


def case_of(request: HttpRequest, key: str) -> Case:
    """A case this user may see; anything else is absent."""
    found = re.fullmatch(r"CS-0*(\d{1,15})", key)
    if found is None:
        raise Http404("no case of this key")
    rows = visible.cases(user_of(request), now=timezone.now()).select_related(
        "identity__service", "policy", "requester"
    )
    return get_object_or_404(rows, number=int(found.group(1)))


def item_of(case: Case, text: str) -> Item:
    try:
        return get_object_or_404(case.items, pk=UUID(text))
    except ValueError:
        raise Http404("no such item") from None


def back_to(case: Case, item: Item | None = None) -> HttpResponse:
    return redirect(f"/cases/{case.key}/{f'?item={item.pk}' if item is not None else ''}")


@require_GET
@login_required
def front_page(request: HttpRequest) -> HttpResponse:
    context = front.context(user_of(request), asked_of(request), now=timezone.now())
    return page(request, "front.html", context)


@require_GET
@login_required
def queue_page(request: HttpRequest) -> HttpResponse:
    context = queue.mine(user_of(request), asked_of(request), now=timezone.now())
    return page(request, "queue.html", context, part="queue_rows")


@require_GET
@login_required
def case_list(request: HttpRequest) -> HttpResponse:
    context = queue.all_cases(user_of(request), asked_of(request), now=timezone.now())
    return page(request, "queue.html", context, part="queue_rows")


@require_GET
@login_required
def case_detail(request: HttpRequest, key: str) -> HttpResponse:
    case, user, now = case_of(request, key), user_of(request), timezone.now()
    if case.door == "break_glass":
        return redirect("break_glass_page", key=case.key)
    context = case_page.context(case, user, asked_of(request), now=now)
    response = page(request, "case.html", context, part="case_item")
    # Who has seen a case was reached by its request (reviews/actions/clock.py), and time on an
    # item counts from when it was shown (reviews/actions/attention.py).
    seen = [("case", case.key), *(("item", one["id"]) for one in [context["item"]] if one)]
    looked.note(response, seen, by=Reader(user.ref, user.called), now=now, case=case.pk)
    return response


def _again(
    request: HttpRequest,
    case: Case,
    item: str,
    *,
    problem: str,
    errors: dict[str, str],
    status: int,
) -> HttpResponse:
    """The case page with what was typed, and the sentence of what is wrong with it."""
    typed = {key: str(value)[:8_000] for key, value in request.POST.items()} | ticked(request.POST)
    context = case_page.context(
        case_of(request, case.key), user_of(request), {**typed, "item": item}, now=timezone.now()
    )
    context["problem"] = problem
    if context["decision"] is not None:
        context["decision"]["errors"] = errors
    return page(request, "case.html", context, status=status)


@require_http_methods(["GET", "POST"])
@login_required
def case_decide(request: HttpRequest, key: str) -> HttpResponse:
    """A form that got lost on the way through re-authentication leads back to its case."""
    if request.method == "GET":
        return redirect("case_page", key=key)
    return _signed(request, key)


@permitted_first(
    lambda request, key: refused.why_not_decide(request, case_of(request, key), now=timezone.now())
)
def _signed(request: HttpRequest, key: str) -> HttpResponse:
    case, form = case_of(request, key), DecideForm(request.POST)
    if not form.is_valid():
        errors = {name: " ".join(map(str, found)) for name, found in form.errors.items()}
        return _again(
            request,
            case,
            request.POST.get("item", ""),
            errors=errors,
            status=400,
            problem=" ".join(errors.values()),
        )
    try:
        item = sign(request, case, form)
    except (NotAllowed, NotPossible) as problem:
        status = 403 if isinstance(problem, NotAllowed) else 409
        return _again(
            request,
            case,
            str(form.cleaned_data["item"]),
            problem=str(problem),
            errors={},
            status=status,
        )
    return back_to(case, None if item.outcome else item)


def sign(request: HttpRequest, case: Case, form: DecideForm) -> Item:
    """The call behind the form, and the word that it is recorded."""
    said = form.cleaned_data
    item = planted.shown_item(case, str(said["item"]))
    shown = request.POST.get("breaks", "")
    sure, now = "in_freeze" in request.POST, timezone.now()
    breaks.same_as_shown(item, said["answer"], shown, now=now)
    reason = freezing.knowingly(case, said["answer"], said["reason"], sure, now=now)
    row = actions.decide(
        case=case,
        item=item,
        seat=get_object_or_404(case.seats, pk=said["seat"]),
        answer=said["answer"],
        reason=reason,
        proposal=form.proposed(),
        by=user_of(request),
        now=now,
        version=said["version"],
    )
    tags = "" if row.answer in AT_ONCE else f"undo:/cases/{case.key}/undo/?item={item.pk}"
    words = f"Recorded: {WORDS[row.answer].lower()} on {item.title}."
    messages.success(request, words, extra_tags=tags)
    if planted_answers.behind(item) is None:
        item.refresh_from_db()
    return item


@require_POST
@login_required
def case_undo(request: HttpRequest, key: str) -> HttpResponse:
    case = case_of(request, key)
    item = planted.shown_item(case, request.GET.get("item", request.POST.get("item", "")))
    actions.undo(case=case, item=item, by=user_of(request), now=timezone.now())
    messages.success(request, f"Taken back: your answer on {item.title}.")
    return back_to(case, item)


@require_POST
@login_required
@permitted_first(
    lambda request, key: refused.why_not_settle(request, case_of(request, key), now=timezone.now())
)
def case_tie_break(request: HttpRequest, key: str) -> HttpResponse:
    case, form = case_of(request, key), TieForm(request.POST)
    if not form.is_valid():
        raise NotPossible("Choose one of the two answers, and say why.")
    said = form.cleaned_data
    item = get_object_or_404(case.items, pk=said["item"])
    sure, now = "in_freeze" in request.POST, timezone.now()
    reason = freezing.knowingly(case, said["answer"], said["reason"], sure, now=now)
    actions.tie_break(
        case=case,
        item=item,
        answer=said["answer"],
        reason=reason,
        by=user_of(request),
        now=now,
        version=said["version"],
    )
    return back_to(case, item)


@require_POST
@login_required
def case_pin(request: HttpRequest, key: str) -> HttpResponse:
    case, form = case_of(request, key), PinForm(request.POST)
    if not form.is_valid():
        raise NotPossible("Name the event to pin by its reference.")
    micros, number = form.cleaned_data["event"].split("-")
    item = form.cleaned_data["item"]
    chosen = None if item is None else planted.shown_item(case, str(item))
    actions.pin(
        case=case,
        at=EPOCH + timedelta(microseconds=min(int(micros), 10**16)),
        event_id=min(int(number), 2**63 - 1),
        # Nothing is pinned to what was planted: then it is the case's.
        item=chosen if chosen is None or planted_answers.behind(chosen) is None else None,
        note=form.cleaned_data["note"],
        by=user_of(request),
        now=timezone.now(),
    )
    messages.success(request, f"Pinned to {case.key}.")
    return back_to(case, chosen)


@require_POST
@login_required
def case_start(request: HttpRequest, key: str) -> HttpResponse:
    case = actions.start(
        case=case_of(request, key),
        by=user_of(request),
        now=timezone.now(),
        reason=request.POST.get("reason", ""),
    )
    messages.success(request, f"{case.key} is open: its seats are asked.")
    return back_to(case)


@require_POST
@login_required
def case_cancel(request: HttpRequest, key: str) -> HttpResponse:
    case = actions.cancel(
        case=case_of(request, key),
        by=user_of(request),
        now=timezone.now(),
        reason=request.POST.get("reason", ""),
    )
    messages.success(request, f"{case.key} is cancelled.")
    return back_to(case)


@require_POST
@login_required
def case_again(request: HttpRequest, key: str) -> HttpResponse:
    case = actions.carry_again(case=case_of(request, key), by=user_of(request), now=timezone.now())
    messages.success(request, f"{case.key} was carried out again.")
    return back_to(case)


def identity_of(request: HttpRequest, key: str) -> Identity | None:
    """An identity this user may see, by key or name."""
    rows = identities_visible.identities(user_of(request), now=timezone.now()).select_related(
        "service"
    )
    number = re.fullmatch(r"NHI-0*(\d{1,15})", key.strip().upper())
    return (
        rows.filter(number=int(number.group(1))).first()
        if number
        else rows.filter(name=key).first()
    )


@require_POST
@login_required
def open_review(request: HttpRequest, key: str) -> HttpResponse:
    identity = identity_of(request, key)
    if identity is None:
        raise Http404("no identity of this key")
    reason = request.POST.get("reason", "").strip() or "opened from its line"
    case = actions.open_review(
        identity=identity, by=user_of(request), now=timezone.now(), reason=reason
    )
    messages.success(request, f"{case.key} is open.")
    return back_to(case)


@require_http_methods(["GET", "POST"])
@login_required
def request_new(request: HttpRequest) -> HttpResponse:
    asked = identity_of(request, asked_of(request).get("identity", "")[:200])
    form = RequestForm(request.POST or None, initial=initial_of(asked, asked_of(request)))
    problem = ""
    if request.method == "POST" and form.is_valid():
        try:
            return back_to(ask(request, form))
        except (NotAllowed, NotPossible) as refused:
            problem = str(refused)
    context = _request_context(form, asked, problem)
    return page(
        request, "request_new.html", context, status=400 if request.method == "POST" else 200
    )


def _request_context(form: RequestForm, identity: Identity | None, problem: str) -> dict[str, Any]:
    seats = []
    if identity is not None:
        seats.append({"words": SEAT_WORDS["identity_owner"], "who": str(identity.owner or "")})
        if identity.service is not None and identity.service.ai_system:
            owner = identity.service.ai_owner
            seats.append({"words": SEAT_WORDS["ai_owner"], "who": str(owner or "")})
    return {
        "section": "access_request",
        "title": "Request access",
        "form": form,
        "problem": problem,
        "action_url": "/requests/new/",
        "seats": seats,
        "identity": identity and {"key": identity.key, "name": identity.name},
    }


def ask(request: HttpRequest, form: RequestForm) -> Case:
    """The call behind the request form."""
    said = form.cleaned_data
    identity = identity_of(request, said["identity"])
    if identity is None:
        raise NotPossible(f"No identity you see is called {said['identity'][:64]!r}.")
    delegation = None
    if said["delegation"]:
        number = re.fullmatch(r"DLG-0*(\d{1,15})", said["delegation"].strip().upper())
        rows = Delegation.objects.filter(grantee=identity)
        delegation = rows.filter(number=int(number.group(1))).first() if number else None
        if delegation is None:
            raise NotPossible(f"{identity.name} has no delegation {said['delegation'][:32]!r}.")
    return actions.request_access(
        identity=identity,
        wanted=form.wanted(),
        by=user_of(request),
        now=timezone.now(),
        reason=said["reason"],
        delegation=delegation,
    )


@never_cache
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest, token: str) -> HttpResponse:
    """A one-time link: nothing happens before the button, so that a mail scanner uses nothing up."""
    now = timezone.now()
    link = entrance.find_link(token, now=now)
    if link is not None and request.method == "GET":
        roles = ", ".join(group.name for group in link.user.groups.all())
        return page(
            request,
            "sign_in_link.html",
            {"action_url": request.path, "who": link.user.called, "roles": roles},
        )
    user = entrance.redeem_link(token, now=now) if link is not None else None
    if user is None:
        return page(
            request,
            "message.html",
            {
                "heading": "This link does not work any more",
                "sentence": "A sign-in link works once, for a limited time.",
                "next": [{"words": "Sign in", "url": "/accounts/login/"}],
            },
            status=404,
        )
    # No record of an authentication method: it never counts as having confirmed who you are.
    login(request, user, backend=BACKEND)
    return redirect("/")
