"""Break-glass for scripts and agents: ask, look, sign, end. Siblings of the pages.

A token asks, gives back and explains; the rest a person does (identities/api/deciding.py).
"""

from collections.abc import Callable
from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identities.api.deciding import reason_of
from identities.api.doors import PAGED, door, named, page_of
from identities.api.identities import user_of
from identities.api.serializers import Reason, checked
from identities.models import User
from identities.permissions import NotPossible, require
from reviews import second_factor
from reviews.api import case_of
from reviews.break_glass import (
    answering,
    asking,
    bundles,
    bypassing,
    ending,
    on_call,
    reviewing,
    rights,
)
from reviews.models import BreakGlass, Case
from reviews.models.break_glass import REVIEWS
from reviews.pages.break_glass_data import as_data
from reviews.pages.break_glass_lists import row_of, rows_of


class _Patterns(serializers.ListField):
    def __init__(self) -> None:
        text = serializers.CharField(max_length=1_024)
        super().__init__(child=text, required=False, default=list, max_length=100)


class AskIn(serializers.Serializer[Any]):
    """Ask for a bundle; `identity`: who acts with it, `on_behalf`: for whom."""

    bundle = serializers.CharField(max_length=60)
    minutes = serializers.IntegerField(min_value=1)
    reason = Reason()
    fields_of_reason = serializers.DictField(
        child=serializers.CharField(max_length=500), required=False, default=dict
    )
    identity = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    on_behalf = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    actions = _Patterns()
    resources = _Patterns()
    ticket = serializers.CharField(required=False, default="", allow_blank=True, max_length=100)
    starts_at = serializers.DateTimeField(required=False, default=None, allow_null=True)
    incident = serializers.CharField(required=False, default="", allow_blank=True, max_length=20)
    drill = serializers.BooleanField(required=False, default=False)


class ApproveIn(serializers.Serializer[Any]):
    """A signature on what was read, perhaps for less."""

    digest = serializers.CharField(max_length=64)
    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=2_000)
    minutes = serializers.IntegerField(required=False, default=None, allow_null=True, min_value=1)
    actions = _Patterns()
    resources = _Patterns()


class ReasonIn(serializers.Serializer[Any]):
    """Why."""

    reason = Reason()


class NothingIn(serializers.Serializer[Any]):
    """Nothing more has to be said."""


class LongerIn(serializers.Serializer[Any]):
    """How much longer, and why."""

    minutes = serializers.IntegerField(min_value=1)
    reason = Reason()


class TicketIn(serializers.Serializer[Any]):
    """The ticket that was promised."""

    ticket = serializers.CharField(max_length=100)


class ExplainIn(serializers.Serializer[Any]):
    """What was done, and why."""

    words = Reason()


class ReviewIn(serializers.Serializer[Any]):
    """What it was; `read`: the digest of the comparison that was read."""

    kind = serializers.ChoiceField(choices=list(REVIEWS))
    words = Reason()
    follow_ups = serializers.ListField(
        child=serializers.CharField(max_length=500), required=False, default=list, max_length=20
    )
    read = serializers.CharField(max_length=64)


type WhyNot = Callable[..., str | None]
# act: what does it, what it takes, and who may.
ACTS: dict[str, tuple[Callable[..., Case], type[serializers.Serializer[Any]], WhyNot]] = {
    "approve": (answering.approve, ApproveIn, rights.why_not_answer),
    "deny": (answering.deny, ReasonIn, rights.why_not_answer),
    "send-back": (answering.send_back, ReasonIn, rights.why_not_answer),
    "look": (answering.acknowledge, NothingIn, rights.why_not_answer),
    "vouch": (bypassing.vouch, ReasonIn, rights.why_not_vouch),
    "bypass": (bypassing.bypass, ReasonIn, rights.why_not_bypass),
    "without-factor": (bypassing.go_without, ReasonIn, rights.why_not_go_without),
    "give-back": (ending.give_back, ReasonIn, rights.why_not_give_back),
    "cut-off": (ending.cut_off, ReasonIn, rights.why_not_cut_off),
    "longer": (ending.ask_longer, LongerIn, rights.why_not_ask_longer),
    "ticket": (ending.name_ticket, TicketIn, rights.why_not_name_ticket),
    "explain": (reviewing.explain, ExplainIn, rights.why_not_explain),
    "review": (reviewing.close, ReviewIn, rights.why_not_review),
}


@extend_schema(request=AskIn, responses=OpenApiTypes.OBJECT, tags=["break-glass"])
@door({"GET": "read", "POST": "act"}, asks=PAGED)
def break_glass(request: Request) -> Response:
    """GET: the cases the caller sees, newest first. POST: ask for a bundle."""
    user, now = user_of(request), timezone.now()
    if request.method == "POST":
        return Response(as_data(_ask(request, user), user, now=now), status=201)
    limit, after = page_of(request)
    rows = rows_of(user, now=now)
    if after is not None:
        rows = rows.filter(case__number__lt=after)
    found = list(rows[:limit])
    return Response(
        {
            "rows": [row_of(one, now=now) for one in found],
            "after": found[-1].case.number if len(found) == limit else None,
        }
    )


def _ask(request: Request, user: User) -> Case:
    now = timezone.now()
    bundle = bundles.in_force(named(request, "bundle"))
    if bundle is not None:
        require(rights.why_not_ask(user, bundle, now=now))
    data = dict(checked(AskIn(data=request.data)))
    key = data.pop("incident")
    incident = case_of(request, key) if key else None
    if incident is not None and incident.door != "incident":
        raise NotPossible(f"{incident.key} is no incident.")
    data["slug"], data["fields"] = data.pop("bundle"), data.pop("fields_of_reason")
    return asking.ask(wanted=asking.Wanted(**data, incident=incident), by=user, now=now)


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["break-glass"])
@door({"GET": "read"})
def all_bundles(request: Request) -> Response:
    """What can be asked for, and why the caller may not."""
    user, now = user_of(request), timezone.now()
    return Response(
        {
            "rows": [
                {
                    "bundle": one.slug,
                    "version": one.version,
                    "document": one.document,
                    "may_not_ask": rights.why_not_ask(user, one, now=now),
                }
                for one in bundles.catalogue()
            ]
        }
    )


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["break-glass"])
@door({"GET": "read"})
def on_call_now(_request: Request) -> Response:
    """Who is on call by each team's rota, when it was read, and what is wrong with it."""
    found = on_call.overview(now=timezone.now())
    rows = [
        {
            "team": row["team"],
            "from": row["from"],
            "duty": row["duty"],
            "on_call": [{"name": one.name, "until": one.until} for one in row["on_call"]],
            "unknown": row["unknown"],
            "read_at": row["read_at"],
            "counts": row["counts"],
            "problem": row["problem"],
        }
        for row in found["rotas"]
    ]
    return Response({"problem": found["problem"], "rows": rows})


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["break-glass"])
@door({"GET": "read"})
def one(request: Request, key: str) -> Response:
    """One case: what is asked, who signed, what was done, and the digests that are signed on."""
    return Response(as_data(glass_of(request, key), user_of(request), now=timezone.now()))


@extend_schema(request=ApproveIn, responses=OpenApiTypes.OBJECT, tags=["break-glass"])
@door({"POST": "act"})
def act(request: Request, key: str, act: str) -> Response:
    """Sign, end or look back: approve, deny, send-back, look, vouch, bypass, without-factor, give-back,
    cut-off, longer, ticket, explain, review."""
    does, takes, why_not = ACTS[act]
    case, user, now = glass_of(request, key), user_of(request), timezone.now()
    require(why_not(user, case, now=now))
    data = checked(takes(data=request.data))
    if act == "bypass":
        data["factor"] = second_factor.given(request._request, user)
    if "reason" in data:
        data["reason"] = reason_of(request, data["reason"])
    row = does(case=case, **data, by=user, now=now)
    return Response(as_data(row, user, now=now))


def glass_of(request: Request, key: str) -> Case:
    """A break-glass case the caller may see; anything else is absent."""
    case = case_of(request, key)
    glass = BreakGlass.objects.select_related("bundle", "vouched_person").filter(case=case).first()
    if glass is None:
        raise Http404
    case.break_glass = glass
    return case
