"""Pages and forms of review policies: each translates one request to one call."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from config.page import page
from evidence.parameters import whole
from identities import visible
from identities.permissions import NotAllowed, NotPossible, require
from reviews import policy_permissions
from reviews.actions import policy_versions
from reviews.models import ReviewPolicy
from reviews.pages import policies
from reviews.pages.signed_views import act, signing
from reviews.policy_document import DocumentError
from reviews.policy_forms import PolicyForm
from reviews.views import asked_of, user_of


def policy_of(slug: str, version: int) -> ReviewPolicy:
    found = policies.found(slug, version, now=timezone.now())
    if found is None:
        raise Http404("no such version of a policy")
    return found


@require_GET
@login_required
def policy_list(request: HttpRequest) -> HttpResponse:
    context = policies.all_policies(user_of(request), now=timezone.now())
    return page(request, "policies.html", context)


@require_GET
@login_required
def policy_page(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    row = policy_of(slug, version)
    context = policies.version(row, user_of(request), now=timezone.now())
    return page(request, "policy.html", context)


@require_GET
@login_required
def policy_identities(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    row = policy_of(slug, version)
    if not visible.sees_all(user_of(request)):
        raise Http404("the identities of a policy are shown to whoever sees all of them")
    context = policies.identities(row, asked_of(request), now=timezone.now())
    return page(request, "policy_identities.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def policy_new(request: HttpRequest) -> HttpResponse:
    now, user = timezone.now(), user_of(request)
    if request.method == "GET":
        name = request.GET.get("name", "")[:60].replace("\0", "") or policy_versions.POLICY
        events = request.GET.get("events", "") if name == policy_versions.POLICY else ""
        said = {"name": name, "document": policies.starting(name, events=events, now=now)}
        context = policies.proposal(user, name, now=now)
        return page(request, "policy_new.html", context | {"form": PolicyForm(initial=said)})
    form, tried = PolicyForm(request.POST), request.POST.get("act") != "propose"
    problem: dict[str, Any] = {}
    if form.is_valid():
        try:
            if not tried:
                row = _propose(request, form)
                messages.success(request, f"{row} is proposed: a second person signs it.")
                return redirect(row.url)
            problem = _tried(request, form)
        except DocumentError as wrong:
            problem = {"problems": wrong.problems}
        except (NotAllowed, NotPossible) as refused:
            problem = {"problem": str(refused)}
    name = request.POST.get("name", "")[:60].replace("\0", "")
    context = policies.proposal(user, name, now=now, began=_began(request, name)) | problem
    status = 200 if "dry_run" in problem else 400
    return page(request, "policy_new.html", context | {"form": form}, status=status)


def _began(request: HttpRequest, name: str) -> int:
    """The version of this policy that stood in the form when it was opened; 0: none, or another's."""
    same = request.POST.get("began_name", "") == " ".join(name.lower().split())
    return (whole(request.POST.get("began", "")) or 0) if same else 0


def _propose(request: HttpRequest, form: PolicyForm) -> ReviewPolicy:
    said = form.cleaned_data
    return policy_versions.propose(
        name=said["name"],
        text=said["document"],
        reason=said["reason"],
        by=user_of(request),
        now=timezone.now(),
        based_on=_began(request, said["name"]),
    )


def _tried(request: HttpRequest, form: PolicyForm) -> dict[str, Any]:
    """What the document says and would do; nothing is saved."""
    now = timezone.now()
    require(policy_permissions.why_not_propose_policy(user_of(request), now=now))
    name = policy_versions.named(form.cleaned_data["name"])
    _, document = policy_versions.checked(form.cleaned_data["document"], name=name, now=now)
    return policies.tried(document, name, user_of(request), now=now)


policy_sign = signing(
    "policy",
    policy_of,
    policy_permissions.why_not_sign_policy,
    policy_versions.sign,
    "{} is in force for what is opened from now on.",
)
policy_refuse = act("policy", policy_of, policy_versions.refuse, "{} is refused.", "reason")
