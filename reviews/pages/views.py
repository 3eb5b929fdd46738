"""Pages of identities, findings, credentials, runs: each translates one request to one call."""

import re
from datetime import datetime, timedelta
from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from config.page import page
from evidence import looked
from evidence.intake.admitting import EPOCH
from evidence.models import Run
from evidence.parameters import whole
from evidence.permissions import Reader
from identities import visible
from identities.actions import bindings, findings, revocations
from identities.models import Binding, Credential, Finding, Identity, User
from identities.permissions import NotAllowed, NotPossible
from reviews.confirmed import permitted_first
from reviews.pages import (
    batches,
    claims,
    combination,
    covered,
    details,
    lanes,
    line,
    lists,
    moments,
    names,
    observed,
)

MOST_WINDOW = timedelta(days=3660)
# Clocks of sources may run a little ahead of ours.
AHEAD = timedelta(minutes=10)


def _user(request: HttpRequest) -> User:
    return cast("User", request.user)


def _asked(request: HttpRequest) -> dict[str, str]:
    return {key: str(value)[:500].replace("\0", "") for key, value in request.GET.items()}


def _numbered(key: str, prefix: str) -> int:
    found = re.fullmatch(rf"{prefix}-0*(\d{{1,15}})", key)
    if found is None:
        raise Http404(f"{key} is no key of this kind")
    return int(found.group(1))


def _identity(request: HttpRequest, key: str) -> Identity:
    rows = visible.identities(_user(request), now=timezone.now()).select_related(
        "service__ai_owner__person",
        "service__ai_owner__team",
        "owner__person",
        "owner__team",
        "sponsor__person",
        "sponsor__team",
        "backup__person",
        "backup__team",
    )
    return get_object_or_404(rows, number=_numbered(key, "NHI"))


@require_GET
@login_required
def identity_list(request: HttpRequest) -> HttpResponse:
    user, asked, now = _user(request), _asked(request), timezone.now()
    context = lists.identities(user, asked, now=now)
    context |= {"picks": batches.picks("identities", user, asked, now=now)}
    return page(request, "identities.html", context, part="identity_rows")


@require_GET
@login_required
def identity_line(request: HttpRequest, key: str) -> HttpResponse:
    identity = _identity(request, key)
    user, now = _user(request), timezone.now()
    at = moments.parse(request.GET.get("at", ""))
    response = page(request, "line.html", line.context(identity, user, now=now, at=at))
    looked.note(response, [("line", identity.key)], by=Reader(user.ref, user.called), now=now)
    return response


def _as_of(request: HttpRequest) -> datetime:
    """The moment in the address, now at the latest."""
    now = timezone.now()
    return min(moments.parse(request.GET.get("at", "")) or now, now)


@require_GET
@login_required
def identity_coverage(request: HttpRequest, key: str) -> HttpResponse:
    identity = _identity(request, key)
    at = _as_of(request)
    return page(request, "coverage.html", covered.context(identity, until=at), part="coverage")


@require_GET
@login_required
def identity_together(request: HttpRequest, key: str) -> HttpResponse:
    identity = _identity(request, key)
    at = _as_of(request)
    context = combination.of_identity(identity, at=at)
    return page(request, "together.html", context, part="together")


@require_GET
@login_required
def identity_lanes(request: HttpRequest, key: str) -> HttpResponse:
    identity = _identity(request, key)
    clock = timezone.now()
    # As of an earlier moment nothing later is shown, as on the page itself.
    now = min(moments.parse(request.GET.get("at", "")) or clock, clock)
    live = now == clock
    since, until = lanes.window(identity, now=now)
    asked = [request.GET.get(name, "") for name in ("from", "to")]
    if all(re.fullmatch(r"\d{1,17}", text) for text in asked):
        first, last = sorted(int(text) for text in asked)
        since = EPOCH + timedelta(microseconds=min(first, 7_000_000_000_000_000))
        until = EPOCH + timedelta(microseconds=min(last + 1, 7_000_000_000_000_000))
        until = min(until, since + MOST_WINDOW, now + AHEAD)
    if not live:
        until = min(until, now)
    since = min(since, until)
    return JsonResponse(lanes.lanes(identity, since=since, until=until, now=now, live=live))


@require_GET
@login_required
def run_page(request: HttpRequest, key: str) -> HttpResponse:
    rows = Run.objects.select_related(
        "agent", "service", "on_behalf", "conversation", "task", "release", "source"
    )
    run, now = get_object_or_404(rows, pk=_numbered(key, "RUN")), timezone.now()
    if not visible.sees_all(_user(request)):
        mine = details.identity_of(run, _user(request), now=now)
        if mine is None:
            raise Http404("no run of this key")
    return page(request, "run.html", details.run(run, _user(request), now=now))


@require_GET
@login_required
def finding_list(request: HttpRequest) -> HttpResponse:
    context = lists.findings(_user(request), _asked(request), now=timezone.now())
    return page(request, "findings.html", context, part="finding_rows")


def _finding(request: HttpRequest, key: str) -> Finding:
    rows = visible.findings(_user(request), now=timezone.now()).select_related(
        "identity__service", "assignee__person"
    )
    return get_object_or_404(rows, number=_numbered(key, "F"))


@require_GET
@login_required
def finding_page(request: HttpRequest, key: str) -> HttpResponse:
    context = details.finding(_finding(request, key), _user(request), now=timezone.now())
    return page(request, "finding.html", context)


@require_POST
@login_required
def finding_dispose(request: HttpRequest, key: str) -> HttpResponse:
    finding = _finding(request, key)
    done = findings.dispose(
        finding=finding,
        disposition=request.POST.get("disposition", request.POST.get("answer", "")),
        reason=request.POST.get("reason", ""),
        by=_user(request),
        now=timezone.now(),
    )
    if isinstance(done, Finding):
        messages.success(request, f"{done.key} is {done.state}.")
    else:
        messages.info(request, f"{finding.key}: a second person signs {done} first.")
    return redirect("finding_page", key=finding.key)


@require_POST
@login_required
def finding_assign(request: HttpRequest, key: str) -> HttpResponse:
    who = request.POST.get("assignee", request.POST.get("user", ""))
    person = User.objects.filter(pk=who).first() if re.fullmatch(r"[0-9a-f-]{36}", who) else None
    finding = findings.assign(
        finding=_finding(request, key), to=person, by=_user(request), now=timezone.now()
    )
    return redirect("finding_page", key=finding.key)


@require_GET
@login_required
def credential_list(request: HttpRequest) -> HttpResponse:
    user, asked, now = _user(request), _asked(request), timezone.now()
    context = lists.credentials(user, asked, now=now)
    context |= {"picks": batches.picks("credentials", user, asked, now=now)}
    return page(request, "credentials.html", context, part="credential_rows")


def _credential(request: HttpRequest, key: str) -> Credential:
    rows = observed.with_times(
        visible.credentials(_user(request), now=timezone.now())
    ).select_related("actor", "issued_by", "issued_to", "identity__service")
    return get_object_or_404(rows, number=_numbered(key, "CRED"))


@require_GET
@login_required
def credential_page(request: HttpRequest, key: str) -> HttpResponse:
    context = details.credential(_credential(request, key), _user(request), now=timezone.now())
    return page(request, "credential.html", context)


@require_POST
@login_required
@permitted_first(
    lambda request, key, step: revocations.why_not(
        _credential(request, key).identity, step, _user(request), now=timezone.now()
    )
)
def credential_step(request: HttpRequest, key: str, step: str) -> HttpResponse:
    credential = _credential(request, key)
    if credential.identity is None:
        raise NotPossible("Bind this credential to an identity first.")
    asked = revocations.request(
        identity=credential.identity,
        step=step,
        by=_user(request),
        now=timezone.now(),
        because=request.POST.get("reason", ""),
        credential=credential,
    )
    for row in asked:
        messages.success(request, f"{row.key}: {row.words}. It is looked at until it is effective.")
    return redirect("credential_page", key=key)


@require_GET
@login_required
def delegation_list(request: HttpRequest) -> HttpResponse:
    context = lists.delegations(_user(request), _asked(request), now=timezone.now())
    return page(request, "delegations.html", context, part="delegation_rows")


@require_GET
@login_required
def revocation_list(request: HttpRequest) -> HttpResponse:
    context = lists.revocations(_user(request), _asked(request), now=timezone.now())
    return page(request, "revocations.html", context, part="revocation_rows")


@require_GET
@login_required
def ai_system_list(request: HttpRequest) -> HttpResponse:
    context = lists.ai_systems(_user(request), _asked(request), now=timezone.now())
    return page(request, "ai_systems.html", context)


@require_GET
@login_required
def unclaimed_list(request: HttpRequest) -> HttpResponse:
    context = claims.context(_user(request), _asked(request), now=timezone.now())
    return page(request, "unclaimed.html", context, part="unclaimed_rows")


def _proposals(request: HttpRequest) -> list[Binding]:
    numbers = [whole(one) or 0 for one in request.POST.getlist("proposal")[:200]]
    rows = visible.bindings(_user(request), now=timezone.now())
    return list(rows.filter(pk__in=numbers).select_related("identity__service", "actor"))


@require_POST
@login_required
def unclaimed_reject(request: HttpRequest) -> HttpResponse:
    reason = request.POST.get("reason", "") or "rejected on the page"
    for row in _proposals(request):
        try:
            bindings.reject(binding=row, by=_user(request), now=timezone.now(), reason=reason)
            messages.success(request, f"{row.actor.value} is not {row.identity.name}.")
        except (NotAllowed, NotPossible) as problem:
            messages.error(request, f"{row.actor.value}: {problem}")
    return redirect("unclaimed_list")


@login_required
def profile(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    if request.method == "POST":
        if request.POST.get("theme") in ("system", "light", "dark"):
            user.theme = request.POST["theme"]
        if "theme" not in request.POST or "single_keys_shown" in request.POST:
            user.single_keys = bool(request.POST.get("single_keys"))
        user.save(update_fields=["theme", "single_keys"])
        return redirect("profile")
    context = {
        "action_url": "/profile/",
        "single_keys": user.single_keys,
        "theme": user.theme,
        "title": "Profile",
    }
    return page(request, "profile.html", context)


@require_GET
@login_required
def search(request: HttpRequest) -> HttpResponse:
    q = request.GET.get("q", "").strip()[:200].replace("\0", "")
    if re.fullmatch(r"CS-\d{1,12}", q.upper()):
        return redirect(f"/cases/{q.upper()}/")
    found = names.resolve(q) if q else None
    if isinstance(found, Identity):
        mine = visible.identities(_user(request), now=timezone.now()).filter(pk=found.pk)
        if mine.exists():
            return redirect("identity_line", key=found.key)
    if isinstance(found, names.Unclaimed) and visible.sees_all(_user(request)):
        return redirect(f"/events/?actor={found.actor.pk}")
    return redirect(f"/identities/?{request.GET.urlencode()}")
