"""What somebody answers for, for scripts: siblings of the pages over the same actions."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identities import visible as identities_visible
from identities.actions import vendors
from identities.actions.identities import locked
from identities.api.doors import door, named
from identities.api.identities import identity_of, user_of
from identities.api.serializers import AttestIn, BecauseIn, IdentityOut, Reason, known_only
from identities.models import Identity
from identities.permissions import (
    NotPossible,
    require,
    why_not_activate,
    why_not_attest,
    why_not_describe,
)
from reviews import owner_permissions
from reviews.actions import activating, attesting, offers, resuming, retiring
from reviews.models import OwnerOffer, SuccessionItem
from reviews.pages import owned, suspended
from reviews.permissions import mine
from reviews.succession import passing


class HandOverIn(serializers.Serializer[Any]):
    """Whom to ask: a login, a mail address, or the name of a person or team."""

    to = serializers.CharField(max_length=254)
    how = serializers.ChoiceField(choices=["hand_over", "not_mine"], default="hand_over")
    reason = Reason()


class AnswerIn(serializers.Serializer[Any]):
    """Accept, or decline with a reason; `ask`: whom to ask instead."""

    answer = serializers.ChoiceField(choices=["accept", "decline", "withdraw"])
    reason = Reason()
    ask = serializers.CharField(max_length=254, default="", allow_blank=True)


class TakeOverIn(serializers.Serializer[Any]):
    """Accept, or decline with a reason: then it goes to the next who is there."""

    answer = serializers.ChoiceField(choices=["accept", "decline"])
    reason = Reason()


class ManyIn(serializers.Serializer[Any]):
    """Identities by key, id or name, and the end that all of them get."""

    identities = serializers.ListField(
        child=serializers.CharField(max_length=300), min_length=1, max_length=attesting.MOST
    )
    expires_at = serializers.DateTimeField()


class ActivateIn(serializers.Serializer[Any]):
    """What is stated of an identity, or of all that are made active together: `expires_at` of each,
    `purpose` of those that have none."""

    purpose = serializers.CharField(max_length=2_000, default="", allow_blank=True)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class ActivateManyIn(ActivateIn):
    """Identities by key, id or name."""

    identities = serializers.ListField(
        child=serializers.CharField(max_length=300), min_length=1, max_length=activating.MOST
    )


class ResumeIn(serializers.Serializer[Any]):
    """Why it may work again."""

    reason = Reason()


class AttestedIn(serializers.Serializer[Any]):
    """What the vendor has attested, from when to when, and where the document is."""

    what = serializers.CharField(max_length=vendors.LONGEST)
    stated_on = serializers.DateField()
    valid_until = serializers.DateField(required=False, allow_null=True, default=None)
    reference = serializers.CharField(
        max_length=vendors.LONGEST, required=False, allow_blank=True, default=""
    )


class VendorIn(serializers.Serializer[Any]):
    """What is stated of an external integration; `attested` is added to what the vendor attested
    before."""

    evidence_boundary = serializers.CharField(
        max_length=vendors.LONGEST, required=False, allow_blank=True
    )
    vendor_contact = serializers.CharField(
        max_length=vendors.LONGEST, required=False, allow_blank=True
    )
    contract_ends_at = serializers.DateTimeField(required=False, allow_null=True)
    data_leaving = serializers.CharField(
        max_length=vendors.LONGEST, required=False, allow_blank=True
    )
    attested = AttestedIn(required=False)


@extend_schema(request=BecauseIn, responses=IdentityOut, tags=["identities"])
@door({"POST": "act"})
def retire(request: Request, key: str) -> Response:
    """Retire an identity for good; of an AI system once its seats have decided to revoke it."""
    row, user, now = identity_of(request, key), user_of(request), timezone.now()
    require(retiring.why_not(user, row, now=now))
    data = known_only(BecauseIn(data=request.data))
    retiring.retire(identity=row, by=user, now=now, reason=data["because"])
    return Response(IdentityOut(identity_of(request, key)).data)


@extend_schema(request=ResumeIn, responses=OpenApiTypes.OBJECT, tags=["identities"])
@door({"GET": "read", "POST": "act"})
def resume(request: Request, key: str) -> Response:
    """GET: by whom and what it is suspended, who signs, and why it cannot be asked for. POST: ask
    that it works again; its seats sign in the case that this opens."""
    row, user, now = identity_of(request, key), user_of(request), timezone.now()
    if request.method == "POST":
        require(resuming.why_not(user, row))
        data = known_only(ResumeIn(data=request.data))
        case = resuming.ask(identity=row, by=user, now=now, **data)
        return Response({"case": case.key, "state": case.state}, status=201)
    found = suspended.facts(row, user, now=now)
    if found is None:
        return Response({"identity": row.key, "suspended": None})
    said = {name: found[name] for name in ("at", "by", "why", "works", "case", "asked", "signs")}
    why_not = found["act"]["why_not"]
    return Response({"identity": row.key, "suspended": said | {"why_not": why_not}})


@extend_schema(request=AttestIn, responses=IdentityOut, tags=["identities"])
@door({"POST": "act"})
def attest(request: Request, key: str) -> Response:
    """State purpose and expiry; 409 names the bound and the policy's version."""
    row, user, now = identity_of(request, key), user_of(request), timezone.now()
    require(why_not_attest(user, row, now=now))
    data = known_only(AttestIn(data=request.data))
    attesting.attest(identity=row, by=user, now=now, **data)
    return Response(IdentityOut(identity_of(request, key)).data)


@extend_schema(request=ActivateIn, responses=IdentityOut, tags=["identities"])
@door({"POST": "act"})
def activate(request: Request, key: str) -> Response:
    """Make a draft active; by whoever answers for it, with their statement of purpose and end."""
    row, user, now = identity_of(request, key), user_of(request), timezone.now()
    require(why_not_activate(user, row, now=now))
    data = known_only(ActivateIn(data=request.data))
    activating.activate(identity=row, by=user, now=now, **data)
    return Response(IdentityOut(identity_of(request, key)).data)


@extend_schema(request=ActivateManyIn, responses=OpenApiTypes.OBJECT, tags=["identities"])
@door({"POST": "act"})
def activate_many(request: Request) -> Response:
    """The same of many; a row for what became of each, or what it lacks."""
    data = known_only(ActivateManyIn(data=request.data))
    found = {key: _identity_or_none(request, key) for key in dict.fromkeys(data.pop("identities"))}
    there = {row.pk: row for row in found.values() if row is not None}
    done = {}
    if there:
        made = activating.activate_many(
            identities=list(there.values()), by=user_of(request), now=timezone.now(), **data
        )
        done = {one.identity.pk: one.why for one in made}
    return Response({"rows": [_became(key, row, done, "activated") for key, row in found.items()]})


def _became(key: str, row: Identity | None, why: Mapping[UUID, str], did: str) -> dict[str, Any]:
    """What became of one of many."""
    if row is None:
        return {"identity": key, did: False, "why_not": "There is no such identity."}
    return {"identity": row.key, did: not why[row.pk], "why_not": why[row.pk]}


@extend_schema(request=ManyIn, responses=OpenApiTypes.OBJECT, tags=["identities"])
@door({"POST": "act"})
def attest_many(request: Request) -> Response:
    """The same end for many of low risk; a row for what became of each."""
    data = known_only(ManyIn(data=request.data))
    found = {key: _identity_or_none(request, key) for key in dict.fromkeys(data["identities"])}
    there = {row.pk: row for row in found.values() if row is not None}
    done = {}
    if there:
        renewed = attesting.attest_many(
            identities=list(there.values()),
            expires_at=data["expires_at"],
            by=user_of(request),
            now=timezone.now(),
        )
        done = {one.identity.pk: one.why for one in renewed}
    return Response({"rows": [_became(key, row, done, "renewed") for key, row in found.items()]})


def _identity_or_none(request: Request, key: str) -> Identity | None:
    try:
        return identity_of(request, key)
    except Http404:
        return None


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["identities"])
@door({"GET": "read"}, asks=owned.OF_OWNED)
def owned_list(request: Request) -> Response:
    """What the caller answers for, what ends first comes first, and what they are asked."""
    asked = {key: str(value)[:200].replace("\0", "") for key, value in request.query_params.items()}
    user, now = user_of(request), timezone.now()
    found = owned.context(user, asked, now=now)
    wanted = (
        "key",
        "name",
        "kind",
        "state",
        "mode",
        "role",
        "purpose",
        "expires_at",
        "lacks",
        "attested_at",
    )
    parties = mine(user, now=now)
    return Response(
        {
            "rows": [
                {name: row[name] for name in wanted}
                | {"vacant": [one["place"] for one in row["vacant"]]}
                for row in found["rows"]
            ],
            "next": found["page"]["next_url"].replace("/owned/", "/api/owned/", 1),
            "offers": [
                offer_out(one)
                for one in OwnerOffer.objects.filter(state="open", to__in=parties).select_related(
                    "identity", "to__person", "to__team"
                )
            ],
            "succession": [
                item_out(one)
                for one in SuccessionItem.objects.filter(
                    state="asked", heir__in=parties
                ).select_related(
                    "succession", "identity", "service", "delegation__grantee", "heir__person",
                    "heir__team",
                )
            ],
        }
    )  # fmt: skip


@extend_schema(request=HandOverIn, responses=OpenApiTypes.OBJECT, tags=["identities"])
@door({"POST": "act"})
def hand_over(request: Request, key: str) -> Response:
    """Ask somebody to own the identity; until they accept, nothing changes."""
    row, user, now = identity_of(request, key), user_of(request), timezone.now()
    require(owner_permissions.why_not_offer(user, row, now=now))
    data = known_only(HandOverIn(data=request.data))
    made = offers.offer(identity=row, by=user, now=now, **data)
    return Response(offer_out(made), status=201)


@extend_schema(request=AnswerIn, responses=OpenApiTypes.OBJECT, tags=["identities"])
@door({"GET": "read", "POST": "act"})
def offer(request: Request, pk: UUID) -> Response:
    """One question about owning: read it, answer it or take it back."""
    user, now = user_of(request), timezone.now()
    row = OwnerOffer.objects.select_related("identity__service", "to").filter(pk=pk).first()
    if row is None or (
        row.to_id not in mine(user, now=now)
        and not identities_visible.identities(user, now=now).filter(pk=row.identity_id).exists()
    ):
        raise Http404
    if request.method == "POST":
        whys = {
            "accept": owner_permissions.why_not_answer_offer(user, row, now=now),
            "withdraw": owner_permissions.why_not_withdraw_offer(user, row, now=now),
        }
        if None not in whys.values():
            require(whys["accept"])
        require(whys["withdraw" if named(request, "answer") == "withdraw" else "accept"])
        data = known_only(AnswerIn(data=request.data))
        if data["ask"] and data["answer"] != "decline":
            raise NotPossible("Whom to ask instead is said with decline, and with nothing else.")
        if data["answer"] == "accept":
            row = offers.accept(offer=row, by=user, now=now)
        elif data["answer"] == "withdraw":
            row = offers.withdraw(offer=row, by=user, now=now)
        else:
            row = offers.decline(
                offer=row, reason=data["reason"], ask=data["ask"], by=user, now=now
            )
    return Response(offer_out(row))


@extend_schema(request=TakeOverIn, responses=OpenApiTypes.OBJECT, tags=["identities"])
@door({"POST": "act"})
def succession(request: Request, pk: UUID) -> Response:
    """Accept or decline what has come by succession."""
    user, now = user_of(request), timezone.now()
    row = SuccessionItem.objects.filter(heir__in=mine(user, now=now), pk=pk).first()
    if row is None:
        raise Http404
    require(owner_permissions.why_not_answer_item(user, row, now=now))
    data = known_only(TakeOverIn(data=request.data))
    if data["answer"] == "accept":
        row = passing.accept(item=row, by=user, now=now)
    else:
        row = passing.decline(item=row, reason=data["reason"], by=user, now=now)
    return Response(item_out(row))


@extend_schema(request=VendorIn, responses=IdentityOut, tags=["identities"])
@door({"POST": "act"})
def vendor(request: Request, key: str) -> Response:
    """State what is known of an external integration; what is left out stays as it is. With
    `attested`, record what its vendor attests. All of it, or nothing."""
    row, user, now = identity_of(request, key), user_of(request), timezone.now()
    require(why_not_describe(user, row, now=now))
    data = known_only(VendorIn(data=request.data))
    attested = data.pop("attested", None)
    if attested is not None:
        known_only(AttestedIn(data=dict(request.data)["attested"]))
    with transaction.atomic():
        # What is left out stays as it is now, not as it was when this request came in.
        row = locked(row.pk)
        before = {name: getattr(row, name) for name in vendors.Stated.__dataclass_fields__}
        vendors.describe(identity=row, said=vendors.Stated(**before | data), by=user, now=now)
        if attested is not None:
            vendors.attested(identity=row, by=user, now=now, **attested)
    return Response(IdentityOut(identity_of(request, key)).data)


def offer_out(row: OwnerOffer) -> dict[str, Any]:
    """One question about owning."""
    return {
        "id": str(row.pk),
        "identity": row.identity.key,
        "to": str(row.to),
        "how": row.how,
        "state": row.state,
        "asked_by": row.asked_by_name,
        "asked_at": row.asked_at,
        "deadline_at": row.deadline_at,
        "reason": row.reason,
        "settled_reason": row.settled_reason,
    }


def item_out(row: SuccessionItem) -> dict[str, Any]:
    """One thing that came by succession."""
    return {
        "id": str(row.pk),
        "list": row.succession.key,
        "what": passing.about(row),
        "role": row.role,
        "heir": str(row.heir or ""),
        "state": row.state,
        "deadline_at": row.deadline_at,
    }
