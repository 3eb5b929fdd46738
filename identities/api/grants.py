"""Grants of break-glass for scripts: what is given, and a short-lived credential for its holder.

Owns the wire. The answer to taking one holds a secret: it is never kept, here nor on the way.
"""

import re
from typing import Any

from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from identities.actions import grants
from identities.actions.grants import minting, rights
from identities.models import ApiToken, Grant, User
from identities.permissions import require

from .deciding import confirmed
from .doors import PAGED, door, page_of
from .identities import user_of

SIGN_IN = (
    "Your login can sign in, so an API token takes no credentials of a grant: call"
    " countersign_credentials.py without COUNTERSIGN_TOKEN_FILE, and sign in when it asks."
)
GRT = re.compile(r"GRT-0*(\d{1,15})")


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["grants"])
@door({"GET": "read"}, asks=PAGED)
def many(request: Request) -> Response:
    """Your grants, or all where you see everything: the newest first."""
    limit, after = page_of(request)
    rows = rights.visible_to(user_of(request)).prefetch_related("sessions").order_by("-number")
    if after is not None:
        rows = rows.filter(number__lt=after)
    found = list(rows[:limit])
    shown = grants.seen(found, now=timezone.now())
    last = found[-1].number if len(found) == limit else None
    return Response({"rows": [as_data(one) for one in shown], "after": last})


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["grants"])
@door({"GET": "read"})
def one(request: Request, key: str) -> Response:
    """Where one grant stands."""
    row = grant_of(user_of(request), key)
    (shown,) = grants.seen([row], now=timezone.now())
    return Response(as_data(shown))


@extend_schema(request=None, responses=OpenApiTypes.OBJECT, tags=["grants"])
@door({"POST": "act"}, of_grant=True)
def credentials(request: Request, key: str) -> Response:
    """A credential for the holder, which ends with the grant at the latest.

    Who can sign in has done so for this: in this browser just now, or for the client that asks
    (/device/authorization/). A token of scripts is for logins that nobody can sign in with.
    """
    user, now = user_of(request), timezone.now()
    row = grant_of(user, key)
    require(rights.why_not_take(user, row, now=now))
    if not isinstance(request.auth, ApiToken):
        confirmed(request)
    require(_why_not_this_token(request, row))
    minted = minting.mint(row.pk, by=user, now=now)
    return Response(dict(minted.document))


@extend_schema(request=None, responses=OpenApiTypes.OBJECT, tags=["grants"])
@door({"POST": "act"})
def retry(request: Request, key: str) -> Response:
    """Try again what failed, after whoever had to act did."""
    user, now = user_of(request), timezone.now()
    row = grant_of(user, key)
    require(rights.why_not_retry(user, row))
    grants.retry(row.pk, by=user, now=now)
    (shown,) = grants.seen([grant_of(user, key)], now=now)
    return Response(as_data(shown), status=202)


def _why_not_this_token(request: Request, row: Grant) -> str | None:
    if not isinstance(request.auth, ApiToken):
        return None
    if request.auth.grant_id is not None:
        other = "This token is for another grant: sign in for this one."
        return None if request.auth.grant_id == row.pk else other
    # Django takes an empty password for one that can be used.
    ways = get_reauthentication_flows(user_of(request))
    if not user_of(request).password:
        ways = [one for one in ways if one["id"] != "reauthenticate"]
    return SIGN_IN if ways else None


def grant_of(user: User, key: str) -> Grant:
    """One that this user holds, or sees everything of; anything else is absent."""
    number = GRT.fullmatch(key)
    rows = rights.visible_to(user).prefetch_related("sessions")
    row = rows.filter(number=int(number[1])).first() if number else None
    if row is None:
        raise Http404("no grant of this key")
    return row


def as_data(one: grants.GrantSeen) -> dict[str, Any]:
    """A grant as JSON: times in ISO 8601, sessions by their public names."""
    row = one.grant
    return {
        "grant": one.key,
        "case": row.case_key,
        "identity": row.delegation.grantee.key,
        "delegation": row.delegation.key,
        "person": one.person,
        "system": row.system,
        "account": row.account,
        "kind": row.kind,
        "name": row.name,
        "permissions": row.permissions,
        "words": one.words,
        "state": one.state,
        "said": one.sentence,
        "must_act": one.must_act,
        "starts_at": one.starts_at.isoformat(),
        "ends_at": one.ends_at.isoformat(),
        "allows": one.allows,
        "ends_only_while_running": one.only_while_running,
        "residual": one.residual,
        "sessions": [
            {
                "name": session["name"],
                "credential": session["credential"],
                "minted_at": session["minted_at"].isoformat(),
                "lives_until": session["lives_until"].isoformat(),
            }
            for session in one.sessions
        ],
        "proof": row.proof,
    }
