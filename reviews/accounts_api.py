"""Break-glass accounts: to read, to make, seal and end, and to look back at a use.

Codes are in the answer that makes them and nowhere again.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identities.api.doors import door
from identities.api.identities import user_of
from identities.api.serializers import Reason, checked
from identities.models import User
from identities.permissions import READERS, groups, require
from reviews import accounts
from reviews.accounts import making
from reviews.models import AccountUse, BreakGlassAccount
from reviews.models.accounts import USE_REVIEWS
from reviews.pages import accounts as pages
from reviews.pages.account_views import NO_READER

MOST = 200


class LookIn(serializers.Serializer[Any]):
    """What a use was, and whether it matched its reason."""

    kind = serializers.ChoiceField(choices=USE_REVIEWS)
    words = serializers.CharField(allow_blank=True, default="")


class BreakGlassAccountIn(serializers.Serializer[Any]):
    """A login, its roles, where its codes will lie, and the login of the person whose it is, if any."""

    username = serializers.CharField(max_length=150)
    roles = serializers.ListField(child=serializers.CharField(max_length=40), max_length=10)
    kept = serializers.CharField(max_length=making.LONGEST_KEPT)
    second_of = serializers.CharField(max_length=150, allow_blank=True, default="")


class EndIn(serializers.Serializer[Any]):
    """Why it ends."""

    reason = Reason()


def account_as_data(row: BreakGlassAccount) -> dict[str, Any]:
    """An account of `pages.rows` as JSON."""
    counted = {name: getattr(row, name) for name in ("left", "last")}
    return {
        "id": str(row.pk),
        "account": row.user.username,
        "kept": row.kept,
        "codes_left": counted["left"],
        "last_used_at": counted["last"],
        "made_at": row.made_at,
        "ended_at": row.ended_at,
    }


def use_as_data(use: AccountUse) -> dict[str, Any]:
    """A use as JSON."""
    return {
        "use": use.key,
        "account": use.account.user.username,
        "at": use.at,
        "means": use.means,
        "address": use.address,
        "who": use.who,
        "why": use.why,
        "review": use.review,
        "review_words": use.review_words,
        "reviewed_at": use.reviewed_at,
        "reviewed_by": use.reviewed_by_name,
    }


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["break-glass"])
@door({"GET": "read"})
def all_accounts(request: Request) -> Response:
    """All accounts, and their uses, the newest first: the last 200."""
    require(None if READERS & groups(user_of(request)) else NO_READER)
    uses = AccountUse.objects.select_related("account__user").order_by("-at", "-pk")[:MOST]
    return Response(
        {
            "rows": [account_as_data(one) for one in pages.rows()],
            "uses": [use_as_data(one) for one in uses],
        }
    )


@extend_schema(request=BreakGlassAccountIn, responses=OpenApiTypes.OBJECT, tags=["break-glass"])
@door({"POST": "act"})
def new(request: Request) -> Response:
    """Make one: its codes are in this answer and nowhere again."""
    user, now = _administrator(request)
    said = dict(checked(BreakGlassAccountIn(data=request.data)))
    account, codes = accounts.make(**said, by=user, now=now)
    return Response(_codes(account, codes), status=201)


@extend_schema(request=None, responses=OpenApiTypes.OBJECT, tags=["break-glass"])
@door({"POST": "act"})
def seal(request: Request, pk: UUID) -> Response:
    """New codes: the old ones sign nobody in any more."""
    user, now = _administrator(request)
    account = get_object_or_404(BreakGlassAccount.objects.select_related("user"), pk=pk)
    return Response(_codes(account, accounts.seal(account=account, by=user, now=now)))


@extend_schema(request=EndIn, responses=OpenApiTypes.OBJECT, tags=["break-glass"])
@door({"POST": "act"})
def end(request: Request, pk: UUID) -> Response:
    """It signs in no more; never the last one."""
    user, now = _administrator(request)
    account = get_object_or_404(BreakGlassAccount, pk=pk)
    said = checked(EndIn(data=request.data))
    ended = accounts.end(account=account, **said, by=user, now=now)
    return Response({"account": ended.user.username, "ended_at": ended.ended_at})


def _administrator(request: Request) -> tuple[User, datetime]:
    user, now = user_of(request), timezone.now()
    require(accounts.why_not_administer_accounts(user, now=now))
    return user, now


def _codes(account: BreakGlassAccount, codes: list[str]) -> dict[str, Any]:
    return {"id": str(account.pk), "account": account.user.username, "codes": codes}


@extend_schema(request=LookIn, responses=OpenApiTypes.OBJECT, tags=["break-glass"])
@door({"POST": "act"})
def look_back(request: Request, pk: int) -> Response:
    """Say what a use was; somebody else than whose account it is."""
    rows = AccountUse.objects.select_related("account__user__person")
    use, now = get_object_or_404(rows, pk=pk), timezone.now()
    require(accounts.why_not_look_back(user_of(request), use, now=now))
    said = checked(LookIn(data=request.data))
    done = accounts.look_back(
        use=use, kind=said["kind"], words=said["words"], by=user_of(request), now=now
    )
    return Response(use_as_data(done))
