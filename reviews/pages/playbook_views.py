"""Pages and forms of playbooks: each translates one request to one call."""

import re
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from config.page import page
from identities.models import User
from identities.permissions import NotAllowed, NotPossible
from reviews.confirmed import permitted_first
from reviews.containment_forms import PlaybookForm
from reviews.incidents import containment_rights as rights
from reviews.incidents import playbooks as actions
from reviews.incidents import running, targets
from reviews.incidents.containing import Foreseen
from reviews.incidents.running import Chosen
from reviews.models import Case, Playbook, PlaybookRun
from reviews.pages import playbooks, would_stop
from reviews.pages.containment_views import LONGEST, incident_of
from reviews.pages.signed_views import act as act_on
from reviews.pages.signed_views import signing
from reviews.policy_document import DocumentError
from reviews.views import user_of

RUN = re.compile(r"PLAY-0*(\d{1,15})")
CHOICE = re.compile(r"([a-z0-9-]{1,60})/(\d{1,9})")
TEXTS = ("playbook", "credential", "others", "reason", "digest", "request_key")


def playbook_of(slug: str, version: int) -> Playbook:
    """One version of a playbook."""
    return get_object_or_404(Playbook, slug=slug, version=version)


def run_of(user: User, key: str, run: str) -> PlaybookRun:
    """A run in an incident that this user sees; anything else is absent."""
    case, found = incident_of(user, key), RUN.fullmatch(run)
    if found is None:
        raise Http404("no run of this key")
    rows = PlaybookRun.objects.filter(case=case).select_related("playbook", "credential")
    row = get_object_or_404(rows, number=int(found[1]))
    row.case = case
    return row


@require_GET
@login_required
def playbook_list(request: HttpRequest) -> HttpResponse:
    context = playbooks.catalogue(user_of(request), now=timezone.now())
    return page(request, "playbooks.html", context)


@require_GET
@login_required
def playbook_page(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    row = playbook_of(slug, version)
    context = playbooks.version(row, user_of(request), now=timezone.now())
    return page(request, "playbook.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def playbook_new(request: HttpRequest) -> HttpResponse:
    now, user = timezone.now(), user_of(request)
    context = playbooks.proposal(user, now=now)
    if request.method == "GET":
        slug = request.GET.get("slug", "")[:60].replace("\0", "")
        form = PlaybookForm(initial={"slug": slug, "document": playbooks.starting(slug)})
        return page(request, "playbook_new.html", context | {"form": form})
    form, problem = PlaybookForm(request.POST), dict[str, Any]()
    if form.is_valid():
        said = form.cleaned_data
        try:
            row = actions.propose(
                slug=said["slug"], text=said["document"], reason=said["reason"], by=user, now=now
            )
        except DocumentError as wrong:
            problem = {"problems": wrong.problems}
        except (NotAllowed, NotPossible) as refused:
            problem = {"problem": str(refused)}
        else:
            messages.success(request, f"{row} is proposed: a second person signs it.")
            return redirect(row.url)
    return page(request, "playbook_new.html", context | problem | {"form": form}, status=400)


playbook_sign = signing(
    "playbook",
    playbook_of,
    rights.why_not_sign_playbook,
    actions.sign,
    "{} can be run from now on.",
)
playbook_refuse = act_on("playbook", playbook_of, actions.refuse, "{} is refused.", "reason")
playbook_end = act_on("playbook", playbook_of, actions.end, "{} is out of use.", "reason")


# --- Running one ---------------------------------------------------------------------------------


def said_by(request: HttpRequest) -> dict[str, str]:
    """What the form of a run says, bounded."""
    return {name: request.POST.get(name, "")[:LONGEST].replace("\0", "") for name in TEXTS}


def chosen_playbook(said: str) -> Playbook:
    """The playbook that is named as slug/version; NotPossible where there is none."""
    found = CHOICE.fullmatch(said)
    row = (
        None
        if found is None
        else Playbook.objects.filter(slug=found[1], version=int(found[2])).first()
    )
    if row is None:
        raise NotPossible("Choose a playbook.")
    return row


def chosen_by(credential: str, others: list[str], user: User) -> Chosen:
    """What a person names for a run; NotPossible names what stands for nothing."""
    now = timezone.now()
    key = None
    if credential:
        (wanted,) = targets.chosen([credential], user, now=now)
        key = wanted.credential
        if key is None:
            raise NotPossible(f"{credential[:80]} is no credential.")
    names = list(dict.fromkeys(others))
    those = targets.chosen(names, user, now=now) if names else []
    for one in those:
        if one.credential is not None or one.delegation is not None:
            raise NotPossible(f"{one.key} is no identity: name identities here.")
    return Chosen(key, tuple(one.identity for one in those))


def tried(playbook: Playbook, case: Case, chosen: Chosen, user: User) -> tuple[list[Any], Foreseen]:
    """What it would do now, step by step, and what is signed of it."""
    now = timezone.now()
    plan = running.plan(playbook, case, chosen, now=now)
    found = would_stop.look_at_run(plan, case, user, now=now)
    return found, would_stop.of_run(found)


@require_http_methods(["GET", "POST"])
@login_required
def playbook_run_new(request: HttpRequest, key: str) -> HttpResponse:
    """The form; sent, what it would do. Nothing is saved."""
    user, now = user_of(request), timezone.now()
    case = incident_of(user, key)
    if request.method == "GET":
        said = {"playbook": request.GET.get("playbook", "")[:80]}
        context = playbooks.run_new(case, user, said, now=now)
        return page(request, "playbook_run_new.html", context)
    said, found, foreseen, problem = said_by(request), None, Foreseen(), ""
    try:
        playbook = chosen_playbook(said["playbook"])
        chosen = chosen_by(said["credential"], _names(said), user)
        found, foreseen = tried(playbook, case, chosen, user)
    except (NotAllowed, NotPossible) as refused:
        problem = str(refused)
    context = playbooks.run_new(
        case, user, said, found, digest=foreseen.digest, problem=problem, now=now
    )
    return page(request, "playbook_run_new.html", context, status=409 if problem else 200)


def _names(said: dict[str, str]) -> list[str]:
    return [one.strip() for one in said["others"].splitlines() if one.strip()]


def does_of(said: str) -> frozenset[str]:
    """What the playbook that is named does, for who may; the least where there is none such."""
    try:
        return actions.document_of(chosen_playbook(said[:80])).does
    except NotPossible:
        return frozenset({"hold"})


def _why_not(request: HttpRequest, key: str) -> str | None:
    user = user_of(request)
    does = does_of(request.POST.get("playbook", ""))
    return rights.why_not_run(user, incident_of(user, key), does, now=timezone.now())


@require_POST
@login_required
@permitted_first(_why_not)
def playbook_run_sign(request: HttpRequest, key: str) -> HttpResponse:
    user, now = user_of(request), timezone.now()
    case, said, found, foreseen = incident_of(user, key), said_by(request), None, Foreseen()
    try:
        playbook = chosen_playbook(said["playbook"])
        chosen = chosen_by(said["credential"], _names(said), user)
        found, foreseen = tried(playbook, case, chosen, user)
        before = PlaybookRun.objects.filter(
            case=case, signed_by=user, request_key=said["request_key"]
        )
        if not before.exists():
            would_stop.same_as_shown(foreseen, said["digest"])
        row = running.run(
            playbook=playbook,
            case=case,
            chosen=chosen,
            reason=said["reason"],
            request_key=said["request_key"],
            foreseen=foreseen,
            by=user,
            now=now,
        )
    except NotPossible as refused:
        context = playbooks.run_new(
            case, user, said, found, digest=foreseen.digest, problem=str(refused), now=now
        )
        return page(request, "playbook_run_new.html", context, status=409)
    messages.success(request, f"{row.key} runs: each step below says how far it is.")
    return redirect("playbook_run", key=case.key, run=row.key)


@require_GET
@login_required
def playbook_run(request: HttpRequest, key: str, run: str) -> HttpResponse:
    user = user_of(request)
    context = playbooks.run(run_of(user, key, run), user, now=timezone.now())
    return page(request, "playbook_run.html", context, part="run_steps")


@require_POST
@login_required
def playbook_run_stop(request: HttpRequest, key: str, run: str) -> HttpResponse:
    user = user_of(request)
    row = run_of(user, key, run)
    running.stop(run=row, reason=request.POST.get("reason", ""), by=user, now=timezone.now())
    messages.success(request, f"{row.key} is stopped: what was asked for stays as it is.")
    return redirect("playbook_run", key=row.case.key, run=row.key)
