"""Whether somebody has just confirmed who they are, before what they decide counts.

Owns the table of the pages whose acts decide nothing: every other page asks at the first row that
it would change. allauth does the asking: it keeps the form, asks for password, code or passkey, and
goes on. What an act of the API asks is identities/api/deciding.py's, and a test holds both alike.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.reauthentication import suspend_request
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import Resolver404, resolve
from django.utils.http import urlencode

from identities.confirming import has_confirmed, require_a_way
from identities.models import User
from identities.permissions import require

# What decides nothing, and why; pages by the names of their addresses.
NOTHING: Mapping[str, str] = {
    "asks people, who sign what comes of it": "open_review request_new identity_resume"
    " break_glass_new break_glass_longer campaign_new campaign_launch campaign_reiterate"
    " room_review containment_ask",
    "proposes what another person signs or accepts": "policy_new hold_rule_new playbook_new"
    " sealed_new identity_hand_over deposit_erase",
    "is work in an incident or on a finding, or words, under a name": "incident_new room_lessons"
    " room_ask room_take_up room_task room_end_task timeline_mark case_comment break_glass_ticket"
    " break_glass_explain case_pin event_pin finding_assign",
    "keeps or takes a copy": "room_freeze events_freeze case_pack pack_take pack_file pack_transfer"
    " population_take",
    "does what was decided before, or gives back what is one's own": "grant_retry revocation_retry"
    " break_glass_give_back",
    "asks a system for what it has, or tries a way": "source_check source_pull inventory_read"
    " signal_test",
    "is a person's own, in their browser": "profile queue_outside sign_in_link break_glass_sign_in"
    " device_refuse",
    "takes what a machine sends, with a secret of its own": "device_authorization device_token"
    " evaluation otlp_traces",
}
UNDECIDED = frozenset(page for pages in NOTHING.values() for page in pages.split())
# Of others: the API asks at its own door, allauth at its own pages.
ASK_THEMSELVES = ("api_", "account_", "mfa_", "signals_", "styleguide")
AGAIN = "Confirm who you are, then send the file again: files are not kept meanwhile."
SENT_BY_SCRIPT = "Confirm who you are first, at {url}, then send the file again."


def must_confirm(request: HttpRequest) -> bool:
    """Whether this decides, and its person has not confirmed lately who they are."""
    # Doors for machines have no session, and none is looked for.
    if request.method != "POST" or settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return False
    if not decides(_name(request)) or not isinstance(request.user, User):
        return False
    return not has_confirmed(request.user, request)


def decides(name: str) -> bool:
    """Whether the act of this page takes a person who has confirmed who they are."""
    return bool(name) and name not in UNDECIDED and not name.startswith(ASK_THEMSELVES)


def ask(request: HttpRequest) -> HttpResponse:
    """Where it is confirmed; what was sent is sent again from there, but for a file."""
    require_a_way(cast("User", request.user), request)
    url = get_adapter().get_reauthentication_methods(request.user)[0]["url"]
    if "application/json" in request.headers.get("Accept", ""):
        return JsonResponse({"problem": SENT_BY_SCRIPT.format(url=url)}, status=403)
    if request.FILES:
        messages.warning(request, AGAIN)
        return HttpResponseRedirect(f"{url}?{urlencode({'next': request.path})}")
    answer: HttpResponse = suspend_request(request, url)
    return answer


def _name(request: HttpRequest) -> str:
    try:
        return str(resolve(request.path_info).url_name or "")
    except Resolver404:
        return ""


def always(request: HttpRequest) -> bool:
    """For allauth's decorator, on what calls another system or takes a file before it writes."""
    require_a_way(cast("User", request.user), request)
    return True


def permitted_first(
    why_not: Callable[..., str | None],
) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """A view whose refusal is said before anything of its form; `why_not` is called as the view is."""

    def wrap(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def permitted(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            require(why_not(request, *args, **kwargs))
            return view(request, *args, **kwargs)

        return permitted

    return wrap
