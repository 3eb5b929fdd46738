"""The claim wave as JSON: proposals with their reasons, answers, rules, the burn-down."""

from typing import Any
from uuid import UUID

from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from evidence.parameters import Known
from evidence.vocabulary import STRENGTHS
from identities.claims import answering, asking, counting, questioning, rights, ruling
from identities.models import Claim, ClaimAnswer, Party, Service, User
from identities.permissions import NotAllowed, parties_of, require

from .doors import PAGED, door, named
from .identities import user_of
from .serializers import Reason, checked

OF_CLAIMS: Known = {"service": (), "bundle": (), "party": (), "nobody": ("1",), **PAGED}


class AnswerIn(serializers.Serializer[Any]):
    answer = serializers.ChoiceField(["yes", "not_mine"])
    party = serializers.UUIDField()
    bundle = serializers.CharField(max_length=300)
    reason = Reason()
    ask = serializers.CharField(max_length=300, default="", allow_blank=True)
    with_service = serializers.BooleanField(default=False)
    seen = serializers.IntegerField(min_value=1, required=False, allow_null=True, default=None)

    def get_fields(self) -> dict[str, Any]:
        # `except` is a word of Python and the plain one for people.
        excepted = serializers.ListField(
            child=serializers.UUIDField(), default=list, max_length=questioning.MOST
        )
        return {**super().get_fields(), "except": excepted}


class ClaimRuleIn(serializers.Serializer[Any]):
    party = serializers.CharField(max_length=300)
    service = serializers.CharField(max_length=120, default="", allow_blank=True)
    kind = serializers.ChoiceField(
        ["", "owner", "team", "creator", "iac", "codeowners", "cmdb"], default=""
    )
    value = serializers.CharField(max_length=300, default="", allow_blank=True)
    with_service = serializers.BooleanField(default=False)
    reason = Reason()
    digest = serializers.CharField(max_length=64, default="", allow_blank=True)


class WaveIn(serializers.Serializer[Any]):
    """How a wave asks: so many questions at once, of so many per cent, for so many days; and why."""

    at_once = serializers.IntegerField(default=asking.Terms().at_once)
    share = serializers.IntegerField(default=asking.Terms().share)
    patience_days = serializers.IntegerField(default=asking.Terms().patience_days)
    reason = Reason()


class WaveEndIn(serializers.Serializer[Any]):
    """Why it ends."""

    reason = Reason()


class PassOnIn(serializers.Serializer[Any]):
    """What nobody is known for, and whom to ask about it: a login, a mail address or a name."""

    bundle = serializers.CharField(max_length=300)
    ask = serializers.CharField(max_length=300)
    reason = Reason()


def claim_out(row: Claim) -> dict[str, Any]:
    """One question: whom it asks, how strong the evidence for it is, and all that it says."""
    return {
        "claim": str(row.pk),
        "identity": None if row.identity is None else row.identity.key,
        "actor": row.actor_id,
        "name": row.identity.name
        if row.identity is not None
        else row.actor.value
        if row.actor is not None
        else "",
        "service": None if row.service is None else row.service.slug,
        "bundle": row.bundle,
        "party": None if row.party_id is None else str(row.party_id),
        "party_name": None if row.party is None else str(row.party),
        "step": row.step,
        "strength": STRENGTHS.get(row.strength),
        "reasons": [
            {
                "words": one["words"],
                "strength": STRENGTHS.get(one["strength"]),
                "for": one["party"] == str(row.party_id),
                "party": one["party"],
            }
            for one in row.reasons
        ],
        "state": row.state,
        "asked_at": row.asked_at,
        "left_why": row.left_why,
    }


def answer_out(row: ClaimAnswer) -> dict[str, Any]:
    return {
        "answer": str(row.pk),
        "said": row.answer,
        "things": row.asked,
        "undo_until": row.not_before,
        "carried_at": row.carried_at,
        "undone_at": row.undone_at,
        "owned": row.owned,
    }


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["claims"])
@door({"GET": "read"}, asks=OF_CLAIMS)
def claims(request: Request) -> Response:
    """Open claims by their place: everybody's for who sees all, else those asked of you.

    `service`, `bundle`, `party` and `nobody=1` narrow it; `after` is the last claim's id.
    """
    user, now, asked = user_of(request), timezone.now(), request.query_params
    limit = _limit(request)
    rows = Claim.objects.filter(state="open")
    if rights.why_not_see_all(user) is not None:
        rows = rows.filter(party__in=parties_of(user, now=now), asked_at__isnull=False)
    for name, path in (("service", "service__slug"), ("bundle", "bundle")):
        if asked.get(name):
            rows = rows.filter(**{path: asked[name][:300].replace("\0", "")})
    if asked.get("party"):
        rows = rows.filter(party=_uuid(asked["party"]))
    if asked.get("nobody"):
        rows = rows.filter(party__isnull=True)
    if asked.get("after"):
        rows = rows.filter(pk__gt=_uuid(asked["after"]))
    found = list(
        rows.select_related(*questioning.RELATED, "identity", "actor").order_by("pk")[: limit + 1]
    )
    shown = found[:limit]
    return Response(
        {
            "rows": [claim_out(row) for row in shown],
            "after": str(shown[-1].pk) if len(found) > limit else None,
        }
    )


def _limit(request: Request) -> int:
    """How many; the cursor of claims is an id, so `page_of` does not read it."""
    try:
        return max(1, min(int(request.query_params.get("limit", 50)), 500))
    except ValueError:
        raise ValidationError("limit must be a number.") from None


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ValidationError("party and after are ids as they were answered.") from None


def _party(text: str) -> Party:
    found = Party.objects.select_related("person", "team").filter(pk=_uuid(text)).first()
    if found is None:
        raise Http404
    return found


@extend_schema(request=AnswerIn, responses=OpenApiTypes.OBJECT, tags=["claims"])
@door({"POST": "act"})
def answer(request: Request) -> Response:
    """Yes, with exceptions, or not mine, with whom to ask. It can be taken back for 8 seconds."""
    user, now = user_of(request), timezone.now()
    if name := named(request, "party"):
        party = _party(name)
        require(rights.why_not_answer(user, party, now=now))
    data = checked(AnswerIn(data=request.data))
    party = _party(str(data["party"]))
    if data["answer"] == "yes":
        row = answering.yes(
            party=party,
            bundle=data["bundle"],
            by=user,
            now=now,
            except_for=data["except"],
            with_service=data["with_service"],
            reason=data["reason"],
            seen=data["seen"],
        )
    else:
        row = answering.not_mine(
            party=party,
            bundle=data["bundle"],
            by=user,
            now=now,
            reason=data["reason"],
            ask=data["ask"],
            seen=data["seen"],
        )
    return Response(answer_out(row), status=202)


@extend_schema(request=None, responses=OpenApiTypes.OBJECT, tags=["claims"])
@door({"POST": "act"})
def undo(request: Request, pk: UUID) -> Response:
    """Take one's own answer back before it is carried out."""
    user = user_of(request)
    row = ClaimAnswer.objects.filter(pk=pk, person__isnull=False).first()
    if row is None:
        raise Http404
    answering.undo(answer=row, by=user, now=timezone.now())
    row.refresh_from_db()
    return Response(answer_out(row))


@extend_schema(request=ClaimRuleIn, responses=OpenApiTypes.OBJECT, tags=["claims"])
@door({"POST": "act"})
def rule(request: Request) -> Response:
    """Without `digest` exactly what the rule covers and leaves; with the digest of that, sign it."""
    user, now = user_of(request), timezone.now()
    require(rights.why_not_run(user, now=now))
    data = checked(ClaimRuleIn(data=request.data))
    service = None
    if data["service"]:
        service = Service.objects.filter(slug=data["service"]).select_related("owner").first()
        if service is None:
            raise ValidationError({"service": ["no service has this slug"]})
    asked = ruling.Rule(
        party=asking.party_named(data["party"]),
        service=service,
        kind=data["kind"],
        value=data["value"],
        with_service=data["with_service"],
    )
    if data["digest"]:
        row = ruling.confirm(
            rule=asked, digest=data["digest"], reason=data["reason"], by=user, now=now
        )
        return Response(answer_out(row), status=202)
    found = ruling.preview(rule=asked, now=now)
    return Response(
        {
            "rule": asked.words(),
            "digest": found.digest,
            "covers": len(found.claims),
            "claims": [claim_out(row) for row in found.claims],
            "left": [{**claim_out(one.claim), "why": one.why} for one in found.left],
            "more": found.more,
        }
    )


@extend_schema(request=PassOnIn, responses=OpenApiTypes.OBJECT, tags=["claims"])
@door({"POST": "act"})
def pass_on(request: Request) -> Response:
    """Say whom to ask where nobody is known; it makes nobody an owner."""
    user, data = _running(request, PassOnIn)
    row = answering.pass_on(**data, by=user, now=timezone.now())
    return Response(answer_out(row), status=202)


@extend_schema(request=WaveIn, responses=OpenApiTypes.OBJECT, tags=["claims"])
@door({"POST": "act"})
def wave_start(request: Request) -> Response:
    """Begin to ask for owners."""
    user, data = _running(request, WaveIn)
    reason = data.pop("reason")
    wave = asking.start(terms=asking.Terms(**data), reason=reason, by=user, now=timezone.now())
    return Response({"wave": str(wave.pk), "started_at": wave.started_at}, status=201)


@extend_schema(request=WaveEndIn, responses=OpenApiTypes.OBJECT, tags=["claims"])
@door({"POST": "act"})
def wave_end(request: Request) -> Response:
    """Ask nobody anything new; what was asked can still be answered."""
    user, data = _running(request, WaveEndIn)
    asking.end(**data, by=user, now=timezone.now())
    return Response({"running": asking.running() is not None})


def _running(
    request: Request, takes: type[serializers.Serializer[Any]]
) -> tuple[User, dict[str, Any]]:
    user = user_of(request)
    require(rights.why_not_run(user, now=timezone.now()))
    return user, dict(checked(takes(data=request.data)))


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["claims"])
@door({"GET": "read"})
def burn_down(request: Request) -> Response:
    """Daily counts, for whom it waits by team, and the forecast or why there is none."""
    why = rights.why_not_see_all(user_of(request))
    if why is not None:
        raise NotAllowed(why)
    rows = counting.days(now=timezone.now())
    ahead = counting.forecast(rows)
    return Response(
        {
            "days": counting.as_data(rows),
            "waits_for": [
                {
                    "team": one.name or None,
                    "parties": one.parties,
                    "questions": one.questions,
                    "asked": one.asked,
                    "later": one.later,
                    "owned": one.owned,
                    "since": one.since,
                }
                for one in counting.waiting()
            ],
            "nobody_known": [one._asdict() for one in counting.nobody()],
            "forecast": ahead._asdict(),
        }
    )
