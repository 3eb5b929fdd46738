"""Whether a login can confirm that it is its person's, before what it decides counts.

Owns the one refusal of a login that could confirm nothing: allauth lets such a one pass; here it
passes in the demo only.
"""

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from identities.models import User
from identities.permissions import NotAllowed

SEALED_CODE = "sealed_code"
ANOTHER_CODE = (
    "Your sealed code was used too long ago to confirm this: sign out, and come in with another one"
    " at /break-glass/sign-in/, or add a passkey next time you are in."
)
NOTHING_TO_CONFIRM = (
    "This login has neither password nor second factor, so nothing can confirm that it is you:"
    " set one up first."
)


def require_a_way(user: User, request: HttpRequest) -> None:
    """NotAllowed for a login that could confirm nothing, outside the demo.

    A sealed code (reviews/accounts) has confirmed it just now, and only just now.
    """
    if settings.DEMO or get_reauthentication_flows(user):
        return
    records = get_authentication_records(request, user)
    if not records or records[-1].get("method") != SEALED_CODE:
        raise NotAllowed(NOTHING_TO_CONFIRM)
    if timezone.now().timestamp() - records[-1]["at"] >= settings.ACCOUNT_REAUTHENTICATION_TIMEOUT:
        raise NotAllowed(ANOTHER_CODE)
