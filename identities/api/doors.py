"""Who asks, with which scope, and how the domain's errors are answered: one place for all.

Owns bearer tokens and the decorator `door`. Must not know what any view does.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import wraps
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.authentication import (
    BaseAuthentication,
    SessionAuthentication,
    get_authorization_header,
)
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, ValidationError
from rest_framework.permissions import SAFE_METHODS, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from evidence import parameters
from evidence.parameters import NOTHING, Known
from identities import permissions
from identities.actions.tokens import digest_of
from identities.confirming import ConfirmFirst
from identities.models import ApiToken, User
from identities.permissions import AUDITOR, NotAllowed, NotPossible, PersonRequired, groups
from identities.register import RegisterError

from .deciding import decided_by_person, how_to_confirm

# A token's last use is kept to the minute: one write a minute, not one a request.
USED_STEP = timedelta(minutes=1)
LONGEST_TOKEN = 200
# Whoever sends something with one of these wants to change something.
CHANGING = ("act", "declare")
# What `page_of` reads.
PAGED: Known = {"limit": (), "after": ()}


class BearerToken(BaseAuthentication):
    """``Authorization: Bearer cst_…``; the row is request.auth."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != b"bearer":
            return None
        if len(words) != 2 or len(words[1]) > LONGEST_TOKEN:
            raise AuthenticationFailed("Send one token: Authorization: Bearer <token>.")
        now = timezone.now()
        row = (
            ApiToken.objects.select_related("user", "user__person")
            .filter(
                digest=digest_of(words[1].decode("latin-1")),
                revoked_at__isnull=True,
                expires_at__gt=now,
                user__is_active=True,
            )
            .first()
        )
        if row is None:
            raise AuthenticationFailed("This token is not known, has ended or was revoked.")
        if row.used_at is None or row.used_at < now - USED_STEP:
            ApiToken.objects.filter(pk=row.pk).update(used_at=now)
        permissions.came_by_token(row.user)
        return row.user, row

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - named by DRF
        return 'Bearer realm="countersign"'


def door(
    scopes: Mapping[str, str],
    *,
    sessions: bool = True,
    asks: Known | None = NOTHING,
    of_grant: bool = False,
) -> Callable[[Callable[..., HttpResponseBase]], Callable[..., HttpResponse]]:
    """A function view for these methods, each with the scope a token needs for it.

    `sessions`: whether a signed-in browser may use it too (with its CSRF token). `asks`: what the
    address of a GET may ask for; whatever else it says is refused, so that nobody takes more for
    what they asked. None: the view refuses it itself.
    """

    def wrap(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def answered(request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
            wanted = scopes.get(request.method or "", "")
            bound = isinstance(request.auth, ApiToken) and request.auth.grant_id is not None
            if bound and not of_grant:
                raise PermissionDenied("This token is for the credentials of one grant alone.")
            if (
                isinstance(request.auth, ApiToken)
                and not bound
                and wanted not in request.auth.scopes
            ):
                raise PermissionDenied(f"This token lacks the scope {wanted}.")
            changes = request.method not in SAFE_METHODS and wanted in CHANGING
            if changes and _audits(request.user):
                raise PermissionDenied(AUDITOR)
            try:
                if request.method == "GET" and asks is not None:
                    parameters.checked(_said(request), asks)
                if wanted != "act" or request.method in SAFE_METHODS:
                    return view(request, *args, **kwargs)
                with decided_by_person(request):
                    return view(request, *args, **kwargs)
            except ConfirmFirst:
                return Response({"detail": how_to_confirm(request)}, status=403)
            except PersonRequired as problem:
                return Response({"detail": str(problem), "code": problem.code}, status=403)
            except NotAllowed as problem:
                return Response({"detail": str(problem)}, status=403)
            except NotPossible as problem:
                return Response({"detail": str(problem)}, status=409)
            except RegisterError as problem:
                rows = [{"path": path, "problem": what} for path, what in problem.problems]
                return Response({"detail": "Nothing was registered.", "problems": rows}, status=422)

        known: list[type[BaseAuthentication]] = [BearerToken]
        if sessions:
            known.append(SessionAuthentication)
        answered = permission_classes([IsAuthenticated])(answered)
        answered = authentication_classes(known)(answered)
        made: Callable[..., HttpResponse] = api_view(list(scopes))(
            answered  # type: ignore[arg-type]  # the stubs leave streamed answers out
        )
        return made

    return wrap


def _audits(user: object) -> bool:
    return isinstance(user, User) and "auditor" in groups(user)


def _said(request: Request) -> dict[str, str]:
    return {name: str(value)[:500] for name, value in request.query_params.items()}


def named(request: Request, member: str) -> str:
    """What the body names under this member, for the permission that is asked before the body is
    checked; "" where it names nothing."""
    body = request.data
    value = body.get(member) if isinstance(body, Mapping) else None
    return value if isinstance(value, str) else ""


def page_of(request: Request, *, most: int = 200) -> tuple[int, int | None]:
    """(limit, cursor) of a list: ``?limit=50&after=123``; 400 on what is no number."""
    try:
        limit = int(request.query_params.get("limit", 50))
        after = request.query_params.get("after")
        cursor = None if after in (None, "") else int(str(after))
    except ValueError:
        raise ValidationError("limit and after must be numbers.") from None
    if cursor is not None and not 0 <= cursor < 2**62:
        raise ValidationError("after is the last row's number of the page before.")
    return max(1, min(limit, most)), cursor
