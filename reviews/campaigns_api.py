"""Campaigns for scripts: siblings of the pages over the same acts. Serializers never save."""

from typing import Any

from django.http import Http404
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identities import as_read
from identities.api.doors import PAGED, door, page_of
from identities.api.identities import user_of
from identities.api.serializers import Reason, checked
from identities.permissions import NotPossible, require
from reviews import sight, visible
from reviews.actions import attention, planting, policy_versions
from reviews.campaigns import letting_out, preview, progress, rows, steering
from reviews.campaigns.acts import ACTS
from reviews.models import Campaign
from reviews.models.campaigns import APPLIES, CAMPAIGN_STATES
from reviews.pages import campaign_rows, queue_out
from reviews.planted import MOST_SHARE
from reviews.policy_document import REQUESTS

# A dry run names so many people, and a campaign so many reviews that wait for a second look.
MOST_NAMED = 1_000
OF_CAMPAIGNS = {"state": CAMPAIGN_STATES, **PAGED}


class MakeIn(serializers.Serializer[Any]):
    """A campaign as a draft: a policy by its name, and what of its scope the campaign is about."""

    name = serializers.CharField(max_length=steering.LONGEST_NAME)
    policy = serializers.CharField(max_length=policy_versions.LONGEST_NAME)
    scope = serializers.DictField(required=False, default=dict)
    deadline_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    applies = serializers.ChoiceField(choices=list(APPLIES), default="at_once")
    planted = serializers.IntegerField(min_value=0, max_value=MOST_SHARE, default=0)
    reason = Reason()


class ActIn(serializers.Serializer[Any]):
    """Why; and until when, to extend it."""

    reason = Reason()
    to = serializers.DateTimeField(required=False)


class LetOutIn(serializers.Serializer[Any]):
    """What was looked at and why it goes out; `read`: the mark of the list, as GET gave it."""

    reason = Reason()
    read = serializers.CharField(max_length=64)


def campaign_of(request: Request, key: str) -> Campaign:
    """A campaign, for who may see campaigns."""
    require(rows.why_not_see(user_of(request)))
    found = rows.by_key(key)
    if found is None:
        raise Http404
    return found


def as_data(one: Campaign, *, blind: bool = False) -> dict[str, Any]:
    """A campaign as JSON: what it is, and how far it was when it was counted last.

    `blind`: for somebody who must not learn what was answered (reviews/sight.py).
    """
    done = progress.read(one)
    step = rows.unfinished(one)
    has = planting.of_campaign(one)
    return {
        "campaign": one.key,
        "name": one.name,
        "state": one.state,
        "policy": {"name": one.policy.name, "version": one.policy.version},
        "scope": one.scope,
        "applies": one.applies,
        "planted": None if has is None else {"share": has.share, "items": has.items},
        "reason": one.reason,
        "made_at": one.made_at,
        "launched_at": one.launched_at,
        "asked_at": one.asked_at,
        "deadline_at": one.deadline_at,
        "closed_at": one.closed_at,
        "step": None
        if step is None
        else {"act": step.kind, "done": step.done, "reviews": step.reviews},
        "counted_at": done.at,
        "items": done.items,
        "decided": done.decided,
        "conflicts": None if blind else done.conflicts,
        "identities": done.identities,
        "opened": done.opened,
        "left_out": done.left_out,
        "cases": done.cases,
        "stages": [one._asdict() for one in done.stages],
    }


@extend_schema(request=MakeIn, responses=OpenApiTypes.OBJECT, tags=["campaigns"])
@door({"GET": "read", "POST": "act"}, asks=OF_CAMPAIGNS)
def campaigns(request: Request) -> Response:
    """The campaigns, newest first (``?state=running&after=12``); POST prepares one, as a draft."""
    if request.method == "POST":
        return _make(request)
    require(rows.why_not_see(user_of(request)))
    limit, after = page_of(request)
    asked = {name: str(value) for name, value in request.query_params.items()}
    found = Campaign.objects.select_related("policy", "planting").order_by("-number")
    if asked.get("state"):
        found = found.filter(state=asked["state"])
    if after is not None:
        found = found.filter(number__lt=after)
    shown = rows.with_steps(list(found[:limit]))
    many = attention.of_campaigns([one.pk for one in shown])
    blind = sight.blind_campaigns(user_of(request), shown, now=timezone.now())
    return Response(
        {
            "rows": [
                as_data(one, blind=one.pk in blind)
                | {"provisional": None if one.pk in blind else many.get(one.pk, 0)}
                for one in shown
            ],
            "after": shown[-1].number if len(shown) == limit else None,
        }
    )


def _make(request: Request) -> Response:
    require(rows.why_not_run(user_of(request)))
    data = checked(MakeIn(data=request.data))
    now = timezone.now()
    name = policy_versions.named(data["policy"])
    policy = policy_versions.signed(name)
    if policy is None and name in policy_versions.BUILT_IN:
        policy = policy_versions.in_force(now=now, name=name)
    if policy is None or name == REQUESTS:
        raise NotPossible(f"No policy {name!r} is in force that reviews can be opened under.")
    made = steering.make(
        name=data["name"],
        policy=policy,
        scope=data["scope"],
        deadline_at=data["deadline_at"],
        applies=data["applies"],
        planted=data["planted"],
        by=user_of(request),
        now=now,
        reason=data["reason"],
    )
    return Response(as_data(made) | {"provisional": 0}, status=201)


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["campaigns"])
@door({"GET": "read"})
def campaign(request: Request, key: str) -> Response:
    """One campaign: how far each seat and person is, and what waits for a second look."""
    one, user, now = campaign_of(request, key), user_of(request), timezone.now()
    done = progress.read(one)
    parties, persons = progress.names(done.parts)
    looks = visible.cases(user, now=now).filter(pk__in=attention.cases_of(one.pk))
    many = attention.of_campaigns([one.pk])
    blind = one.pk in sight.blind_campaigns(user, [one], now=now)
    return Response(
        as_data(one, blind=blind)
        | {
            "seats": [_part(part) for part in done.seats],
            "parts": [
                _part(part)
                | {
                    "party": parties.get(part.party) if part.party else None,
                    "person": persons.get(part.person) if part.person else None,
                }
                for part in done.parts
            ],
            "provisional": None if blind else many.get(one.pk, 0),
            "second_looks": [] if blind else [f"CS-{number}" for number in _numbers(looks)],
        }
    )


def _numbers(looks: Any) -> list[int]:
    return list(looks.order_by("number").values_list("number", flat=True)[:MOST_NAMED])


def _part(part: progress.Part) -> dict[str, Any]:
    return {
        "seat": part.seat,
        "answered": part.answered,
        "items": part.items,
        "reviews_done": part.reviews_done,
        "reviews": part.reviews,
    }


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["campaigns"])
@door({"GET": "read"})
def look(request: Request, key: str) -> Response:
    """What a launch would do now: who is asked how much, who has nobody, what silence does."""
    one = campaign_of(request, key)
    if one.state != "draft":
        raise NotPossible(f"{one.key} is {one.state}: a dry run is of one that is not launched.")
    found = preview.look(one.policy, one.scope, now=timezone.now())
    return Response(
        {
            "campaign": one.key,
            "identities": found.identities,
            "opened": found.opened,
            "items": found.items,
            "joined": found.joined,
            "elsewhere": found.elsewhere,
            "exempt": found.exempt,
            "people": len(found.asked),
            "asked": [
                {
                    "person": share.person.name,
                    "id": str(share.person.pk),
                    "reviews": share.reviews,
                    "items": share.items,
                }
                for share in found.asked[:MOST_NAMED]
            ],
            "nobody": [
                {
                    "seat": one.seat,
                    "count": one.many,
                    "identities": [row.key for row in one.identities],
                }
                for one in found.vacant
            ],
            "silence": [{"words": words, "identities": many} for words, many in found.silence],
        }
    )


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["campaigns"])
@door({"GET": "read"}, asks=None)
def taken_out(request: Request, key: str, what: str) -> HttpResponseBase:
    """The population: every identity in scope with its review or why it has none, every review, or
    every item with its outcome, streamed as one array; narrowed as its page is
    (``?outcome=revoke``, ``?state=open``, ``?seat=ai_owner&answer=missing``)."""
    said = {name: str(value)[:500] for name, value in request.query_params.items()}
    one, user = campaign_of(request, key), user_of(request)
    rows = campaign_rows.taken_out(one, what, user, said, now=timezone.now())
    return queue_out.answer(rows, f"{one.key}-{what}", "json", ())


@extend_schema(request=ActIn, responses=OpenApiTypes.OBJECT, tags=["campaigns"])
@door({"POST": "act"})
def act(request: Request, key: str, step: str) -> Response:
    """Launch, pause, resume, extend (`to`), reiterate or close: what the page's buttons do."""
    one, does, now = campaign_of(request, key), ACTS[step], timezone.now()
    require(does.why_not(user_of(request), one))
    data = checked(ActIn(data=request.data))
    more = {}
    if does.moment:
        if "to" not in data:
            raise serializers.ValidationError({"to": "Say until when."})
        more["to"] = data["to"]
    found = does.does(campaign=one, by=user_of(request), now=now, reason=data["reason"], **more)
    one = campaign_of(request, key)
    blind = one.pk in sight.blind_campaigns(user_of(request), [one], now=now)
    return Response(as_data(one, blind=blind) | {"said": does.said(one, found, now)})


@extend_schema(request=LetOutIn, responses=OpenApiTypes.OBJECT, tags=["campaigns"])
@door({"GET": "read", "POST": "act"})
def outcomes(request: Request, key: str) -> Response:
    """GET: what the brake holds of a campaign, why, and the mark of that list. POST: let it out."""
    one, user, now = campaign_of(request, key), user_of(request), timezone.now()
    if request.method == "POST":
        require(letting_out.why_not_let_out(user, one, now=now))
        said = checked(LetOutIn(data=request.data))
        many = letting_out.let_out(campaign=one, **said, by=user, now=now)
        return Response({"campaign": one.key, "cases": many})
    return Response(
        {
            "campaign": one.key,
            "held": letting_out.sentence(one) or None,
            "read": as_read.mark(letting_out.stands(one)),
        }
    )
