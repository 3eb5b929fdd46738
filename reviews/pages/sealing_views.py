"""Sealing a case, its members and its unsealing: each translates one request to one call."""

import re
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from config.page import page
from evidence import looked
from evidence.permissions import Reader
from identities import visible
from identities.models import Identity
from identities.permissions import NotPossible
from reviews.confirmed import permitted_first
from reviews.incidents.opening import New
from reviews.pages import sealing as pages
from reviews.sealing import enclosing, members, rights, unsealing
from reviews.views import case_of, user_of


@require_GET
@login_required
def seal_page(request: HttpRequest, key: str) -> HttpResponse:
    case, user, now = case_of(request, key), user_of(request), timezone.now()
    response = page(request, "seal.html", pages.of_case(case, user, now=now))
    by = Reader(user.ref, user.called)
    looked.note(response, [("case", case.key)], by=by, now=now, case=case.pk)
    return response


def _typed(request: HttpRequest) -> dict[str, str]:
    return {name: str(value)[: pages.MOST_TYPED] for name, value in request.POST.items()}


def _sealed(request: HttpRequest, key: str) -> HttpResponse:
    case, user, now = case_of(request, key), user_of(request), timezone.now()
    typed = _typed(request)
    try:
        enclosing.seal(
            case=case,
            named=pages.named(typed),
            reason=typed.get("reason", ""),
            by=user,
            now=now,
        )
    except NotPossible as refused:
        # What was typed is many names: it is not lost for one that is wrong.
        context = pages.of_case(case, user, now=now)
        context |= {"asked": typed, "problem": str(refused)}
        context["seats"] = [
            one | {"typed": typed.get(f"instead:{one['name']}", "")} for one in context["seats"]
        ]
        return page(request, "seal.html", context, status=409)
    messages.success(request, f"{case.key} is sealed: only its members see that it exists.")
    return redirect("seal", key=case.key)


def _opened(request: HttpRequest) -> HttpResponse:
    identity, user, now = _identity(request), user_of(request), timezone.now()
    typed = _typed(request)
    try:
        case = enclosing.open_sealed(
            identity=identity,
            new=New(
                identity,
                typed.get("title", ""),
                typed.get("what", ""),
                typed.get("severity", "medium"),
            ),
            named=pages.named(typed),
            reason=typed.get("reason", ""),
            by=user,
            now=now,
        )
    except NotPossible as refused:
        context = pages.opening(user, identity, now=now)
        context |= {"asked": typed, "problem": str(refused)}
        context["seats"] = [
            one | {"typed": typed.get(f"instead:{one['name']}", "")} for one in context["seats"]
        ]
        return page(request, "seal_new.html", context, status=409)
    messages.success(request, f"{case.key} is open, and sealed.")
    return redirect("case_page", key=case.key)


def _identity(request: HttpRequest) -> Identity:
    asked = request.POST if request.method == "POST" else request.GET
    number = re.fullmatch(r"NHI-0*(\d{1,15})", asked.get("identity", ""))
    rows = visible.identities(user_of(request), now=timezone.now()).select_related(
        "service__ai_owner__person", "owner__person", "sponsor__person"
    )
    return get_object_or_404(rows, number=int(number[1]) if number else -1)


_open_asked: Callable[..., HttpResponse] = permitted_first(
    lambda request: rights.why_not_open_sealed(
        user_of(request), _identity(request), now=timezone.now()
    )
)(_opened)


@require_http_methods(["GET", "POST"])
@login_required
def sealed_incident(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return _open_asked(request)
    user, now = user_of(request), timezone.now()
    return page(request, "seal_new.html", pages.opening(user, _identity(request), now=now))


def _add(request: HttpRequest, key: str) -> str:
    case, typed, now = case_of(request, key), _typed(request), timezone.now()
    person = pages.one_person(typed)
    members.add(
        case=case, person=person, reason=typed.get("reason", ""), by=user_of(request), now=now
    )
    return f"{person.name} is named to {case.key}."


def _remove(request: HttpRequest, key: str) -> str:
    case, typed, now = case_of(request, key), _typed(request), timezone.now()
    person = pages.one_person(typed)
    members.remove(
        case=case, person=person, reason=typed.get("reason", ""), by=user_of(request), now=now
    )
    return f"{person.name} sees nothing of {case.key} any more."


def _subject(request: HttpRequest, key: str) -> str:
    case, typed, now = case_of(request, key), _typed(request), timezone.now()
    person = pages.one_person(typed)
    members.name_subject(
        case=case,
        person=person,
        instead=pages.instead(typed),
        reason=typed.get("reason", ""),
        by=user_of(request),
        now=now,
    )
    return f"{case.key} is about {person.name}: they sit in it no more."


def _ask(request: HttpRequest, key: str) -> str:
    case, reason = case_of(request, key), _typed(request).get("reason", "")
    unsealing.ask(case=case, reason=reason, by=user_of(request), now=timezone.now())
    return "The other members are told: one of them signs."


def _drop(request: HttpRequest, key: str) -> str:
    case, reason = case_of(request, key), _typed(request).get("reason", "")
    unsealing.drop(case=case, reason=reason, by=user_of(request), now=timezone.now())
    return f"{case.key} stays sealed."


def _sign(request: HttpRequest, key: str) -> str:
    case = case_of(request, key)
    unsealing.sign(case=case, by=user_of(request), now=timezone.now())
    return f"{case.key} is sealed no more."


def _act(why_not: Callable[..., str | None], does: Callable[..., str]) -> Callable[..., Any]:
    """A view of one act on a sealed case: permitted, then done."""

    def done(request: HttpRequest, key: str) -> HttpResponse:
        said = does(request, key)
        messages.success(request, said)
        # Whoever took themselves off it sees it no more.
        try:
            case_of(request, key)
        except Http404:
            return redirect("front")
        return redirect("seal", key=key)

    asked = permitted_first(
        lambda request, key: why_not(user_of(request), case_of(request, key), now=timezone.now())
    )(done)

    @require_http_methods(["GET", "POST"])
    @login_required
    def view(request: HttpRequest, key: str) -> HttpResponse:
        # A form that got lost while who one is was asked leads back to the page.
        return asked(request, key) if request.method == "POST" else redirect("seal", key=key)

    return view


_seal_asked: Callable[..., HttpResponse] = permitted_first(
    lambda request, key: rights.why_not_seal(
        user_of(request), case_of(request, key), now=timezone.now()
    )
)(_sealed)


@require_http_methods(["GET", "POST"])
@login_required
def seal(request: HttpRequest, key: str) -> HttpResponse:
    return _seal_asked(request, key) if request.method == "POST" else seal_page(request, key)


member_add = _act(rights.why_not_change_members, _add)
member_remove = _act(rights.why_not_change_members, _remove)
subject_add = _act(rights.why_not_change_members, _subject)
unseal_ask = _act(rights.why_not_ask_unsealing, _ask)
unseal_drop = _act(rights.why_not_drop_unsealing, _drop)
unseal_sign = _act(rights.why_not_sign_unsealing, _sign)
