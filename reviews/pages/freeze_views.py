"""Pages and forms of change freezes: each translates one request to one call."""

import re

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from config.page import page
from identities import visible
from identities.models import Person
from identities.permissions import NotAllowed, NotPossible
from reviews import freeze_permissions
from reviews.actions import freezing
from reviews.freeze_forms import FreezeForm
from reviews.models import Freeze
from reviews.pages import freezes
from reviews.pages.signed_views import act, signing
from reviews.views import asked_of, user_of


def freeze_of(key: str) -> Freeze:
    found = re.fullmatch(r"FRZ-0*(\d{1,15})", key)
    if found is None:
        raise Http404("no freeze of this key")
    return get_object_or_404(Freeze.objects.select_related("asked"), number=int(found.group(1)))


@require_GET
@login_required
def freeze_list(request: HttpRequest) -> HttpResponse:
    context = freezes.overview(user_of(request), asked_of(request), now=timezone.now())
    return page(request, "freezes.html", context)


@require_GET
@login_required
def freeze_page(request: HttpRequest, key: str) -> HttpResponse:
    context = freezes.shown(freeze_of(key), user_of(request), asked_of(request), now=timezone.now())
    return page(request, "freeze.html", context)


@require_GET
@login_required
def freeze_identities(request: HttpRequest, key: str) -> HttpResponse:
    if not visible.sees_all(user_of(request)):
        raise Http404("the identities of a freeze are shown to whoever sees all of them")
    context = freezes.identities(freeze_of(key), asked_of(request), now=timezone.now())
    return page(request, "policy_identities.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def freeze_new(request: HttpRequest) -> HttpResponse:
    now, user = timezone.now(), user_of(request)
    context, choices = freezes.proposal(user, now=now), freezes.choices(now=now)
    if request.method == "GET":
        return page(request, "freeze_new.html", context | {"form": FreezeForm(**choices)})
    form, problem = FreezeForm(request.POST, **choices), ""
    if form.is_valid():
        since, until = form.times()
        try:
            row = freezing.propose(
                scope=form.scope(),
                since=since,
                until=until,
                asked=Person.objects.get(pk=form.person()),
                reason=form.cleaned_data["reason"],
                by=user,
                now=now,
            )
        except (NotAllowed, NotPossible) as refused:
            problem = str(refused)
        else:
            messages.success(request, f"{row} is proposed: a second person signs it.")
            return redirect(row.url)
    return page(
        request, "freeze_new.html", context | {"form": form, "problem": problem}, status=400
    )


freeze_sign = signing(
    "freeze",
    freeze_of,
    freeze_permissions.why_not_sign_freeze,
    freezing.sign,
    "{} is signed: nothing of it is cut by a clock while it holds.",
)
freeze_refuse = act("freeze", freeze_of, freezing.refuse, "{} is refused.", "reason")
freeze_end = act(
    "freeze",
    freeze_of,
    freezing.end,
    "{} is over. What it has held stays on the release list.",
    "reason",
)
