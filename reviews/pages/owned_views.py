"""What somebody answers for: each view translates one request to one call."""

import re
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from config.page import page
from evidence.words import counted
from identities import visible as identities_visible
from identities.models import Identity
from identities.permissions import NotAllowed, NotPossible, require
from reviews import owner_permissions
from reviews.actions import activating, attesting, offers, resuming, retiring
from reviews.confirmed import permitted_first
from reviews.models import OwnerOffer, Succession, SuccessionItem
from reviews.owner_forms import ActivateForm, RenewForm, UntilForm, last_of
from reviews.pages import owned, owned_asked, successions
from reviews.permissions import mine
from reviews.succession import passing
from reviews.views import asked_of, identity_of, user_of


def _identity(request: HttpRequest, key: str) -> Identity:
    found = identity_of(request, key)
    if found is None:
        raise Http404("no identity of this key")
    return found


def _refused(problem: NotAllowed | NotPossible) -> tuple[str, int]:
    return str(problem), 403 if isinstance(problem, NotAllowed) else 409


@require_GET
@login_required
def owned_list(request: HttpRequest) -> HttpResponse:
    context = owned.context(user_of(request), asked_of(request), now=timezone.now())
    return page(request, "owned.html", context, part="owned_rows")


@require_POST
@login_required
def owned_renew(request: HttpRequest) -> HttpResponse:
    """The selected, to one date; a row for what became of each."""
    user, now = user_of(request), timezone.now()
    form, problem, status = UntilForm(request.POST), "", 200
    done: list[attesting.Renewed] = []
    try:
        if not form.is_valid():
            raise NotPossible("Say until when, as 2027-03-31.")
        done = attesting.attest_many(
            identities=_picked(request),
            expires_at=last_of(form.cleaned_data["until"]),
            by=user,
            now=now,
        )
    except (NotAllowed, NotPossible) as refused:
        problem, status = _refused(refused)
    many = sum(not one.why for one in done)
    context = {
        "section": "owned",
        "title": "What became of each",
        "heading": f"{many} of {len(done)} renewed" if done else "Nothing was renewed",
        "problem": problem,
        "rows": [
            {
                "key": one.identity.key,
                "name": one.identity.name,
                "url": f"/identities/{one.identity.key}/",
                "why": one.why,
                "until": one.identity.expires_at
                if one.why
                else last_of(form.cleaned_data["until"]),
            }
            for one in done
        ],
    }
    return page(request, "owned_renewed.html", context, status=status)


@require_POST
@login_required
def owned_activate(request: HttpRequest) -> HttpResponse:
    """The selected become active; a row for what became of each, or what it lacks."""
    user, now = user_of(request), timezone.now()
    form, problem, status = ActivateForm(request.POST), "", 200
    done: list[activating.Activated] = []
    try:
        if not form.is_valid():
            raise NotPossible("Say until when as 2027-03-31, or leave it empty.")
        until = form.cleaned_data["until"]
        done = activating.activate_many(
            identities=_picked(request),
            by=user,
            now=now,
            purpose=form.cleaned_data["purpose"],
            expires_at=None if until is None else last_of(until),
        )
    except (NotAllowed, NotPossible) as refused:
        problem, status = _refused(refused)
    many = sum(not one.why for one in done)
    ends = dict(
        Identity.objects.filter(pk__in=[one.identity.pk for one in done]).values_list(
            "pk", "expires_at"
        )
    )
    context = {
        "section": "owned",
        "title": "What became of each",
        "heading": f"{many} of {len(done)} made active" if done else "Nothing was made active",
        "problem": problem,
        "did": "Active",
        "rows": [
            {
                "key": one.identity.key,
                "name": one.identity.name,
                "url": f"/identities/{one.identity.key}/",
                "why": one.why,
                "until": ends[one.identity.pk],
            }
            for one in done
        ],
    }
    return page(request, "owned_renewed.html", context, status=status)


@require_POST
@login_required
def identity_activate(request: HttpRequest, key: str) -> HttpResponse:
    identity = _identity(request, key)
    activating.activate(identity=identity, by=user_of(request), now=timezone.now())
    messages.success(request, f"{identity.name} is active.")
    return redirect("identity_line", key=identity.key)


def _picked(request: HttpRequest) -> list[Identity]:
    wanted = []
    for text in request.POST.getlist("pick")[: attesting.MOST + 1]:
        try:
            wanted.append(UUID(text))
        except ValueError:
            raise NotPossible("Select it on the page, by its box.") from None
    rows = identities_visible.identities(user_of(request), now=timezone.now())
    return list(rows.filter(pk__in=wanted).select_related("service").order_by("number"))


@require_http_methods(["GET", "POST"])
@login_required
def identity_renew(request: HttpRequest, key: str) -> HttpResponse:
    identity, user, now = _identity(request, key), user_of(request), timezone.now()
    form = RenewForm(request.POST or None, initial=owned.stated(identity, now=now))
    problem, status = "", 200
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                attesting.attest(
                    identity=identity,
                    purpose=form.cleaned_data["purpose"],
                    expires_at=last_of(form.cleaned_data["until"]),
                    by=user,
                    now=now,
                    read=request.POST.get("read", ""),
                )
                if starts := "activate" in request.POST:
                    activating.activate(identity=identity, by=user, now=now)
        except (NotAllowed, NotPossible) as refused:
            problem, status = _refused(refused)
        else:
            said = f"attested until {form.cleaned_data['until']:%Y-%m-%d}"
            said += ", and active" if starts else ""
            messages.success(request, f"{identity.name} is {said}.")
            return redirect("owned_list")
    elif request.method == "POST":
        status = 400
    context = owned.renew(identity, user, now=now) | {"form": form, "problem": problem}
    return page(request, "renew.html", context, status=status)


@require_POST
@login_required
@permitted_first(
    lambda request, key: retiring.why_not(
        user_of(request), _identity(request, key), now=timezone.now()
    )
)
def identity_retire(request: HttpRequest, key: str) -> HttpResponse:
    identity = _identity(request, key)
    retiring.retire(
        identity=identity,
        by=user_of(request),
        now=timezone.now(),
        reason=request.POST.get("reason", ""),
    )
    messages.success(request, f"{identity.name} is retired.")
    return redirect("identity_line", key=identity.key)


@require_POST
@login_required
def identity_resume(request: HttpRequest, key: str) -> HttpResponse:
    case = resuming.ask(
        identity=_identity(request, key),
        by=user_of(request),
        now=timezone.now(),
        reason=request.POST.get("reason", ""),
    )
    messages.success(request, f"{case.key} asks its seats. Until they have signed, nothing works.")
    return redirect("case_page", key=case.key)


@require_http_methods(["GET", "POST"])
@login_required
def identity_hand_over(request: HttpRequest, key: str) -> HttpResponse:
    identity, user, now = _identity(request, key), user_of(request), timezone.now()
    typed = {name: str(value)[:4_000] for name, value in request.POST.items()}
    problem, status = "", 200
    if request.method == "POST":
        try:
            row = offers.offer(
                identity=identity,
                to=typed.get("to", ""),
                how=typed.get("how", ""),
                reason=typed.get("reason", ""),
                by=user,
                now=now,
            )
        except (NotAllowed, NotPossible) as refused:
            problem, status = _refused(refused)
        else:
            words = f"{row.to} is asked about {identity.name}. Until they accept, nothing changes."
            messages.success(request, words)
            return redirect("identity_hand_over", key=key)
    context = owned.hand_over(identity, user, typed, now=now)
    return page(request, "hand_over_identity.html", context | {"problem": problem}, status=status)


def _offer(request: HttpRequest, pk: UUID) -> OwnerOffer:
    """An offer this user is asked in, or asked with, or may read."""
    user, now = user_of(request), timezone.now()
    row = get_object_or_404(OwnerOffer.objects.select_related("identity__service", "to"), pk=pk)
    known = identities_visible.identities(user, now=now).filter(pk=row.identity_id).exists()
    if not known and row.to_id not in mine(user, now=now):
        raise Http404("no such question")
    return row


@require_POST
@login_required
def offer_answer(request: HttpRequest, pk: UUID, answer: str) -> HttpResponse:
    row, user, now = _offer(request, pk), user_of(request), timezone.now()
    name = row.identity.name
    if answer == "accept":
        offers.accept(offer=row, by=user, now=now)
        messages.success(request, f"You answer for {name} now.")
    elif answer == "withdraw":
        offers.withdraw(offer=row, by=user, now=now)
        messages.success(request, f"The question about {name} is taken back.")
        return redirect("identity_hand_over", key=row.identity.key)
    else:
        ask = request.POST.get("ask", "")[:300]
        offers.decline(offer=row, reason=request.POST.get("reason", ""), ask=ask, by=user, now=now)
        more = f" {ask.strip()} is asked." if ask.strip() else ""
        messages.success(request, f"You do not answer for {name}.{more}")
    return redirect("owned_list")


@require_POST
@login_required
def succession_answer(request: HttpRequest, pk: UUID, answer: str) -> HttpResponse:
    user, now = user_of(request), timezone.now()
    rows = SuccessionItem.objects.filter(heir__in=mine(user, now=now))
    row = get_object_or_404(rows, pk=pk)
    said: dict[str, Any] = {"item": row, "by": user, "now": now}
    if answer == "accept":
        row = passing.accept(**said)
        messages.success(request, f"You answer for {passing.about(row)}.")
    else:
        row = passing.decline(reason=request.POST.get("reason", ""), **said)
        messages.success(request, f"{passing.about(row)} goes to whoever is next.")
    return counted_back(request)


def counted_back(request: HttpRequest) -> HttpResponse:
    """Back to the page, with how much still waits."""
    left = owned_asked.count(user_of(request), now=timezone.now())
    if left:
        messages.info(request, f"{counted(left, 'question still waits', 'questions still wait')}.")
    return redirect("owned_list")


@require_GET
@login_required
def succession_list(request: HttpRequest) -> HttpResponse:
    context = successions.listed(user_of(request), asked_of(request), now=timezone.now())
    return page(request, "successions.html", context, status=403 if context["why_not"] else 200)


@require_GET
@login_required
def succession_page(request: HttpRequest, key: str) -> HttpResponse:
    require(owner_permissions.why_not_see_successions(user_of(request)))
    found = re.fullmatch(r"SUC-0*(\d{1,15})", key)
    rows = Succession.objects.select_related("person", "team")
    row = get_object_or_404(rows, number=int(found.group(1)) if found else 0)
    context = successions.one(row, asked_of(request), now=timezone.now())
    return page(request, "succession.html", context)
