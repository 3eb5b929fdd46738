"""Review policies for scripts: siblings of the pages over the same actions. A token signs nothing."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import Http404
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
from identities.models import User
from identities.permissions import NotAllowed, require
from reviews import policy_permissions, policy_words
from reviews.actions import policy_versions
from reviews.models import ReviewPolicy
from reviews.pages import policies as pages
from reviews.policy_document import DocumentError

NOT_SHOWN = "What a policy would do is counted for whoever sees all identities."


class TryIn(serializers.Serializer[Any]):
    """A document under a name: what it says and would do."""

    name = serializers.CharField(max_length=policy_versions.LONGEST_NAME)
    document = serializers.DictField()


class ProposeIn(TryIn):
    """The same as a version that asks for a second signature. `based_on`: the version that it was
    written from, 0 for a new policy; refused where another one is in force by now."""

    reason = Reason()
    based_on = serializers.IntegerField(min_value=0, required=False, allow_null=True)


class RefuseIn(serializers.Serializer[Any]):
    reason = Reason()


def places(view: Callable[..., Response]) -> Callable[..., Response]:
    """A document that cannot be read is answered with 422 and each place that is wrong."""

    @wraps(view)
    def answered(request: Request, *args: Any, **kwargs: Any) -> Response:
        try:
            return view(request, *args, **kwargs)
        except DocumentError as wrong:
            problems = [{"path": path, "problem": what} for path, what in wrong.problems]
            said = {
                "detail": "The document says something else than policies can.",
                "problems": problems,
            }
            return Response(said, status=422)

    return answered


def policy_of(slug: str, version: int) -> ReviewPolicy:
    row = pages.found(slug, version, now=timezone.now())
    if row is None:
        raise Http404
    return row


def as_data(row: ReviewPolicy, user: User) -> dict[str, Any]:
    """A version as JSON. What names identities is shown to whoever sees all of them."""
    everything = visible.sees_all(user)
    lines = policy_words.lines(
        policy_versions.document_of(row), name=row.name, with_exempt=everything
    )
    return {
        "policy": row.name,
        "version": row.version,
        "state": row.state,
        "url": row.url,
        "says": [{"about": one.about, "words": one.words} for one in lines],
        "document": row.document if everything else None,
        "reason": row.reason,
        "proposed_at": row.recorded_at,
        "proposed_by": row.recorded_by_name,
        "settled_at": row.settled_at,
        "settled_by": row.settled_by_name,
        "settled_reason": row.settled_reason,
    }


@extend_schema(request=ProposeIn, responses=OpenApiTypes.OBJECT, tags=["policies"])
@door({"GET": "read", "POST": "act"})
@places
def policies(request: Request) -> Response:
    """Each policy with the version in force and the one that waits; POST proposes a version."""
    now = timezone.now()
    if request.method == "POST":
        require(policy_permissions.why_not_propose_policy(user_of(request), now=now))
        data = checked(ProposeIn(data=request.data))
        row = policy_versions.propose(
            name=data["name"],
            text=json.dumps(data["document"]),
            reason=data["reason"],
            by=user_of(request),
            now=now,
            based_on=data.get("based_on"),
        )
        return Response(as_data(row, user_of(request)), status=201)
    in_force, waiting = pages.current(now=now)
    return Response(
        {
            "rows": [
                {
                    "policy": name,
                    "in_force": in_force[name].version if name in in_force else None,
                    "proposed": waiting[name].version if name in waiting else None,
                    "url": (in_force.get(name) or waiting[name]).url,
                }
                for name in sorted({*in_force, *waiting})
            ]
        }
    )


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["policies"])
@door({"GET": "read"})
def policy(request: Request, slug: str, version: int) -> Response:
    """One version: its document, what it says in words, who proposed and who signed it."""
    return Response(as_data(policy_of(slug, version), user_of(request)))


@extend_schema(request=TryIn, responses=OpenApiTypes.OBJECT, tags=["policies"])
@door({"POST": "read"})
@places
def dry_run(request: Request) -> Response:
    """What a document would do today. Nothing is saved."""
    user, now = user_of(request), timezone.now()
    require(policy_permissions.why_not_propose_policy(user, now=now))
    data = checked(TryIn(data=request.data))
    name = policy_versions.named(data["name"])
    _, document = policy_versions.checked(json.dumps(data["document"]), name=name, now=now)
    found = pages.tried(document, name, user, now=now)
    return Response(
        {
            "policy": name,
            "says": [{"about": one.about, "words": one.words} for one in found["lines"]],
            "would": [one["words"] for one in found["dry_run"]],
        }
    )


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["policies"])
@door({"GET": "read"})
def dry_run_of(request: Request, slug: str, version: int) -> Response:
    """What a version would do today."""
    user, now = user_of(request), timezone.now()
    row = policy_of(slug, version)
    if not visible.sees_all(user):
        raise NotAllowed(NOT_SHOWN)
    found = pages.dry_run(policy_versions.document_of(row), now=now)
    return Response(
        {"policy": row.name, "version": row.version, "would": [one["words"] for one in found]}
    )


@extend_schema(request=None, responses=OpenApiTypes.OBJECT, tags=["policies"])
@door({"POST": "act"})
def sign(request: Request, slug: str, version: int) -> Response:
    """The second signature, by a person who has just confirmed who they are; never by a token."""
    user, now = user_of(request), timezone.now()
    row = policy_of(slug, version)
    require(policy_permissions.why_not_sign_policy(user, row, now=now))
    row = policy_versions.sign(policy=row, by=user, now=now)
    return Response(as_data(row, user_of(request)))


@extend_schema(request=RefuseIn, responses=OpenApiTypes.OBJECT, tags=["policies"])
@door({"POST": "act"})
def refuse(request: Request, slug: str, version: int) -> Response:
    """The version never comes into force; who proposed it takes it back the same way."""
    user, now = user_of(request), timezone.now()
    row = policy_of(slug, version)
    require(policy_permissions.why_not_refuse_policy(user, row, now=now))
    data = checked(RefuseIn(data=request.data))
    row = policy_versions.refuse(policy=row, reason=data["reason"], by=user, now=now)
    return Response(as_data(row, user))
