"""Pages and forms of containment in an incident: each translates one request to one call."""

import re
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from config.page import page
from identities.actions.batches import naming
from identities.models import User
from identities.permissions import NotAllowed, NotPossible, require
from reviews import visible
from reviews.confirmed import permitted_first
from reviews.incidents import containing, targets
from reviews.incidents import containment_rights as rights
from reviews.incidents.containing import Wanted
from reviews.models import Case, ContainmentStep
from reviews.pages import containment, would_stop
from reviews.views import asked_of, user_of

STEP = re.compile(r"STEP-0*(\d{1,15})")
CASE = re.compile(r"CS-0*(\d{1,15})")
LONGEST = 600_000
TEXTS = ("does", "names", "left_actions", "left_resources", "reason", "digest")


def incident_of(user: User, key: str) -> Case:
    """An incident that this user sees; anything else is absent."""
    found = CASE.fullmatch(key)
    if found is None:
        raise Http404("no case of this key")
    rows = visible.cases(user, now=timezone.now()).filter(door="incident")
    return get_object_or_404(rows.select_related("identity__service"), number=int(found[1]))


def step_of(user: User, key: str, step: str) -> ContainmentStep:
    """A step of an incident that this user sees."""
    case, found = incident_of(user, key), STEP.fullmatch(step)
    if found is None:
        raise Http404("no step of this key")
    rows = ContainmentStep.objects.filter(case=case).select_related("item", "run__playbook")
    row = get_object_or_404(rows, number=int(found[1]))
    row.case = case
    return row


def said_by(request: HttpRequest) -> dict[str, Any]:
    """What a form says, bounded."""
    said: dict[str, Any] = {
        name: request.POST.get(name, "")[:LONGEST].replace("\0", "") for name in TEXTS
    }
    said["pick"] = [one[: naming.LONGEST] for one in request.POST.getlist("pick")]
    return said


def wanted_by(said: dict[str, Any], user: User) -> list[Wanted]:
    """The things that a form names; NotPossible names the first that stands for nothing."""
    names = dict.fromkeys((*said["pick"], *naming.lines_of(said["names"])))
    return targets.chosen(list(names), user, now=timezone.now())


def left_by(said: dict[str, Any]) -> dict[str, Any] | None:
    """What is left of a delegation, by what a form says; None: nothing."""
    found = {
        name: [one.strip() for one in said[f"left_{name}"].splitlines() if one.strip()]
        for name in ("actions", "resources")
    }
    if not any(found.values()):
        return None
    for name, those in found.items():
        if not those:
            raise NotPossible(f"Say which {name} are left, or neither: then it is stopped.")
    return found


@require_GET
@login_required
def containment_page(request: HttpRequest, key: str) -> HttpResponse:
    user, now = user_of(request), timezone.now()
    case = incident_of(user, key)
    context = {
        "section": "incident",
        "now": now,
        "title": f"Containment in {case.key}",
        "crumbs": containment.crumbs(case),
        "case": case,
        **containment.of_case(case, user, asked_of(request), now=now),
    }
    return page(request, "containment_list.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def containment_new(request: HttpRequest, key: str) -> HttpResponse:
    """The form; sent, what it would do and break. Nothing is saved."""
    user, now = user_of(request), timezone.now()
    case = incident_of(user, key)
    said: dict[str, Any]
    if request.method == "GET":
        # What another page has found, as the blast radius does, is named here already.
        names = [one[: naming.LONGEST] for one in request.GET.getlist("name")[: naming.MOST]]
        said = {
            "does": request.GET.get("does", "hold")[:20],
            "pick": request.GET.getlist("pick")[:50],
            "names": "\n".join(names).replace("\0", ""),
        }
        context = containment.new(case, user, said, now=now)
        return page(request, "containment_new.html", context)
    require(rights.why_not_contain(user, case, "hold", case.identity, now=now))
    said, would, problem = said_by(request), None, ""
    try:
        would = would_stop.look(
            case, said["does"], wanted_by(said, user), user, left=left_by(said), now=now
        )
    except (NotAllowed, NotPossible) as refused:
        problem = str(refused)
    context = containment.new(case, user, said, would, problem=problem, now=now)
    return page(request, "containment_new.html", context, status=409 if problem else 200)


def _why_not(request: HttpRequest, key: str) -> str | None:
    user = user_of(request)
    case, does = incident_of(user, key), request.POST.get("does", "")
    return rights.why_not_contain(user, case, does, case.identity, now=timezone.now())


def _signed(request: HttpRequest, key: str, *, seats: bool) -> HttpResponse:
    """Sign what was tried out; where something else would happen by now, it is shown again."""
    user, now = user_of(request), timezone.now()
    case, said, would = incident_of(user, key), said_by(request), None
    try:
        those, left = wanted_by(said, user), left_by(said)
        would = would_stop.look(case, said["does"], those, user, left=left, now=now)
        would_stop.same_as_shown(would.foreseen, said["digest"])
        does = containing.propose if seats else containing.contain
        step = does(
            case=case,
            does=said["does"],
            those=those,
            reason=said["reason"],
            left=left,
            foreseen=would.foreseen,
            by=user,
            now=now,
        )
    except NotPossible as refused:
        context = containment.new(case, user, said, would, problem=str(refused), now=now)
        return page(request, "containment_new.html", context, status=409)
    words = (
        "is put before both seats" if seats else "is signed: each target is looked at for itself"
    )
    messages.success(request, f"{step.key} {words}.")
    return redirect("containment_step", key=case.key, step=step.key)


@require_POST
@login_required
@permitted_first(_why_not)
def containment_sign(request: HttpRequest, key: str) -> HttpResponse:
    return _signed(request, key, seats=False)


@require_POST
@login_required
def containment_ask(request: HttpRequest, key: str) -> HttpResponse:
    user = user_of(request)
    require(rights.why_not_ask_seats(user, incident_of(user, key), now=timezone.now()))
    return _signed(request, key, seats=True)


@require_GET
@login_required
def containment_step(request: HttpRequest, key: str, step: str) -> HttpResponse:
    user = user_of(request)
    row = step_of(user, key, step)
    context = containment.step(row, user, asked_of(request), now=timezone.now())
    return page(request, "containment_step.html", context)


@require_POST
@login_required
def containment_undo(request: HttpRequest, key: str, step: str) -> HttpResponse:
    user = user_of(request)
    row = step_of(user, key, step)
    reason = request.POST.get("reason", "")
    containing.undo(step=row, reason=reason, by=user, now=timezone.now())
    messages.success(request, f"{row.key} is let go, as each target below says.")
    return redirect("containment_step", key=row.case.key, step=row.key)
