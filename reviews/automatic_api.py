"""Automatic holds for scripts: siblings of the pages over the same actions. A token signs nothing."""

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identities import visible
from identities.api.doors import door
from identities.api.identities import user_of
from identities.api.serializers import Reason, checked
from identities.models import Person
from identities.permissions import NotPossible, require
from reviews import automatic_permissions
from reviews.automatic import replay, rules, settling
from reviews.models import AutomaticHold, HoldRule
from reviews.pages import automatic as pages
from reviews.pages.automatic_views import hold_of, rule_of

MOST = 200


class TryIn(serializers.Serializer[Any]):
    """What a rule says: replayed over stored evidence, nothing is saved."""

    scope = serializers.DictField(default=dict)
    classes = serializers.ListField(child=serializers.CharField(max_length=40), max_length=20)
    per_hour = serializers.IntegerField(default=3)
    per_day = serializers.IntegerField(default=10)
    days = serializers.IntegerField(default=rules.DAYS)


class ProposeIn(TryIn):
    """The same as a rule that asks for a second signature; `asked`: a person's mail address."""

    asked = serializers.EmailField()
    reason = Reason()


class WhyIn(serializers.Serializer[Any]):
    reason = Reason()


class ReleaseIn(WhyIn):
    finding_was = serializers.CharField(max_length=40, default="", allow_blank=True)


def rule_data(row: HoldRule, *, everything: bool) -> dict[str, Any]:
    """A rule as JSON. What it would have held is shown to whoever sees all identities."""
    said = pages.rule_row(row)
    return {
        "rule": said["key"],
        "url": said["url"],
        "state": row.state,
        "scope": row.scope,
        "says": said["words"],
        "classes": row.classes,
        "per_hour": row.per_hour,
        "per_day": row.per_day,
        "asked": said["asked"],
        "reason": row.reason,
        "replay": (row.seen or row.replayed) if everything else None,
        "proposed_at": row.proposed_at,
        "proposed_by": row.proposed_by_name,
        "settled_at": row.settled_at,
        "settled_by": row.settled_by_name,
        "settled_reason": row.settled_reason,
        "ended_at": row.ended_at,
        "ended_by": row.ended_by_name,
        "ended_reason": row.ended_reason,
    }


def hold_data(row: AutomaticHold, request: Request) -> dict[str, Any]:
    """A hold as JSON, with the times from the finding to the target."""
    now = timezone.now()
    why = automatic_permissions.why_not_release_hold(user_of(request), row, now=now)
    sent_at = pages.sent([row]).get(row.pk)
    return {
        "hold": row.key,
        "url": row.url,
        "state": row.state,
        "what": row.item.title,
        "words": row.words,
        "identity": row.identity.key,
        "finding": row.finding.key,
        "class": row.finding.rule,
        "finding_state": row.finding.state,
        "rule": row.rule.key,
        "case": row.case.key,
        "found_at": row.found_at,
        "decided_at": row.decided_at,
        "sent_at": sent_at,
        "seconds_to_sent": None if sent_at is None else (sent_at - row.found_at).total_seconds(),
        "settled_at": row.settled_at,
        "settled_by": row.settled_by_name,
        "settled_reason": row.settled_reason,
        "why_not_release": why,
    }


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["automatic holds"])
@door({"GET": "read"})
def holds(request: Request) -> Response:
    """What is held by itself and was, what waits for people first: the last 200."""
    now = timezone.now()
    rows = pages.seen_by(user_of(request), now=now).order_by(pages.FIRST, "-number")[:MOST]
    found = list(rows)
    times = pages.sent([one for one in found if one.state != "asked"])
    return Response(
        {
            "rows": [
                {
                    "hold": one.key,
                    "url": one.url,
                    "state": one.state,
                    "what": one.item.title,
                    "identity": one.identity.key,
                    "finding": one.finding.key,
                    "rule": one.rule.key,
                    "case": one.case.key,
                    "found_at": one.found_at,
                    "decided_at": one.decided_at,
                    "sent_at": times.get(one.pk),
                }
                for one in found
            ]
        }
    )


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["automatic holds"])
@door({"GET": "read"})
def hold(request: Request, key: str) -> Response:
    """One hold."""
    return Response(hold_data(hold_of(user_of(request), key), request))


@extend_schema(request=ReleaseIn, responses=OpenApiTypes.OBJECT, tags=["automatic holds"])
@door({"POST": "act"})
def release(request: Request, key: str) -> Response:
    """It works again, at once; `finding_was` says what its finding was, while that is open."""
    user, now = user_of(request), timezone.now()
    row = hold_of(user, key)
    require(automatic_permissions.why_not_release_hold(user, row, now=now))
    data = checked(ReleaseIn(data=request.data))
    row = settling.release(hold=row, **data, by=user, now=now)
    return Response(hold_data(row, request))


@extend_schema(request=ProposeIn, responses=OpenApiTypes.OBJECT, tags=["automatic holds"])
@door({"GET": "read", "POST": "act"})
def all_rules(request: Request) -> Response:
    """All rules, the newest first; POST proposes one, with its replay as it is now."""
    user, now = user_of(request), timezone.now()
    everything = visible.sees_all(user)
    if request.method == "POST":
        require(automatic_permissions.why_not_propose_hold_rule(user, now=now))
        data = checked(ProposeIn(data=request.data))
        address = data.pop("asked")
        asked = Person.objects.filter(email__iexact=address).first()
        if asked is None:
            raise NotPossible(f"Nobody here has the address {address}.")
        row = rules.propose(**data, asked=asked, by=user, now=now)
        return Response(rule_data(row, everything=everything), status=201)
    rows = HoldRule.objects.select_related("asked").order_by("-number")[:MOST]
    return Response({"rows": [rule_data(one, everything=everything) for one in rows]})


@extend_schema(request=TryIn, responses=OpenApiTypes.OBJECT, tags=["automatic holds"])
@door({"POST": "read"})
def try_it(request: Request) -> Response:
    """What a rule would have held in the last days. Nothing is saved."""
    user, now = user_of(request), timezone.now()
    require(automatic_permissions.why_not_propose_hold_rule(user, now=now))
    data = checked(TryIn(data=request.data))
    rules.checked(**data)
    row = HoldRule(replayed_days=data.pop("days"), **data)
    found = rules.replayed(row, now=now).as_json()
    return Response(found | {"says": [words for _, words in replay.sentences(found)]})


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["automatic holds"])
@door({"GET": "read"})
def rule(request: Request, key: str) -> Response:
    """One rule."""
    everything = visible.sees_all(user_of(request))
    return Response(rule_data(rule_of(key), everything=everything))


@extend_schema(request=None, responses=OpenApiTypes.OBJECT, tags=["automatic holds"])
@door({"POST": "act"})
def sign(request: Request, key: str) -> Response:
    """The second signature, by a person who has just confirmed who they are; never by a token."""
    user, now = user_of(request), timezone.now()
    row = rule_of(key)
    require(automatic_permissions.why_not_sign_hold_rule(user, row, now=now))
    return Response(rule_data(rules.sign(rule=row, by=user, now=now), everything=True))


@extend_schema(request=WhyIn, responses=OpenApiTypes.OBJECT, tags=["automatic holds"])
@door({"POST": "act"})
def refuse(request: Request, key: str) -> Response:
    """The rule never holds anything; who proposed it takes it back the same way."""
    user, now = user_of(request), timezone.now()
    row = rule_of(key)
    require(automatic_permissions.why_not_refuse_hold_rule(user, row, now=now))
    data = checked(WhyIn(data=request.data))
    row = rules.refuse(rule=row, reason=data["reason"], by=user, now=now)
    return Response(rule_data(row, everything=True))


@extend_schema(request=WhyIn, responses=OpenApiTypes.OBJECT, tags=["automatic holds"])
@door({"POST": "act"})
def end(request: Request, key: str) -> Response:
    """Switched off: nothing more is held by it. What it holds stays held until it is released."""
    user, now = user_of(request), timezone.now()
    row = rule_of(key)
    require(automatic_permissions.why_not_end_hold_rule(user, row, now=now))
    data = checked(WhyIn(data=request.data))
    row = rules.end(rule=row, reason=data["reason"], by=user, now=now)
    return Response(rule_data(row, everything=True))
