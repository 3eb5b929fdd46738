"""One signature on many targets, for scripts: a cascade from one identity, or targets by name."""

import re
from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identities.actions import batches, revocations
from identities.actions.batches import signing
from identities.models import Batch, User
from identities.permissions import require

from .deciding import reason_of
from .doors import PAGED, door, named, page_of
from .identities import identity_of, user_of
from .serializers import BecauseIn, checked

BAT = re.compile(r"BAT-0*(\d{1,15})")


class CascadeIn(BecauseIn):
    """`dry_run`: only what it would do; otherwise a key under which it is done once. `by_hand`: what
    no enforcer changes waits for people, and is not refused."""

    step = serializers.ChoiceField(signing.CASCADE)
    dry_run = serializers.BooleanField(default=False)
    by_hand = serializers.BooleanField(default=False)
    request_key = serializers.CharField(max_length=200, allow_blank=True, default="")


class NamedIn(BecauseIn):
    """Up to 1,000 names: NHI-12, CRED-7, a whole name, a key's id, an ARN."""

    step = serializers.ChoiceField(signing.NAMED)
    names = serializers.ListField(child=serializers.CharField(max_length=1_000), max_length=10_000)
    dry_run = serializers.BooleanField(default=False)
    by_hand = serializers.BooleanField(default=False)
    request_key = serializers.CharField(max_length=200, allow_blank=True, default="")


@extend_schema(request=CascadeIn, responses=OpenApiTypes.OBJECT, tags=["revocations"])
@door({"POST": "act"})
def cascade(request: Request, key: str) -> Response:
    """Hold an identity with all that comes from it, each row for itself."""
    user, now = user_of(request), timezone.now()
    row = identity_of(request, key)
    require(batches.why_not_ask_many(user, now=now))
    require(revocations.why_not(row, "hold", user, now=now))
    require(revocations.why_not(row, named(request, "step"), user, now=now))
    data = checked(CascadeIn(data=request.data))
    if data["dry_run"]:
        plan = batches.plan_cascade(
            root=row, step=data["step"], by=user, now=now, by_hand=data["by_hand"]
        )
        return Response({"rows": planned(plan)})
    made = batches.cascade(
        root=row,
        step=data["step"],
        because=reason_of(request, data["because"]),
        request_key=data["request_key"],
        by_hand=data["by_hand"],
        by=user,
        now=now,
    )
    return Response(as_data(made), status=202)


@extend_schema(request=NamedIn, responses=OpenApiTypes.OBJECT, tags=["revocations"])
@door({"GET": "read", "POST": "act"}, asks=PAGED)
def many(request: Request) -> Response:
    """The signatures on many targets, the newest first, each with how far it is; POST: one
    signature on up to 1,000 named targets; what is refused of them holds up no other."""
    user, now = user_of(request), timezone.now()
    if request.method == "GET":
        return Response(_listed(request, user))
    require(batches.why_not_ask_many(user, now=now))
    data = checked(NamedIn(data=request.data))
    if data["dry_run"]:
        plan = batches.plan_named(
            names=data["names"], step=data["step"], by=user, now=now, by_hand=data["by_hand"]
        )
        return Response({"rows": planned(plan)})
    made = batches.named(
        names=data["names"],
        step=data["step"],
        because=reason_of(request, data["because"]),
        request_key=data["request_key"],
        by_hand=data["by_hand"],
        by=user,
        now=now,
    )
    return Response(as_data(made), status=202)


def _listed(request: Request, user: User) -> dict[str, Any]:
    limit, before = page_of(request)
    rows = batches.seen_by(user)
    if before is not None:
        rows = rows.filter(number__lt=before)
    found = list(rows[: limit + 1])
    more, found = len(found) > limit, found[:limit]
    how_far = batches.far(found)
    return {
        "rows": [head(row) | how_far.get(row.pk, batches.Far())._asdict() for row in found],
        "after": found[-1].number if more else None,
    }


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["revocations"])
@door({"GET": "read"})
def one(request: Request, key: str) -> Response:
    """What became of each target of a batch, as it stands now."""
    return Response(as_data(batch_of(user_of(request), key)))


def batch_of(user: User, key: str) -> Batch:
    """One that this user signed, or sees everything of; anything else is absent."""
    number = BAT.fullmatch(key)
    row = batches.seen_by(user).filter(number=int(number[1])).first() if number else None
    if row is None:
        raise Http404("no batch of this key")
    return row


def planned(rows: list[batches.Planned]) -> list[dict[str, Any]]:
    """A plan as JSON, each row with the place of what it comes from."""
    return [
        {
            "place": place,
            "above": one.above,
            "depth": one.depth,
            "named": one.named,
            "words": one.words,
            "identity": one.identity.key if one.identity is not None else None,
            "credential": one.credential.key if one.credential is not None else None,
            "would": one.does,
            "ends_with": one.with_,
            "refused": one.refused,
            "lives_until": one.lives_until.isoformat() if one.lives_until is not None else None,
            "shared": [use._asdict() for use in one.shared],
        }
        for place, one in enumerate(rows)
    ]


def head(batch: Batch) -> dict[str, Any]:
    """A batch as JSON, without its rows."""
    return {
        "batch": batch.key,
        "kind": batch.kind,
        "step": batch.step,
        "root": batch.root.key if batch.root is not None else None,
        "because": batch.because,
        "at": batch.at.isoformat(),
        "by": batch.by_name,
    }


def as_data(batch: Batch) -> dict[str, Any]:
    """A batch as JSON, with what became of each row."""
    return head(batch) | {
        "rows": [
            {
                "place": row.place,
                "above": row.above,
                "depth": row.depth,
                "named": row.subject,
                "words": row.words,
                "refused": row.failed_why,
                "lives_until": row.lives_until.isoformat() if row.lives_until else None,
                "revocations": [
                    {"key": rev.key, "words": rev.words, "state": rev.state, "stated": rev.stated}
                    for rev in found
                ],
            }
            for row, found in batches.results(batch)
        ],
    }
