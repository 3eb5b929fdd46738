"""The wire of RFC 8628: a client asks for a sign-in, shows its code, and polls for its token.

Owns the form bodies and the answers' members. What a sign-in may do is actions/grants/elsewhere's;
who enters the code does so on a page (pages/elsewhere_views.py).
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import (
    api_view,
    authentication_classes,
    parser_classes,
    permission_classes,
)
from rest_framework.parsers import FormParser
from rest_framework.request import Request
from rest_framework.response import Response

from identities.actions.grants import elsewhere
from identities.permissions import NotPossible
from reviews.accounts import address_of


def _answer(data: dict[str, Any], status: int = 200) -> Response:
    return Response(data, status=status, headers={"Pragma": "no-cache"})


def _problem(code: str, words: str, status: int = 400) -> Response:
    return _answer({"error": code, "error_description": words}, status)


def _said(request: Request, name: str) -> str:
    return str(request.data.get(name, ""))[:500] if isinstance(request.data, Mapping) else ""


@extend_schema(request=OpenApiTypes.OBJECT, responses=OpenApiTypes.OBJECT, tags=["grants"])
@api_view(["POST"])
@authentication_classes([])
@permission_classes([])
@parser_classes([FormParser])
def begin(request: Request) -> Response:
    """Device authorization: ``client_id``, ``scope=grant:GRT-12``, and what the client calls itself.

    The same for a grant that exists and for one that does not.
    """
    if _said(request, "client_id") != elsewhere.CLIENT:
        return _problem("invalid_client", f"client_id is {elsewhere.CLIENT}.")
    _, _, wanted = _said(request, "scope").partition(f"{elsewhere.SCOPE}:")
    try:
        row, device = elsewhere.begin(
            asked_for=wanted,
            client=_said(request, "client_name"),
            address=address_of(request._request),
            now=timezone.now(),
        )
    except elsewhere.TooMany as problem:
        answer = _problem("temporarily_unavailable", str(problem), 429)
        answer.headers["Retry-After"] = "60"
        return answer
    except NotPossible as problem:
        return _problem("invalid_scope", str(problem))
    page = f"{settings.BASE_URL}/device/"
    return _answer(
        {
            "device_code": device,
            "user_code": elsewhere.shown(row.code),
            "verification_uri": page,
            "verification_uri_complete": f"{page}?code={elsewhere.shown(row.code)}",
            "expires_in": int(elsewhere.LASTS.total_seconds()),
            "interval": elsewhere.INTERVAL,
        }
    )


@extend_schema(request=OpenApiTypes.OBJECT, responses=OpenApiTypes.OBJECT, tags=["grants"])
@api_view(["POST"])
@authentication_classes([])
@permission_classes([])
@parser_classes([FormParser])
def token(request: Request) -> Response:
    """The token of a sign-in, once: ``grant_type``, ``device_code``, ``client_id``."""
    if _said(request, "client_id") != elsewhere.CLIENT:
        return _problem("invalid_client", f"client_id is {elsewhere.CLIENT}.")
    if _said(request, "grant_type") != elsewhere.GRANT_TYPE:
        return _problem("unsupported_grant_type", f"grant_type is {elsewhere.GRANT_TYPE}.")
    now = timezone.now()
    try:
        secret, row = elsewhere.token(_said(request, "device_code"), now=now)
    except elsewhere.Refused as refused:
        return _problem(refused.code, str(refused))
    return _answer(
        {
            "access_token": secret,
            "token_type": "Bearer",
            "expires_in": max(0, int((row.expires_at - now).total_seconds())),
            "scope": f"{elsewhere.SCOPE}:{row.grant.key}" if row.grant else "",
        }
    )
