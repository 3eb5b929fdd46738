"""Which acts of the API decide, and who may: a person who has just confirmed who they are.

Owns the table of the acts that decide nothing, which a token may do as well, and the one question
that the door asks. What is not in the table decides: it grants, cuts, hides, frames or attests. Must
not know who may do what (identities/permissions.py).
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

from rest_framework.exceptions import APIException
from rest_framework.request import Request

from identities.confirming import before_writing, has_confirmed, require_a_way
from identities.models import ApiToken, User
from identities.permissions import NotAllowed, PersonRequired

# What decides nothing, and why; acts by the names of their addresses without `api_`.
NOTHING: Mapping[str, str] = {
    "asks people, who sign what comes of it": "open_review request_access resume break_glass"
    " break_glass_longer campaigns campaign_launch campaign_reiterate incident_review",
    "proposes what another person signs or accepts": "policies hold_rules playbooks sealed"
    " register people identity_hand_over deposit_erase",
    "is work in an incident or on a finding, or words, under a name": "incidents incident_lessons incident_ask"
    " incident_take_up incident_task incident_end_task timeline comment break_glass_ticket"
    " break_glass_explain event_pin finding_assign case_pin",
    "keeps a copy": "incident_freeze",
    "asks a system for what it has, or tries a way": "source_check source_pull inventory_read"
    " signal_test",
    "does what was decided before, or gives back what is one's own": "grant_credentials"
    " grant_retry revocation_retry break_glass_give_back",
}
UNDECIDED = frozenset(act for acts in NOTHING.values() for act in acts.split())
# These change nothing where their body says `dry_run: true`.
TRIED = (
    "cascade",
    "batches",
    "confirm_by_rule",
    "containment",
    "playbook_runs",
    "person",
    "mappings",
)
# The acts that a signed policy may let tokens do (`api` of the policy "access review"), and which
# member of the body says that an act is of this kind; "" where the address says it.
BY_POLICY: Mapping[str, Mapping[str, str]] = {
    "hold": {"revocations": "step", "cascade": "step", "batches": "step", "containment": "does"},
    "cut_off": {"break_glass_cut_off": ""},
}
CONFIRM = "Confirm who you are first, at /accounts/reauthenticate/."
NO_TOKEN = "A token decides nothing: a person does this, signed in."  # noqa: S105 - no secret
NOT_BY_POLICY = (
    "A token may {kind} only where a signed policy says so: propose a version of the policy"
    ' "access review" with "api": ["{kind}"], or do it signed in.'
)


# Which signed policy lets tokens do acts of this kind, "" for none: reviews says it.
allowed_by: Callable[[str], str] = lambda _kind: ""  # noqa: E731 - replaced by reviews/apps.py


def decided_by_person(request: Request) -> AbstractContextManager[None]:
    """In which the view of an act runs: PersonRequired for a token, unless the act decides nothing
    or a policy allows it, which stays named on the request. A session whose person has not confirmed
    lately gets as far as its first write (identities/confirming.py)."""
    act = _act(request)
    if act in UNDECIDED or _tried(request, act):
        return nullcontext()
    if not isinstance(request.auth, ApiToken):
        fresh = has_confirmed(cast("User", request.user), request._request)
        return nullcontext() if fresh else before_writing()
    kind = _kind(request, act)
    policy = allowed_by(kind) if kind else ""
    if not policy:
        raise PersonRequired(NOT_BY_POLICY.format(kind=kind) if kind else NO_TOKEN)
    request._request.META["countersign.allowed_by"] = policy
    return nullcontext()


def reason_of(request: Request, reason: str) -> str:
    """The reason that is kept, with the policy that let a token do it."""
    policy = request._request.META.get("countersign.allowed_by")
    return f"{reason} (by API, allowed by {policy})" if policy and reason.strip() else reason


def confirmed(request: Request) -> None:
    """A token is nobody's hand; a session counts while its person has confirmed it lately."""
    if isinstance(request.auth, ApiToken):
        raise PersonRequired(NO_TOKEN)
    if not has_confirmed(cast("User", request.user), request._request):
        raise NotAllowed(how_to_confirm(request))


def how_to_confirm(request: Request) -> str:
    """What a person does before this counts, or why their login can confirm nothing."""
    try:
        require_a_way(cast("User", request.user), request._request)
    except NotAllowed as problem:
        return str(problem)
    return CONFIRM


def _act(request: Request) -> str:
    match = request._request.resolver_match
    return str(match.url_name if match is not None else "").removeprefix("api_")


def _kind(request: Request, act: str) -> str:
    """Which of the kinds that a policy may allow this is; "" for none of them."""
    for kind, acts in BY_POLICY.items():
        if act in acts and (not acts[act] or _body(request).get(acts[act]) == kind):
            return kind
    return ""


def _tried(request: Request, act: str) -> bool:
    """Whether it only tries out, looks ahead or asks: nothing but JSON's `true` says so."""
    if act in TRIED and _body(request).get("dry_run") is True:
        return True
    # Both seats are asked; a rule of claims without the digest of what it covers is a preview.
    return (act == "containment" and _body(request).get("both_seats") is True) or (
        act == "claim_rule" and _body(request).get("digest", "") == ""
    )


def _body(request: Request) -> Mapping[str, Any]:
    """The body, empty where it cannot be read: its view says so."""
    try:
        return request.data if isinstance(request.data, Mapping) else {}
    except APIException:
        return {}
