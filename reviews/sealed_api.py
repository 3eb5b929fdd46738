"""Sealed credentials for scripts: declare, announce a drill, read and explain a use.

A token proposes; whatever else is said here decides, and a person says it (identities/api/deciding.py).
"""

from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identities.api.doors import door
from identities.api.identities import user_of
from identities.api.serializers import Reason, checked
from identities.permissions import READERS, groups, require
from reviews.api import case_of
from reviews.models import Case, SealedCredential, SealedUse
from reviews.models.break_glass import REVIEWS
from reviews.models.sealed import DECISION_WORDS
from reviews.pages import sealed as pages
from reviews.pages.sealed_views import sealed_of, use_of
from reviews.sealed import deciding, declaring, looking, made, rights
from reviews.sealed.declaring import LONGEST, LONGEST_SLUG, MOST_HOURS, Declared
from reviews.sealed.looking import LONGEST_WHO
from reviews.sealed.made import LONGEST_THING

MOST = 200


class DeclareIn(serializers.Serializer[Any]):
    """A version of what is declared; `named`: an access key, an ARN, CRED-12, or the name that its
    system's own log writes."""

    name = serializers.CharField(max_length=LONGEST_SLUG)
    words = serializers.CharField(max_length=LONGEST)
    named = serializers.CharField(max_length=2_048)
    kept = serializers.CharField(max_length=LONGEST)
    openers = serializers.CharField(max_length=LONGEST)
    review_within_hours = serializers.IntegerField(
        min_value=1, max_value=MOST_HOURS, required=False, default=24
    )
    watched = serializers.BooleanField(required=False, default=True)
    reason = Reason()


class RefuseIn(serializers.Serializer[Any]):
    """Why."""

    reason = Reason()


class DrillIn(serializers.Serializer[Any]):
    """A drill that is announced."""

    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    reason = Reason()


class ExplainUseIn(serializers.Serializer[Any]):
    """Who used it, and why."""

    who = serializers.CharField(max_length=LONGEST_WHO)
    words = Reason()


class DecideIn(serializers.Serializer[Any]):
    """What was decided on one thing of its making; `thing`: as the use names it."""

    thing = serializers.CharField(max_length=LONGEST_THING)
    answer = serializers.ChoiceField(choices=list(DECISION_WORDS))
    words = Reason()


class LookBackIn(serializers.Serializer[Any]):
    """What a use was; `read`: the digest of the calls that were read."""

    kind = serializers.ChoiceField(choices=list(REVIEWS))
    words = Reason()
    follow_ups = serializers.ListField(
        child=serializers.CharField(max_length=500), required=False, default=list, max_length=20
    )
    read = serializers.CharField(max_length=64)


def sealed_as_data(row: SealedCredential) -> dict[str, Any]:
    """One version as JSON."""
    return {
        "name": row.slug,
        "version": row.version,
        "state": row.state,
        "watched": row.watched,
        "words": row.words,
        "credential": {
            "realm": row.actor.realm,
            "kind": row.actor.kind,
            "value": row.actor.value,
        },
        "kept": row.kept,
        "openers": row.openers,
        "review_within_hours": row.review_within_hours,
        "reason": row.reason,
        "proposed_at": row.proposed_at,
        "proposed_by": row.proposed_by_name,
        "settled_at": row.settled_at,
        "settled_by": row.settled_by_name,
        "until": row.until,
    }


def use_as_data(row: SealedUse) -> dict[str, Any]:
    """A use as JSON, without its calls."""
    return {
        "case": row.case.key,
        "state": row.case.state,
        "name": row.slug,
        "first_at": row.first_at,
        "last_at": row.last_at,
        "calls": row.calls,
        "more": row.more,
        "drill": row.drill is not None,
        "beyond_drill": row.beyond_drill,
        "who": row.explained_who,
        "why": row.explained_words,
        "review_due_at": row.review_due_at,
        "review": row.review,
        "review_words": row.review_words,
        "follow_ups": row.follow_ups,
        "capsule": row.capsule and row.capsule.key,
    }


@extend_schema(request=DeclareIn, responses=OpenApiTypes.OBJECT, tags=["break-glass"])
@door({"GET": "read", "POST": "act"})
def sealed(request: Request) -> Response:
    """GET: what is declared, and the last 200 uses. POST: propose a version."""
    user, now = user_of(request), timezone.now()
    if request.method == "POST":
        require(rights.why_not_propose_sealed(user, now=now))
        said = dict(checked(DeclareIn(data=request.data)))
        reason, said["slug"] = said.pop("reason"), said.pop("name")
        row = declaring.propose(declared=Declared(**said), reason=reason, by=user, now=now)
        return Response(sealed_as_data(row), status=201)
    require(None if READERS & groups(user) else pages.NO_READER)
    rows = SealedCredential.objects.select_related("actor").order_by("slug", "-version")
    uses = pages.uses_of(user, now=now).select_related("capsule")[:MOST]
    return Response(
        {
            "rows": [sealed_as_data(one) for one in rows[:MOST]],
            "uses": [use_as_data(one) for one in uses],
        }
    )


@extend_schema(request=None, responses=OpenApiTypes.OBJECT, tags=["break-glass"])
@door({"POST": "act"})
def sign(request: Request, slug: str, version: int) -> Response:
    """The second signature on a version; by a person's session."""
    row, user, now = sealed_of(slug, version), user_of(request), timezone.now()
    require(rights.why_not_sign_sealed(user, row, now=now))
    return Response(sealed_as_data(declaring.sign(sealed=row, by=user, now=now)))


@extend_schema(request=RefuseIn, responses=OpenApiTypes.OBJECT, tags=["break-glass"])
@door({"POST": "act"})
def refuse(request: Request, slug: str, version: int) -> Response:
    """Refuse a version."""
    row, user, now = sealed_of(slug, version), user_of(request), timezone.now()
    require(rights.why_not_refuse_sealed(user, row, now=now))
    said = checked(RefuseIn(data=request.data))
    return Response(sealed_as_data(declaring.refuse(sealed=row, **said, by=user, now=now)))


@extend_schema(request=DrillIn, responses=OpenApiTypes.OBJECT, tags=["break-glass"])
@door({"POST": "act"})
def drill(request: Request, slug: str) -> Response:
    """Announce a drill before it begins."""
    user, now = user_of(request), timezone.now()
    require(rights.why_not_announce(user, now=now))
    said = checked(DrillIn(data=request.data))
    row = declaring.announce(slug=slug, **said, by=user, now=now)
    return Response(
        {"name": row.slug, "starts_at": row.starts_at, "ends_at": row.ends_at}, status=201
    )


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["break-glass"])
@door({"GET": "read"})
def one_use(request: Request, key: str) -> Response:
    """A use with its calls, what it made that stands, and the digest that a look back is signed on."""
    _, use = _used(request, key)
    calls = looking.calls(use, most=MOST)
    found = made.of_use(use, now=timezone.now())
    return Response(
        use_as_data(use)
        | {
            "read": looking.digest(use, found),
            "made": [made.as_data(one) for one in found],
            "may_not_close_as_harmless": made.why_not_harmless(found),
            "events": [
                {
                    "at": one.at,
                    "id": str(one.event),
                    "action": one.action,
                    "resource": one.resource,
                    "address": one.address,
                }
                for one in calls
            ],
        }
    )


@extend_schema(request=ExplainUseIn, responses=OpenApiTypes.OBJECT, tags=["break-glass"])
@door({"POST": "act"})
def explain(request: Request, key: str) -> Response:
    """Say who opened the envelope, and why."""
    case, use = _used(request, key)
    user, now = user_of(request), timezone.now()
    require(rights.why_not_explain_use(user, use, now=now))
    said = checked(ExplainUseIn(data=request.data))
    looking.explain(case=case, **said, by=user, now=now)
    return Response(use_as_data(_used(request, key)[1]))


@extend_schema(request=DecideIn, responses=OpenApiTypes.OBJECT, tags=["break-glass"])
@door({"POST": "act"})
def decide(request: Request, key: str) -> Response:
    """Say of one thing that a use made that it stays, or that it is gone at its target."""
    case, use = _used(request, key)
    user, now = user_of(request), timezone.now()
    require(rights.why_not_look_at_use(user, use, now=now))
    said = checked(DecideIn(data=request.data))
    row = deciding.decide(case=case, **said, by=user, now=now)
    return Response({"thing": row.thing, "answer": row.answer, "words": row.words}, status=201)


@extend_schema(request=LookBackIn, responses=OpenApiTypes.OBJECT, tags=["break-glass"])
@door({"POST": "act"})
def look_back(request: Request, key: str) -> Response:
    """Say what a use was; by a person's session, never by who says that they used it."""
    case, use = _used(request, key)
    user, now = user_of(request), timezone.now()
    require(rights.why_not_look_at_use(user, use, now=now))
    said = checked(LookBackIn(data=request.data))
    looking.look_back(case=case, **said, by=user, now=now)
    return Response(use_as_data(_used(request, key)[1]))


def _used(request: Request, key: str) -> tuple[Case, SealedUse]:
    case = case_of(request, key)
    use = use_of(case)
    if use is None:
        raise Http404
    use.case = case
    return case, use
