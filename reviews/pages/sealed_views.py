"""Pages and forms of sealed credentials: each translates one request to one call."""

from collections.abc import Callable
from typing import Any

from django import forms as django_forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from config.page import page
from evidence import looked
from evidence.permissions import Reader
from identities.permissions import READERS, NotAllowed, NotPossible, groups, require
from reviews.confirmed import permitted_first
from reviews.models import Case, SealedCredential, SealedUse
from reviews.pages import sealed as pages
from reviews.pages.signed_views import act as act_on
from reviews.pages.signed_views import signing
from reviews.sealed import deciding, declaring, looking, rights
from reviews.sealed_forms import DecideForm, DeclareForm, DrillForm, ExplainUseForm, LookForm
from reviews.views import asked_of, case_of, user_of


def sealed_of(slug: str, version: int) -> SealedCredential:
    return get_object_or_404(
        SealedCredential.objects.select_related("actor"), slug=slug, version=version
    )


def use_of(case: Case) -> SealedUse | None:
    """What a break-glass case is of, where it is a use out of band."""
    rows = SealedUse.objects.select_related(
        "credential__actor", "drill", "explained_person", "reviewed_person", "capsule"
    )
    return rows.filter(case=case).first()


def _used(request: HttpRequest, key: str) -> tuple[Case, SealedUse]:
    case = case_of(request, key)
    use = use_of(case)
    if use is None:
        raise Http404("no use of a sealed credential of this key")
    return case, use


def _require_reader(request: HttpRequest) -> None:
    require(None if READERS & groups(user_of(request)) else pages.NO_READER)


@require_GET
@login_required
def overview(request: HttpRequest) -> HttpResponse:
    _require_reader(request)
    context = pages.overview(user_of(request), asked_of(request), now=timezone.now())
    return page(request, "sealed.html", context)


@require_GET
@login_required
def sealed_page(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    _require_reader(request)
    row = sealed_of(slug, version)
    return page(
        request, "sealed_one.html", pages.version(row, user_of(request), now=timezone.now())
    )


@require_http_methods(["GET", "POST"])
@login_required
def sealed_new(request: HttpRequest) -> HttpResponse:
    now, user = timezone.now(), user_of(request)
    _require_reader(request)
    context = pages.proposal(user, now=now)
    if request.method == "GET":
        slug = request.GET.get("slug", "")[:60].replace("\0", "")
        form = DeclareForm(initial=pages.starting(slug) if slug else None)
        return page(request, "sealed_new.html", context | {"form": form})
    form, problem = DeclareForm(request.POST), ""
    if form.is_valid():
        declared, reason = form.declared()
        try:
            row = declaring.propose(declared=declared, reason=reason, by=user, now=now)
        except (NotAllowed, NotPossible) as refused:
            problem = str(refused)
        else:
            messages.success(request, f"{row} is proposed: a second person signs it.")
            return redirect(row.url)
    return page(
        request, "sealed_new.html", context | {"form": form, "problem": problem}, status=400
    )


sealed_sign = signing(
    "sealed",
    sealed_of,
    rights.why_not_sign_sealed,
    declaring.sign,
    "{} is signed.",
)
sealed_refuse = act_on("sealed", sealed_of, declaring.refuse, "{} is refused.", "reason")


@require_POST
@login_required
def drill(request: HttpRequest, slug: str) -> HttpResponse:
    user, now = user_of(request), timezone.now()
    require(rights.why_not_announce(user, now=now))
    said = _filled(DrillForm(request.POST))
    declaring.announce(slug=slug, **said, by=user, now=now)
    messages.success(request, f"A drill of {slug} is announced.")
    return redirect("sealed_list")


def use_page(request: HttpRequest, case: Case, use: SealedUse) -> HttpResponse:
    """The page of a use, at the address that every break-glass case has."""
    user, now = user_of(request), timezone.now()
    response = page(request, "sealed_use.html", pages.use(case, use, user, now=now))
    by = Reader(user.ref, user.called)
    looked.note(response, [("case", case.key)], by=by, now=now, case=case.pk)
    return response


@require_POST
@login_required
def explain(request: HttpRequest, key: str) -> HttpResponse:
    case, use = _used(request, key)
    user, now = user_of(request), timezone.now()
    require(rights.why_not_explain_use(user, use, now=now))
    looking.explain(case=case, **_filled(ExplainUseForm(request.POST)), by=user, now=now)
    messages.success(request, "Written down.")
    return redirect("break_glass_page", key=key)


@require_POST
@login_required
def decide(request: HttpRequest, key: str) -> HttpResponse:
    case, use = _used(request, key)
    user, now = user_of(request), timezone.now()
    require(rights.why_not_look_at_use(user, use, now=now))
    deciding.decide(case=case, **_filled(DecideForm(request.POST)), by=user, now=now)
    messages.success(request, "Decided: it is frozen with the look back.")
    return redirect("break_glass_page", key=key)


def _why_not_look(request: HttpRequest, key: str) -> str | None:
    return rights.why_not_look_at_use(user_of(request), _used(request, key)[1], now=timezone.now())


def _confirmed_look(request: HttpRequest, key: str) -> HttpResponse:
    case, _ = _used(request, key)
    form = LookForm(request.POST)
    _filled(form)
    looking.look_back(case=case, **form.given(), by=user_of(request), now=timezone.now())
    messages.success(request, f"{case.key} is closed.")
    return redirect("break_glass_page", key=key)


_asked: Callable[..., HttpResponse] = permitted_first(_why_not_look)(_confirmed_look)


@require_http_methods(["GET", "POST"])
@login_required
def look_back(request: HttpRequest, key: str) -> HttpResponse:
    """A form that got lost while who one is was asked leads back to its case."""
    if request.method == "GET":
        return redirect("break_glass_page", key=key)
    return _asked(request, key)


def _filled(form: django_forms.Form) -> dict[str, Any]:
    if form.is_valid():
        return dict(form.cleaned_data)
    wrong = (f"{name}: {' '.join(map(str, said))}" for name, said in form.errors.items())
    raise NotPossible("; ".join(wrong)[:600])
