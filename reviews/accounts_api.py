"""Break-glass accounts for scripts: to read, and to look back at a use. Codes are made on the pages
and by manage.py alone."""

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identities.api.doors import door
from identities.api.identities import user_of
from identities.api.serializers import checked
from identities.permissions import READERS, groups, require
from reviews import accounts
from reviews.models import AccountUse, BreakGlassAccount
from reviews.models.accounts import USE_REVIEWS
from reviews.pages import accounts as pages
from reviews.pages.account_views import NO_READER

MOST = 200


class LookIn(serializers.Serializer[Any]):
    """What a use was, and whether it matched its reason."""

    kind = serializers.ChoiceField(choices=USE_REVIEWS)
    words = serializers.CharField(allow_blank=True, default="")


def account_as_data(row: BreakGlassAccount) -> dict[str, Any]:
    """An account of `pages.rows` as JSON."""
    counted = {name: getattr(row, name) for name in ("left", "last")}
    return {
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
