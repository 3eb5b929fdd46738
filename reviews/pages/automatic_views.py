"""Pages and forms of automatic holds: each translates one request to one call."""

import re
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from config.page import page
from identities.models import Person, User
from identities.permissions import NotAllowed, NotPossible, require
from reviews import automatic_permissions
from reviews.automatic import rules, settling
from reviews.automatic_forms import HoldRuleForm
from reviews.models import AutomaticHold, HoldRule
from reviews.pages import automatic
from reviews.pages.signed_views import act, signing
from reviews.views import asked_of, user_of


def rule_of(key: str) -> HoldRule:
    found = re.fullmatch(r"AUTO-0*(\d{1,15})", key)
    if found is None:
        raise Http404("no rule of this key")
    rows = HoldRule.objects.select_related("asked")
    return get_object_or_404(rows, number=int(found.group(1)))


def hold_of(user: User, key: str) -> AutomaticHold:
    """A hold whose case this user sees; anything else is absent."""
    found = re.fullmatch(r"AH-0*(\d{1,15})", key)
    if found is None:
        raise Http404("no hold of this key")
    rows = automatic.seen_by(user, now=timezone.now())
    return get_object_or_404(rows, number=int(found.group(1)))


@require_GET
@login_required
def hold_list(request: HttpRequest) -> HttpResponse:
    context = automatic.overview(user_of(request), asked_of(request), now=timezone.now())
    return page(request, "automatic.html", context)


@require_GET
@login_required
def rule_page(request: HttpRequest, key: str) -> HttpResponse:
    context = automatic.shown(rule_of(key), user_of(request), now=timezone.now())
    return page(request, "automatic_rule.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def rule_new(request: HttpRequest) -> HttpResponse:
    now, user = timezone.now(), user_of(request)
    context, choices = automatic.proposal(user, now=now), automatic.choices(now=now)
    if request.method == "GET":
        return page(request, "automatic_new.html", context | {"form": HoldRuleForm(**choices)})
    form = HoldRuleForm(request.POST, **choices)
    more: dict[str, Any] = {}
    if form.is_valid():
        said, reason = form.said(), form.cleaned_data["reason"]
        try:
            if request.POST.get("act") == "propose":
                asked = Person.objects.get(pk=form.person())
                row = rules.propose(**said, asked=asked, reason=reason, by=user, now=now)
                messages.success(request, f"{row} is proposed: a second person signs it.")
                return redirect(row.url)
            require(automatic_permissions.why_not_propose_hold_rule(user, now=now))
            rules.checked(**said)
            more = automatic.tried(HoldRule(**_unsaved(said)), now=now)
        except (NotAllowed, NotPossible) as refused:
            more = {"problem": str(refused)}
    status = 200 if "dry_run" in more else 400
    return page(request, "automatic_new.html", context | more | {"form": form}, status=status)


def _unsaved(said: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in said.items() if key != "days"} | {
        "replayed_days": said["days"]
    }


@require_GET
@login_required
def hold_page(request: HttpRequest, key: str) -> HttpResponse:
    user = user_of(request)
    context = automatic.hold(hold_of(user, key), user, now=timezone.now())
    return page(request, "automatic_hold.html", context)


@require_POST
@login_required
def hold_release(request: HttpRequest, key: str) -> HttpResponse:
    user = user_of(request)
    row = settling.release(
        hold=hold_of(user, key),
        finding_was=request.POST.get("finding_was", ""),
        reason=request.POST.get("reason", ""),
        by=user,
        now=timezone.now(),
    )
    messages.success(request, f"{row} is released: {row.item.title} works again.")
    return redirect(row.url)


rule_sign = signing(
    "rule",
    rule_of,
    automatic_permissions.why_not_sign_hold_rule,
    rules.sign,
    "{} is in force: what happens from now on may be held by itself.",
)
rule_refuse = act("rule", rule_of, rules.refuse, "{} is refused.", "reason")
rule_end = act("rule", rule_of, rules.end, "{} is off. What it holds stays held.", "reason")
