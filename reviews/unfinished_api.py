"""What is not finished, and stating that it was done by hand, for scripts: siblings of the pages."""

import base64
import binascii
from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from evidence import proofs
from identities import visible
from identities.actions import grants, revocations
from identities.actions.revocations import by_hand, stating
from identities.actions.revocations import rights as nightly
from identities.api.doors import door, page_of
from identities.api.identities import user_of
from identities.api.serializers import RevocationOut, checked
from identities.models import Revocation, Rights, Statement
from identities.permissions import NotPossible, require
from reviews.actions.stating import two_needed
from reviews.exports import moment
from reviews.pages import unfinished, unfinished_grants

OF_WALL = {**unfinished.KNOWN, "limit": (), "after": ()}


class StateIn(serializers.Serializer[Any]):
    """Who did it, when, what was done, and the file that shows it, in base64."""

    done_by = serializers.CharField(max_length=stating.LONGEST_NAME)
    done_at = serializers.DateTimeField()
    note = serializers.CharField(allow_blank=True, default="")
    file_name = serializers.CharField(max_length=200)
    file = serializers.CharField(max_length=proofs.LARGEST * 2)


class RefuseIn(serializers.Serializer[Any]):
    """Why a statement is not believed."""

    reason = serializers.CharField(allow_blank=True, default="")


def revocation_of(request: Request, key: str) -> Revocation:
    """One that the caller may see; 404 otherwise."""
    number = key.removeprefix("REV-")
    rows = visible.revocations(user_of(request), now=timezone.now())
    if not (number.isascii() and number.isdigit() and len(number) <= 15):
        raise Http404
    row = (
        rows.select_related("identity__service", "credential", "cause")
        .prefetch_related("statements")
        .filter(number=int(number))
        .first()
    )
    if row is None:
        raise Http404
    return row


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["revocations"])
@door({"GET": "read"}, asks=OF_WALL)
def wall(request: Request) -> Response:
    """What is asked for and not effective, the oldest first: ``?system=aws&state=failed&age=day``;
    ``after`` is the number of rows that were read already. ``grants``, beside the first of them: what
    should be gone and is not shown to be, or waits for a person."""
    user, now = user_of(request), timezone.now()
    limit, after = page_of(request)
    asked = {name: str(value)[:500] for name, value in request.query_params.items()}
    first = after or 0
    if first > 100_000:
        raise NotPossible("Take a list that long out as a file: /unfinished.json.")
    rows = list(unfinished.found(user, asked, now=now)[first : first + limit + 1])
    known = unfinished.standings(rows[:limit], unfinished.around())
    given = unfinished_grants.found(user, asked, now=now)[: 0 if first else limit]
    return Response(
        {
            "rows": [unfinished.as_data(one, how) for one, how in known],
            "grants": [unfinished_grants.as_data(one) for one in grants.seen(given, now=now)],
            "after": first + limit if len(rows) > limit else None,
        }
    )


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["revocations"])
@door({"GET": "read"})
def rights(request: Request) -> Response:
    """What each enforcer said last that it may not do, and which targets could not be stopped."""
    if not visible.sees_all(user_of(request)):
        raise Http404
    rows = Rights.objects.order_by("system", "account")
    return Response({"rows": [_timed(nightly.as_row(one)) for one in rows]})


def _timed(row: dict[str, Any]) -> dict[str, Any]:
    return row | {name: moment(row[name]) for name in ("answered_at", "failed_at")}


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["revocations"])
@door({"GET": "read"})
def one(request: Request, key: str) -> Response:
    """One revocation, what people state of it, and what a person does by hand."""
    return Response(_whole(revocation_of(request, key)))


def _whole(row: Revocation) -> dict[str, Any]:
    steps = by_hand.steps(row, {}) if row.state in stating.OPEN else []
    return {
        **RevocationOut(row).data,
        "by_hand": steps,
        "statements": [_statement(one) for one in row.statements.order_by("pk")],
    }


def _statement(one: Statement) -> dict[str, Any]:
    return {
        "state": one.state,
        "done_by": one.done_by,
        "done_at": moment(one.done_at),
        "note": one.note,
        "stated_by": one.stated_by_name,
        "stated_at": moment(one.stated_at),
        "two_needed": one.two_needed,
        "settled_by": one.settled_by_name,
        "settled_at": moment(one.settled_at),
        "settled_reason": one.settled_reason,
        "seen_at": moment(one.seen_at),
        "detail": one.detail,
        "file_name": one.file_name,
        "sha256": one.kept_digest,
    }


@extend_schema(request=StateIn, responses=OpenApiTypes.OBJECT, tags=["revocations"])
@door({"POST": "act"})
def state(request: Request, key: str) -> Response:
    """State that it was done by hand; `two_needed`: a second person signs before it counts."""
    row, user, now = revocation_of(request, key), user_of(request), timezone.now()
    require(stating.why_not_state(user, row.identity, now=now))
    data = checked(StateIn(data=request.data))
    try:
        body = base64.b64decode(data["file"], validate=True)
    except (binascii.Error, ValueError):
        raise NotPossible("The file is not in base64.") from None
    stating.state(
        revocation=row,
        done_by=data["done_by"],
        done_at=data["done_at"],
        note=data["note"],
        file=stating.File(data["file_name"], body),
        two_needed=two_needed(row),
        by=user,
        now=now,
    )
    return Response(_whole(revocation_of(request, key)), status=201)


@extend_schema(request=None, responses=OpenApiTypes.OBJECT, tags=["revocations"])
@door({"POST": "act"})
def sign(request: Request, key: str) -> Response:
    """The second person's signature under a statement."""
    row, user, now = revocation_of(request, key), user_of(request), timezone.now()
    waits = row.statements.filter(state="proposed").first()
    require(stating.why_not_sign_statement(user, row.identity, waits, now=now))
    stating.sign(revocation=row, by=user, now=now)
    return Response(_whole(revocation_of(request, key)))


@extend_schema(request=RefuseIn, responses=OpenApiTypes.OBJECT, tags=["revocations"])
@door({"POST": "act"})
def refuse(request: Request, key: str) -> Response:
    """A statement that is not believed, or is taken back."""
    row, user, now = revocation_of(request, key), user_of(request), timezone.now()
    waits = row.statements.filter(state="proposed").first()
    require(stating.why_not_refuse_statement(user, row.identity, waits, now=now))
    data = checked(RefuseIn(data=request.data))
    stating.refuse(revocation=row, reason=data["reason"], by=user, now=now)
    return Response(_whole(revocation_of(request, key)))


@extend_schema(request=None, responses=OpenApiTypes.OBJECT, tags=["revocations"])
@door({"POST": "act"})
def retry(request: Request, key: str) -> Response:
    """Try what failed again, after whoever had to act has acted."""
    revocations.retry(
        revocation=revocation_of(request, key), by=user_of(request), now=timezone.now()
    )
    return Response(_whole(revocation_of(request, key)), status=202)
