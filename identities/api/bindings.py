"""Unclaimed actors and their proposals as JSON: confirm, reject, bind, many by a rule."""

from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from evidence.models import Actor
from identities import visible
from identities.actions import bindings as binding_actions
from identities.models import Binding
from identities.permissions import (
    require,
    why_not_claim,
    why_not_confirm_binding,
    why_not_see_unclaimed,
)

from .doors import PAGED, door, named, page_of
from .identities import identity_of, user_of
from .serializers import (
    BindIn,
    BindingOut,
    ConfirmIn,
    RejectIn,
    RuleIn,
    checked,
    unclaimed_out,
)


def _binding(request: Request, pk: int) -> Binding:
    """The binding that somebody may settle who asks for it."""
    user, now = user_of(request), timezone.now()
    rows = visible.bindings(user, now=now)
    row = rows.select_related("identity__service", "actor").filter(pk=pk).first()
    if row is None:
        raise Http404
    require(why_not_confirm_binding(user, row, now=now))
    return row


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["unclaimed"])
@door({"GET": "read"}, asks={"search": (), **PAGED})
def unclaimed(request: Request) -> Response:
    """Actors nobody has claimed, newest first: those who see all identities see them."""
    require(why_not_see_unclaimed(user_of(request)))
    limit, after = page_of(request)
    rows = binding_actions.unclaimed(
        now=timezone.now(),
        search=request.query_params.get("search", "")[:200],
        before=after,
        most=limit,
    )
    return Response(
        {
            "rows": [unclaimed_out(row) for row in rows],
            "after": rows[-1].actor.pk if len(rows) == limit else None,
        }
    )


@extend_schema(request=BindIn, responses=BindingOut, tags=["unclaimed"])
@door({"POST": "act"})
def bind(request: Request) -> Response:
    user, now = user_of(request), timezone.now()
    if name := named(request, "identity"):
        require(why_not_claim(user, identity_of(request, name), now=now))
    data = checked(BindIn(data=request.data))
    identity = identity_of(request, data["identity"])
    actor = Actor.objects.filter(pk=data["actor"]).first()
    if actor is None:
        raise Http404
    made = binding_actions.bind(
        identity=identity,
        actor=actor,
        by=user,
        now=now,
        shared=data["shared"],
        reason=data["reason"],
    )
    return Response(BindingOut(made).data, status=201)


@extend_schema(request=ConfirmIn, responses=BindingOut, tags=["unclaimed"])
@door({"POST": "act"})
def confirm(request: Request, pk: int) -> Response:
    row = _binding(request, pk)
    data = checked(ConfirmIn(data=request.data))
    made = binding_actions.confirm(
        binding=row, by=user_of(request), now=timezone.now(), shared=data["shared"]
    )
    return Response(BindingOut(made).data)


@extend_schema(request=RejectIn, responses=BindingOut, tags=["unclaimed"])
@door({"POST": "act"})
def reject(request: Request, pk: int) -> Response:
    row = _binding(request, pk)
    data = checked(RejectIn(data=request.data))
    made = binding_actions.reject(
        binding=row, by=user_of(request), now=timezone.now(), reason=data["reason"]
    )
    return Response(BindingOut(made).data)


@extend_schema(request=RejectIn, responses=None, tags=["unclaimed"])
@door({"POST": "act"})
def unbind(request: Request, pk: int) -> Response:
    row = _binding(request, pk)
    data = checked(RejectIn(data=request.data))
    binding_actions.unbind(
        binding=row, by=user_of(request), now=timezone.now(), reason=data["reason"]
    )
    return Response(status=204)


@extend_schema(request=RuleIn, responses=OpenApiTypes.OBJECT, tags=["unclaimed"])
@door({"POST": "act"})
def confirm_by_rule(request: Request) -> Response:
    """Everything a rule covers; with `dry_run` only what it would. For those who see all identities:
    what a rule covers names actors and identities of others."""
    user, now = user_of(request), timezone.now()
    require(why_not_see_unclaimed(user))
    data: dict[str, Any] = checked(RuleIn(data=request.data))
    rule = binding_actions.Rule(data["least_calls"], data["competing"])
    if data["dry_run"]:
        rows = binding_actions.preview(rule=rule, now=now)[:200]
        return Response({"would_confirm": BindingOut(rows, many=True).data})
    done, left = binding_actions.confirm_by_rule(rule=rule, by=user, now=now)
    return Response({"confirmed": BindingOut(done, many=True).data, "left": left[:200]})
