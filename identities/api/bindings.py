"""Unclaimed actors and their proposals as JSON: confirm, reject, bind, many by a rule.

GET of what links or takes back says what it would change; POST does it. With the digest of what
was shown, POST is answered with 409 and the new facts where something else would change by now.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from evidence.models import Actor
from evidence.parameters import Known, is_whole, whole
from identities import visible
from identities.actions import bindings as binding_actions
from identities.actions.bindings import foreseeing, linking, links
from identities.actions.bindings.links import Link
from identities.models import Binding, LinkProposal, ProposedChange
from identities.permissions import (
    require,
    why_not_claim,
    why_not_confirm_binding,
    why_not_refuse_link,
    why_not_see_unclaimed,
    why_not_sign_link,
)

from .doors import PAGED, door, named, page_of
from .identities import identity_of, user_of
from .serializers import (
    BindIn,
    BindingOut,
    ConfirmIn,
    KnowingIn,
    LinkProposalOut,
    RejectIn,
    RuleIn,
    checked,
    unclaimed_out,
)

WORDS = ("true", "false")
OF_BIND: Known = {"actor": is_whole, "identity": (), "shared": WORDS}


def _changed(view: Callable[..., Response]) -> Callable[..., Response]:
    """409 with the new facts, where what it changes has changed."""

    @wraps(view)
    def answered(*args: Any, **kwargs: Any) -> Response:
        try:
            return view(*args, **kwargs)
        except linking.Changed as problem:
            said = {"detail": str(problem), "changes": problem.changes.as_data()}
            return Response(said, status=409)

    return answered


def _binding(request: Request, pk: int) -> Binding:
    """The binding that somebody may settle who asks for it."""
    user, now = user_of(request), timezone.now()
    rows = visible.bindings(user, now=now)
    row = rows.select_related("identity__service", "actor").filter(pk=pk).first()
    if row is None:
        raise Http404
    require(why_not_confirm_binding(user, row, now=now))
    return row


def _facts(request: Request, wanted: Sequence[Link]) -> Response:
    found = foreseeing.look(wanted, by=user_of(request), now=timezone.now())
    return Response(found.as_data())


def _done(made: Binding | list[LinkProposal] | ProposedChange, *, status: int) -> Response:
    """The link; 202 with what waits for the owners of others, or for a second person."""
    if isinstance(made, Binding):
        return Response(BindingOut(made).data, status=status)
    if isinstance(made, ProposedChange):
        return Response({"waits": made.key}, status=202)
    return Response({"proposed": LinkProposalOut(made, many=True).data}, status=202)


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
@door({"GET": "read", "POST": "act"}, asks=OF_BIND)
@_changed
def bind(request: Request) -> Response:
    user, now = user_of(request), timezone.now()
    asked = request.method == "GET"
    name = request.query_params.get("identity", "") if asked else named(request, "identity")
    if name or asked:
        require(why_not_claim(user, identity_of(request, name), now=now))
    if asked:
        number: int | None = whole(request.query_params.get("actor", ""))
        shared = request.query_params.get("shared") == "true"
        data: dict[str, Any] = {"identity": name, "actor": number, "shared": shared}
    else:
        data = checked(BindIn(data=request.data))
    identity = identity_of(request, data["identity"])
    actor = Actor.objects.filter(pk=data["actor"] or 0).first()
    if actor is None:
        raise Http404
    link = Link(identity, actor, shared=data["shared"])
    if asked:
        return _facts(request, [link])
    made = linking.one(link, by=user, now=now, reason=data["reason"], was=data["changes"])
    return _done(made, status=201)


@extend_schema(request=ConfirmIn, responses=BindingOut, tags=["unclaimed"])
@door({"GET": "read", "POST": "act"}, asks={"shared": WORDS})
@_changed
def confirm(request: Request, pk: int) -> Response:
    row = _binding(request, pk)
    if request.method == "GET":
        said = request.query_params.get("shared", "")
        return _facts(request, links.of([row], shared=said == "true" if said else None))
    data = checked(ConfirmIn(data=request.data))
    (link,) = links.of([row], shared=data["shared"])
    made = linking.one(
        link, by=user_of(request), now=timezone.now(), reason=data["reason"], was=data["changes"]
    )
    return _done(made, status=200)


@extend_schema(request=RejectIn, responses=BindingOut, tags=["unclaimed"])
@door({"POST": "act"})
def reject(request: Request, pk: int) -> Response:
    row = _binding(request, pk)
    data = checked(RejectIn(data=request.data))
    made = binding_actions.reject(
        binding=row, by=user_of(request), now=timezone.now(), reason=data["reason"]
    )
    return Response(BindingOut(made).data)


@extend_schema(request=KnowingIn, responses=OpenApiTypes.OBJECT, tags=["unclaimed"])
@door({"GET": "read", "POST": "act"})
@_changed
def unbind(request: Request, pk: int) -> Response:
    """Taking a confirmed link back; a second person signs it (202)."""
    link = links.ending(_binding(request, pk))
    if request.method == "GET":
        return _facts(request, [link])
    data = checked(KnowingIn(data=request.data))
    made = linking.one(
        link, by=user_of(request), now=timezone.now(), reason=data["reason"], was=data["changes"]
    )
    return _done(made, status=200)


@extend_schema(request=RuleIn, responses=OpenApiTypes.OBJECT, tags=["unclaimed"])
@door({"POST": "act"})
@_changed
def confirm_by_rule(request: Request) -> Response:
    """Everything a rule covers; with `dry_run` only what it would. For those who see all identities:
    what a rule covers names actors and identities of others."""
    user, now = user_of(request), timezone.now()
    require(why_not_see_unclaimed(user))
    data: dict[str, Any] = checked(RuleIn(data=request.data))
    rule = binding_actions.Rule(data["least_calls"], data["competing"])
    if data["dry_run"]:
        rows = list(binding_actions.preview(rule=rule, now=now)[: linking.MOST_AT_ONCE])
        found = foreseeing.look(links.of(rows), by=user, now=now)
        would = BindingOut(rows[:200], many=True).data
        return Response({"would_confirm": would, "changes": found.as_data()})
    done, left = linking.confirm_by_rule(
        rule=rule, by=user, now=now, reason=data["reason"], was=data["changes"]
    )
    return Response({"confirmed": BindingOut(done, many=True).data, "left": left[:200]})


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["unclaimed"])
@door({"GET": "read"})
def link_proposals(request: Request) -> Response:
    """Links that wait for the owner of another identity: yours to sign, or seen by you."""
    rows = visible.link_proposals(user_of(request), now=timezone.now()).filter(state="proposed")
    rows = rows.select_related("identity", "other", "actor").order_by("proposed_at")
    return Response({"rows": LinkProposalOut(rows[:200], many=True).data})


@extend_schema(request=KnowingIn, responses=LinkProposalOut, tags=["unclaimed"])
@door({"GET": "read", "POST": "act"})
@_changed
def sign_link(request: Request, pk: Any) -> Response:
    row, user, now = _proposal(request, pk), user_of(request), timezone.now()
    if request.method == "GET":
        return Response(linking.foresee(row, by=user, now=now).as_data())
    require(why_not_sign_link(user, row, now=now))
    data = checked(KnowingIn(data=request.data))
    made = linking.sign(row=row, by=user, now=now, was=data["changes"])
    row.refresh_from_db()
    said = {"binding": None if made is None else BindingOut(made).data}
    return Response(LinkProposalOut(row).data | said)


@extend_schema(request=RejectIn, responses=LinkProposalOut, tags=["unclaimed"])
@door({"POST": "act"})
def refuse_link(request: Request, pk: Any) -> Response:
    row, user, now = _proposal(request, pk), user_of(request), timezone.now()
    require(why_not_refuse_link(user, row, now=now))
    data = checked(RejectIn(data=request.data))
    made = linking.refuse(row=row, by=user, now=now, reason=data["reason"])
    return Response(LinkProposalOut(made).data)


def _proposal(request: Request, pk: Any) -> LinkProposal:
    rows = visible.link_proposals(user_of(request), now=timezone.now())
    row = rows.select_related("identity__service", "other__service", "actor").filter(pk=pk).first()
    if row is None:
        raise Http404
    return row
