"""Pages and forms of break-glass: each translates one request to one call."""

from collections.abc import Callable
from typing import Any

from django import forms as django_forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from config.page import page
from evidence import looked
from evidence.permissions import Reader
from identities.permissions import NotAllowed, NotPossible
from reviews import second_factor
from reviews.break_glass import (
    answering,
    asking,
    bundles,
    bypassing,
    ending,
    forms,
    reviewing,
    rights,
)
from reviews.confirmed import permitted_first
from reviews.models import BreakGlass, Bundle, Case
from reviews.pages import break_glass, break_glass_lists, sealed_views
from reviews.pages.signed_views import act as act_on
from reviews.pages.signed_views import signing
from reviews.policy_document import DocumentError
from reviews.views import asked_of, case_of, user_of

Does = Callable[..., Case]


def glass_of(request: HttpRequest, key: str) -> Case:
    """A break-glass case this user may see; anything else is absent."""
    case = case_of(request, key)
    rows = BreakGlass.objects.select_related("bundle", "vouched_person")
    case.break_glass = get_object_or_404(rows, case=case)
    return case


@require_GET
@login_required
def overview(request: HttpRequest) -> HttpResponse:
    context = break_glass_lists.overview(user_of(request), asked_of(request), now=timezone.now())
    return page(request, "break_glass_all.html", context)


@require_GET
@login_required
def on_call_page(request: HttpRequest) -> HttpResponse:
    return page(request, "on_call.html", break_glass_lists.rotas(now=timezone.now()))


@require_GET
@login_required
def break_glass_page(request: HttpRequest, key: str) -> HttpResponse:
    case, user, now = case_of(request, key), user_of(request), timezone.now()
    if (use := sealed_views.use_of(case)) is not None:
        return sealed_views.use_page(request, case, use)
    case = glass_of(request, key)
    context = break_glass.context(case, user, now=now)
    response = page(request, "break_glass.html", context, part="glass_live")
    by = Reader(user.ref, user.called)
    looked.note(response, [("case", case.key)], by=by, now=now, case=case.pk)
    return response


@require_http_methods(["GET", "POST"])
@login_required
def break_glass_new(request: HttpRequest) -> HttpResponse:
    now, user = timezone.now(), user_of(request)
    sent = request.POST if request.method == "POST" else request.GET
    slug = str(sent.get("bundle", ""))[:60].replace("\0", "")
    incident = _incident(request, str(sent.get("incident", "")))
    context, says = break_glass_lists.request(user, slug, incident, now=now)
    if request.method == "GET":
        chosen = context["chosen"]["slug"] if context["chosen"] else ""
        initial = {
            "bundle": chosen,
            "incident": incident.key if incident else "",
            "drill": sent.get("drill") == "1",
            "identity": str(sent.get("identity", ""))[:200].replace("\0", ""),
        }
        form = forms.AskForm(says=says, initial=initial)
        return page(request, "break_glass_new.html", context | {"form": form})
    form, problem = forms.AskForm(request.POST, says=says), ""
    if says is None:
        problem = "Choose what you need."
    elif form.is_valid():
        try:
            case = asking.ask(wanted=form.wanted(says, incident), by=user, now=now)
        except (NotAllowed, NotPossible) as refused:
            problem = str(refused)
        else:
            who = break_glass_lists.told(case)
            messages.success(request, f"{case.key} is asked for. Told: {who}.")
            return redirect("break_glass_page", key=case.key)
    context |= {"form": form, "problem": problem}
    return page(request, "break_glass_new.html", context, status=400)


def _incident(request: HttpRequest, key: str) -> Case | None:
    """The incident it is asked for from, where this user sees it."""
    if not key.strip():
        return None
    case = case_of(request, key.strip())
    if case.door != "incident":
        raise Http404("no incident of this key")
    return case


def _act(
    does: Does,
    said: str,
    form: type[django_forms.Form] | None = None,
    *,
    why_not: Callable[..., str | None] | None = None,
    factor: bool = False,
) -> Callable[..., HttpResponse]:
    """One act on a case. With `why_not` it is permitted first, with `factor` it asks for a second factor
    afterwards; a form that got lost on the way through that leads back to its case.
    """

    def done(request: HttpRequest, key: str) -> HttpResponse:
        case = glass_of(request, key)
        given: dict[str, Any] = {"reason": request.POST.get("reason", "")}
        if form is not None:
            filled = form(request.POST)
            if not filled.is_valid():
                wrong = "; ".join(
                    f"{name}: {' '.join(map(str, errors))}"
                    for name, errors in filled.errors.items()
                )
                raise NotPossible(wrong[:600])
            given = filled.given() if hasattr(filled, "given") else filled.cleaned_data
        if factor:
            given["factor"] = second_factor.given(request, user_of(request))
        case = does(case=case, **given, by=user_of(request), now=timezone.now())
        messages.success(request, said.format(case=case))
        return redirect("break_glass_page", key=case.key)

    if why_not is not None:
        if factor:
            done = second_factor.asked_first(
                lambda request, key: glass_of(request, key).break_glass
            )(done)
        done = permitted_first(
            lambda request, key: why_not(
                user_of(request), glass_of(request, key), now=timezone.now()
            )
        )(done)

    @require_http_methods(["GET", "POST"])
    @login_required
    def view(request: HttpRequest, key: str) -> HttpResponse:
        if request.method == "GET":
            return redirect("break_glass_page", key=key)
        return done(request, key)

    return view


ACTS: dict[str, Callable[..., HttpResponse]] = {
    "approve": _act(
        answering.approve, "{case.key} is signed.", forms.ApproveForm, why_not=rights.why_not_answer
    ),
    "deny": _act(answering.deny, "{case.key} is denied."),
    "send-back": _act(answering.send_back, "{case.key} is sent back."),
    "look": _act(answering.acknowledge, "You look at it: who asked sees that.", forms.LookForm),
    "vouch": _act(bypassing.vouch, "You vouch for it.", why_not=rights.why_not_vouch),
    "bypass": _act(
        bypassing.bypass,
        "{case.key} is open. Everybody who was asked is told.",
        why_not=rights.why_not_bypass,
        factor=True,
    ),
    "without-factor": _act(
        bypassing.go_without, "Written down: it can be opened the dearer way, without it."
    ),
    "give-back": _act(ending.give_back, "Given back: it ends now."),
    "cut-off": _act(ending.cut_off, "Cut off: it ends now."),
    "longer": _act(ending.ask_longer, "More time is asked for.", forms.LongerForm),
    "ticket": _act(ending.name_ticket, "Its ticket is named.", forms.TicketForm),
    "explain": _act(reviewing.explain, "Written down.", forms.ExplainForm),
    "review": _act(
        reviewing.close, "{case.key} is closed.", forms.ReviewForm, why_not=rights.why_not_review
    ),
}


def bundle_of(slug: str, version: int) -> Bundle:
    return get_object_or_404(Bundle, slug=slug, version=version)


@require_GET
@login_required
def bundle_list(request: HttpRequest) -> HttpResponse:
    context = break_glass_lists.catalogue(user_of(request), now=timezone.now())
    return page(request, "bundles.html", context)


@require_GET
@login_required
def bundle_page(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    row = bundle_of(slug, version)
    context = break_glass_lists.version(row, user_of(request), now=timezone.now())
    return page(request, "bundle.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def bundle_new(request: HttpRequest) -> HttpResponse:
    now, user = timezone.now(), user_of(request)
    context = break_glass_lists.proposal(user, now=now)
    if request.method == "GET":
        slug = request.GET.get("slug", "")[:60].replace("\0", "")
        said = {"slug": slug, "document": break_glass_lists.starting(slug)}
        return page(request, "bundle_new.html", context | {"form": forms.BundleForm(initial=said)})
    form = forms.BundleForm(request.POST)
    problem: dict[str, Any] = {}
    if form.is_valid():
        said = form.cleaned_data
        try:
            row = bundles.propose(
                slug=said["slug"], text=said["document"], reason=said["reason"], by=user, now=now
            )
        except DocumentError as wrong:
            problem = {"problems": wrong.problems}
        except (NotAllowed, NotPossible) as refused:
            problem = {"problem": str(refused)}
        else:
            messages.success(request, f"{row} is proposed: a second person signs it.")
            return redirect(row.url)
    return page(request, "bundle_new.html", context | problem | {"form": form}, status=400)


bundle_sign = signing(
    "bundle",
    bundle_of,
    rights.why_not_sign_bundle,
    bundles.sign,
    "{} can be asked for from now on.",
)
bundle_refuse = act_on("bundle", bundle_of, bundles.refuse, "{} is refused.", "reason")
