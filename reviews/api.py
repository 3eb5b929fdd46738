"""Cases for scripts: siblings of the pages over the same actions. Serializers never save."""

import re
from typing import Any
from uuid import UUID

from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identities.api.doors import PAGED, door, named, page_of
from identities.api.identities import identity_of, user_of
from identities.api.serializers import Reason, checked
from identities.models import Delegation
from identities.permissions import NotPossible, require
from reviews import actions, permissions, visible
from reviews.actions import freezing, planted_answers
from reviews.actions.answers import WORDS
from reviews.campaigns.rows import by_key
from reviews.models import Case, Seat
from reviews.models.cases import DOORS, STATES
from reviews.pages import breaks, planted
from reviews.pages.case_data import as_data

OF_CASES = {"state": STATES, "door": DOORS, "campaign": (), **PAGED}


class ProposalIn(serializers.Serializer[Any]):
    """What is left (narrow), or the plan, what protects meanwhile and its date (replace)."""

    actions = serializers.ListField(
        child=serializers.CharField(max_length=2048), required=False, max_length=100
    )
    resources = serializers.ListField(
        child=serializers.CharField(max_length=2048), required=False, max_length=100
    )
    plan = serializers.CharField(required=False, max_length=2_000)
    control = serializers.CharField(required=False, max_length=2_000)
    by = serializers.DateTimeField(required=False)


class DecideIn(serializers.Serializer[Any]):
    """One answer in one seat on one item, against the version that was read."""

    item = serializers.UUIDField()
    seat = serializers.UUIDField()
    version = serializers.IntegerField(min_value=0)
    answer = serializers.ChoiceField(choices=list(WORDS))
    reason = Reason()
    proposal = ProposalIn(required=False)
    # The digest of what revoking breaks, as `breaks` gave it.
    breaks = serializers.CharField(required=False, default="", allow_blank=True, max_length=64)
    # A cut while a change freeze holds is meant for now.
    in_freeze = serializers.BooleanField(required=False, default=False)


class OpenIn(serializers.Serializer[Any]):
    """Open a review of an identity."""

    identity = serializers.CharField(max_length=200)
    reason = Reason()


class RequestIn(serializers.Serializer[Any]):
    """Ask for authority; `delegation` names the one to widen or renew."""

    identity = serializers.CharField(max_length=200)
    delegation = serializers.RegexField(r"^DLG-\d{1,15}$", required=False)
    actions = serializers.ListField(
        child=serializers.CharField(max_length=2048), min_length=1, max_length=100
    )
    resources = serializers.ListField(
        child=serializers.CharField(max_length=2048), min_length=1, max_length=100
    )
    purpose = serializers.CharField(max_length=500)
    task = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    on_behalf = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    starts_at = serializers.DateTimeField(required=False, default=None, allow_null=True)
    ends_at = serializers.DateTimeField()
    reason = Reason()


def case_of(request: Request, key: str) -> Case:
    """A case the caller may see; anything else is absent."""
    number = re.fullmatch(r"CS-0*(\d{1,15})", key)
    row = (
        visible.cases(user_of(request), now=timezone.now())
        .select_related("identity__service", "policy", "requester")
        .filter(number=int(number.group(1)) if number else -1)
        .first()
    )
    if row is None:
        raise Http404
    return row


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["cases"])
@door({"GET": "read"}, asks=OF_CASES)
def cases(request: Request) -> Response:
    """The cases the caller may see, newest first:
    ``?state=open&door=access_review&campaign=CMP-1&after=12``."""
    limit, after = page_of(request)
    asked = {name: str(value) for name, value in request.query_params.items()}
    rows = visible.cases(user_of(request), now=timezone.now()).select_related("identity")
    for name in ("state", "door"):
        if asked.get(name):
            rows = rows.filter(**{name: asked[name]})
    if asked.get("campaign"):
        campaign = by_key(asked["campaign"])
        rows = rows.filter(campaign=campaign) if campaign else rows.none()
    if after is not None:
        rows = rows.filter(number__lt=after)
    found = list(rows.order_by("-number")[:limit])
    return Response(
        {
            "rows": [
                {
                    "case": row.key,
                    "door": row.door,
                    "state": row.state,
                    "title": row.title,
                    "identity": row.identity.key if row.identity is not None else None,
                    "opened_at": row.opened_at,
                    "deadline_at": row.deadline_at,
                    "stage": row.stage,
                    "next_stage": row.next_stage,
                    "closed_at": row.closed_at,
                    "version": row.version,
                }
                for row in found
            ],
            "after": found[-1].number if len(found) == limit else None,
        }
    )


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["cases"])
@door({"GET": "read"})
def case(request: Request, key: str) -> Response:
    """One case: seats, items, answers."""
    return Response(as_data(case_of(request, key), user_of(request), now=timezone.now()))


@extend_schema(request=DecideIn, responses=OpenApiTypes.OBJECT, tags=["cases"])
@door({"POST": "act"})
def decide(request: Request, key: str) -> Response:
    """Sign an answer, as a person who has just confirmed who they are, never by a token (403, code
    ``person_required``).

    With the digest of ``breaks``: 409 with the new facts where what revoking breaks has changed.
    """
    row, user, now = case_of(request, key), user_of(request), timezone.now()
    seat = seat_of(request, row)
    if seat is None:
        require(permissions.why_not_decide_any(user, row, now=now))
    else:
        require(permissions.why_not_decide(user, row, seat, None, now=now))
    data = checked(DecideIn(data=request.data))
    item = planted.shown_item(row, str(data["item"]))
    if seat is None:
        raise Http404
    reason = freezing.knowingly(row, data["answer"], data["reason"], data["in_freeze"], now=now)
    changed = breaks.changed(item, data["answer"], data["breaks"], now=now)
    if changed is not None:
        facts = breaks.as_data(item, changed)
        return Response({"detail": f"{breaks.CHANGED}.", "breaks": facts}, status=409)
    made = actions.decide(
        case=row,
        item=item,
        seat=seat,
        answer=data["answer"],
        reason=reason,
        proposal=data.get("proposal") or {},
        by=user,
        now=now,
        version=data["version"],
    )
    if planted_answers.behind(item) is None:
        item.refresh_from_db()
    said = {
        "decision": str(made.pk),
        "answer": made.answer,
        "outcome": item.outcome,
        "held": item.held,
        "capsule": made.capsule.key if made.capsule else None,
        "version": Case.objects.values_list("version", flat=True).get(pk=row.pk),
    }
    return Response(said, status=201)


def seat_of(request: Request, case: Case) -> Seat | None:
    """The seat of the case that the body names; None where it names none of its seats."""
    try:
        wanted = UUID(named(request, "seat"))
    except ValueError:
        return None
    return case.seats.filter(pk=wanted).first()


@extend_schema(request=OpenIn, responses=OpenApiTypes.OBJECT, tags=["cases"])
@door({"POST": "act"})
def open_review(request: Request) -> Response:
    """Open a review, or get the one that is open."""
    user, now = user_of(request), timezone.now()
    if name := named(request, "identity"):
        require(permissions.why_not_open(user, identity_of(request, name), now=now))
    data = checked(OpenIn(data=request.data))
    row = actions.open_review(
        identity=identity_of(request, data["identity"]), by=user, now=now, reason=data["reason"]
    )
    return Response(as_data(row, user, now=now), status=201)


@extend_schema(request=RequestIn, responses=OpenApiTypes.OBJECT, tags=["cases"])
@door({"POST": "act"})
def request_access(request: Request) -> Response:
    """Ask for authority; it is in force when all seats have approved."""
    user, now = user_of(request), timezone.now()
    if name := named(request, "identity"):
        require(permissions.why_not_request(user, identity_of(request, name)))
    data = checked(RequestIn(data=request.data))
    identity = identity_of(request, data["identity"])
    delegation = None
    if data.get("delegation"):
        number = int(data["delegation"].removeprefix("DLG-"))
        delegation = Delegation.objects.filter(grantee=identity, number=number).first()
        if delegation is None:
            raise NotPossible(f"{identity.name} has no delegation {data['delegation']}.")
    fields = ("actions", "resources", "purpose", "task", "on_behalf", "starts_at", "ends_at")
    wanted = actions.Wanted(**{name: data[name] for name in fields})
    row = actions.request_access(
        identity=identity,
        wanted=wanted,
        by=user,
        now=now,
        reason=data["reason"],
        delegation=delegation,
    )
    return Response(as_data(row, user, now=now), status=201)
