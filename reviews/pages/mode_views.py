"""Pages and forms of modes: each translates one request to one call."""

import re
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from config.page import page
from identities import visible
from identities.permissions import NotAllowed, NotPossible, require
from reviews import mode_permissions, mode_rules
from reviews.actions import modes as actions
from reviews.actions import policy_versions
from reviews.mode_forms import ModeForm
from reviews.models import ModeRule
from reviews.pages import modes
from reviews.pages.signed_views import act, signing
from reviews.views import asked_of, user_of


def rule_of(key: str) -> ModeRule:
    found = re.fullmatch(r"MODE-0*(\d{1,15})", key)
    if found is None:
        raise Http404("no rule of this key")
    return get_object_or_404(ModeRule, number=int(found.group(1)))


@require_GET
@login_required
def mode_list(request: HttpRequest) -> HttpResponse:
    context = modes.overview(user_of(request), asked_of(request), now=timezone.now())
    return page(request, "modes.html", context)


@require_GET
@login_required
def mode_page(request: HttpRequest, key: str) -> HttpResponse:
    context = modes.shown(rule_of(key), user_of(request), asked_of(request), now=timezone.now())
    return page(request, "mode_rule.html", context, part="mode_progress")


@require_GET
@login_required
def mode_identities(request: HttpRequest, key: str) -> HttpResponse:
    if not visible.sees_all(user_of(request)):
        raise Http404("the identities of a rule are shown to whoever sees all of them")
    context = modes.identities(rule_of(key), asked_of(request), now=timezone.now())
    return page(request, "policy_identities.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def mode_new(request: HttpRequest) -> HttpResponse:
    now, user = timezone.now(), user_of(request)
    context = modes.proposal(user, now=now)
    if request.method == "GET":
        return page(request, "mode_new.html", context | {"form": ModeForm()})
    form = ModeForm(request.POST)
    problem: dict[str, Any] = {}
    if form.is_valid():
        said, scope = form.cleaned_data, form.scope()
        try:
            if request.POST.get("act") == "propose":
                row = actions.propose(
                    scope=scope, mode=said["mode"], reason=said["reason"], by=user, now=now
                )
                messages.success(request, f"{row} is proposed: a second person signs it.")
                return redirect(row.url)
            require(mode_permissions.why_not_propose_mode(user, now=now))
            policy_versions.require_known(mode_rules.document(scope))
            problem = {"dry_run": modes.dry_run(scope, said["mode"], now=now)}
        except (NotAllowed, NotPossible) as refused:
            problem = {"problem": str(refused)}
    status = 200 if "dry_run" in problem else 400
    return page(request, "mode_new.html", context | problem | {"form": form}, status=status)


mode_sign = signing(
    "rule",
    rule_of,
    mode_permissions.why_not_sign_mode,
    actions.sign,
    "{0} is in force: the scope is being moved to {0.mode}.",
)
mode_refuse = act("rule", rule_of, actions.refuse, "{} is refused.", "reason")
mode_back = act(
    "rule",
    rule_of,
    actions.step_back,
    "{0} holds from now on: nothing is cut beyond {0.mode}.",
    "mode",
    "reason",
)
