"""Pages and forms of links of actors to identities: each translates one request to one call."""

from datetime import datetime
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from config.page import page
from identities import visible
from identities.actions.bindings import foreseeing, linking
from identities.models import Binding, LinkProposal, ProposedChange
from identities.permissions import NotAllowed, NotPossible
from identities.reasons import LONGEST_REASON
from reviews.pages import linked
from reviews.pages.lists import named
from reviews.views import asked_of, user_of


def _reason(request: HttpRequest) -> str:
    return request.POST.get("reason", "")[: LONGEST_REASON + 1].replace("\0", "")


def _proposal(request: HttpRequest, pk: UUID) -> LinkProposal:
    rows = visible.link_proposals(user_of(request), now=timezone.now())
    return get_object_or_404(
        rows.select_related("identity__service", "other__service", "actor"), pk=pk
    )


@require_GET
@login_required
def link_list(request: HttpRequest) -> HttpResponse:
    """Links that wait for a signature; with `identity`, that identity's links."""
    user, now, key = user_of(request), timezone.now(), asked_of(request).get("identity", "")
    identity = named(user, key, now=now) if key else None
    return page(request, "links.html", linked.listed(user, identity, now=now))


@require_http_methods(["GET", "POST"])
@login_required
def link_new(request: HttpRequest) -> HttpResponse:
    """What links change. Nothing is saved."""
    user, now = user_of(request), timezone.now()
    form = request.POST if request.method == "POST" else request.GET
    asked = linked.wanted(form, user, now=now)
    return _new(request, asked, now=now)


def _new(
    request: HttpRequest,
    asked: linked.Wanted,
    *,
    now: datetime,
    reason: str = "",
    problem: str = "",
) -> HttpResponse:
    """The page that says what links change, or why they cannot be."""
    user, changes = user_of(request), None
    try:
        changes = foreseeing.look(asked.links, by=user, now=now)
    except NotPossible as refused:
        problem = str(refused)
    context = linked.new(asked, changes, user, reason=reason, problem=problem, now=now)
    return page(request, "link_new.html", context, status=409 if problem else 200)


@require_POST
@login_required
def link_make(request: HttpRequest) -> HttpResponse:
    """Make links or take them back; shown again where something else would change by now."""
    user, now, reason = user_of(request), timezone.now(), _reason(request)
    asked = linked.wanted(request.POST, user, now=now)
    was = request.POST.get("digest", "")[:64]
    try:
        done = linking.act(asked.links, by=user, now=now, reason=reason, was=was)
    except linking.Changed as problem:
        context = linked.new(
            asked, problem.changes, user, reason=reason, problem=str(problem), now=now
        )
        return page(request, "link_new.html", context, status=409)
    except NotPossible as problem:
        return _new(request, asked, now=now, reason=reason, problem=str(problem))
    for link, row in zip(asked.links, done, strict=True):
        name = link.actor.value[:120]
        if isinstance(row, Binding):
            messages.success(request, f"{name} is {link.identity.name}.")
        elif isinstance(row, ProposedChange):
            messages.info(request, f"{name}: a second person signs {row} first.")
        elif isinstance(row, list):
            messages.success(request, f"{name}: {linking.waits_for(row)}.")
        else:
            messages.error(request, f"{name}: {row}")
    ends = asked.links[0].ends
    return redirect(f"/links/?identity={asked.links[0].identity.key}" if ends else "/unclaimed/")


@require_GET
@login_required
def link_proposal(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A link that waits, and what signing it changes."""
    row, user, now = _proposal(request, pk), user_of(request), timezone.now()
    changes, problem = None, ""
    try:
        changes = linking.foresee(row, by=user, now=now)
    except NotAllowed:
        pass  # the page says why the form is not there
    except NotPossible as refused:
        problem = str(refused)
    context = linked.proposal(row, user, changes, now=now, problem=problem)
    return page(request, "link_proposal.html", context)


@require_POST
@login_required
def link_sign(request: HttpRequest, pk: UUID) -> HttpResponse:
    row, user, now = _proposal(request, pk), user_of(request), timezone.now()
    many = len(linking.together(row, by=user, now=now))
    try:
        made = linking.sign(row=row, by=user, now=now, was=request.POST.get("digest", "")[:64])
    except linking.Changed as problem:
        context = linked.proposal(row, user, problem.changes, now=now, problem=str(problem))
        return page(request, "link_proposal.html", context, status=409)
    waits = "" if made else " Others sign it too: until then nothing changes."
    also = f", and {many - 1:,} proposed with it" if many > 1 else ""
    messages.success(request, f"You signed that {row}{also}.{waits}")
    return redirect("link_list")


@require_POST
@login_required
def link_refuse(request: HttpRequest, pk: UUID) -> HttpResponse:
    row = _proposal(request, pk)
    linking.refuse(row=row, by=user_of(request), now=timezone.now(), reason=_reason(request))
    messages.success(request, f"It is refused that {row}.")
    return redirect("link_list")
