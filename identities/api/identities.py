"""Identities, their credentials, findings and revocations as JSON."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from evidence.parameters import Known
from identities import visible
from identities.actions import findings as finding_actions
from identities.actions import registration, revocations
from identities.decisions import NHI
from identities.models import Finding, Identity, User
from identities.models.behaviour import FINDING_STATES, RULES
from identities.models.identity import (
    CREDENTIAL_STATES,
    CRITICALITIES,
    KINDS,
    MODES,
    STATES,
)
from identities.permissions import (
    NotPossible,
    require,
    why_not_dispose_finding,
    why_not_register,
)
from identities.reasons import reason_given
from identities.register import NEVER, read

from .deciding import confirmed, reason_of
from .doors import PAGED, door, named, page_of
from .serializers import (
    AssignIn,
    CredentialOut,
    DisposeIn,
    FindingOut,
    IdentityOut,
    RegisterIn,
    RevocationOut,
    StepIn,
    checked,
)

OF_IDENTITIES: Known = {
    "state": STATES,
    "kind": KINDS,
    "mode": MODES,
    "criticality": CRITICALITIES,
    "search": (),
    **PAGED,
}
OF_CREDENTIALS: Known = {"identity": (), "state": CREDENTIAL_STATES, **PAGED}
OF_FINDINGS: Known = {"identity": (), "state": FINDING_STATES, "rule": RULES, **PAGED}
RELATED = (
    "service",
    "owner__person",
    "owner__team",
    "sponsor__person",
    "sponsor__team",
    "backup__person",
    "backup__team",
)


def user_of(request: Request) -> User:
    """The signed-in login; doors let nobody else in."""
    if not isinstance(request.user, User):
        raise Http404
    return request.user


def identity_of(request: Request, key: str) -> Identity:
    """By NHI key, id or name, among what the user may see; 404 otherwise."""
    rows = visible.identities(user_of(request), now=timezone.now()).select_related(*RELATED)
    number = NHI.fullmatch(key)
    try:
        found = rows.filter(number=int(number[1])) if number else rows.filter(pk=UUID(key))
    except ValueError:
        found = rows.filter(name=key)
    row = found.first()
    if row is None:
        raise Http404
    return row


def _page(request: Request, rows: QuerySet[Any], out: Any, path: str = "number") -> Response:
    """A page by number, newest first: rows that arrive meanwhile shift nothing."""
    limit, after = page_of(request)
    if after is not None:
        rows = rows.filter(**{f"{path}__lt": after})
    found = list(rows.order_by(f"-{path}")[: limit + 1])
    more = len(found) > limit
    found = found[:limit]
    return Response(
        {
            "rows": out(found, many=True).data,
            "after": getattr(found[-1], path) if more else None,
        }
    )


@extend_schema(responses=IdentityOut(many=True), tags=["identities"])
@door({"GET": "read"}, asks=OF_IDENTITIES)
def identities(request: Request) -> Response:
    """The identities the caller may see, newest first: ``?state=active&kind=agent&after=12``."""
    rows = visible.identities(user_of(request), now=timezone.now()).select_related(*RELATED)
    for name in ("state", "kind", "mode", "criticality"):
        if request.query_params.get(name):
            rows = rows.filter(**{name: request.query_params[name]})
    if request.query_params.get("search"):
        rows = rows.filter(name__icontains=request.query_params["search"][:200])
    return _page(request, rows, IdentityOut)


@extend_schema(responses=IdentityOut, tags=["identities"])
@door({"GET": "read"})
def identity(request: Request, key: str) -> Response:
    return Response(IdentityOut(identity_of(request, key)).data)


@extend_schema(request=StepIn, responses=RevocationOut(many=True), tags=["revocations"])
@door({"GET": "read", "POST": "act"}, asks=PAGED)
def steps(request: Request, key: str) -> Response:
    """GET: the identity's revocations. POST: ask for a step on it, or on one credential."""
    user, now = user_of(request), timezone.now()
    row = identity_of(request, key)
    if request.method == "GET":
        rows = visible.revocations(user, now=now).filter(identity=row)
        rows = rows.select_related("identity", "credential", "cause").prefetch_related("statements")
        return _page(request, rows, RevocationOut)
    # Whoever may ask for any step may ask for this one.
    require(revocations.why_not(row, "hold", user, now=now))
    require(revocations.why_not(row, named(request, "step"), user, now=now))
    data = checked(StepIn(data=request.data))
    because = reason_given(data["because"], what="it stands in the ledger")
    credential = None
    if data.get("credential"):
        credential = visible.credentials(user, now=now).filter(pk=data["credential"]).first()
        if credential is None:
            raise Http404
    made = revocations.request(
        identity=row,
        step=data["step"],
        by=user,
        now=now,
        because=reason_of(request, because),
        credential=credential,
    )
    return Response({"rows": RevocationOut(made, many=True).data}, status=202)


@extend_schema(responses=CredentialOut(many=True), tags=["credentials"])
@door({"GET": "read"}, asks=OF_CREDENTIALS)
def credentials(request: Request) -> Response:
    """Their credentials: ``?identity=NHI-1&state=active``."""
    rows = visible.credentials(user_of(request), now=timezone.now()).select_related(
        "actor", "identity", "issued_by", "issued_to", "seen_with"
    )
    if request.query_params.get("identity"):
        rows = rows.filter(identity=identity_of(request, request.query_params["identity"]))
    if request.query_params.get("state"):
        rows = rows.filter(state=request.query_params["state"])
    return _page(request, rows, CredentialOut)


@extend_schema(responses=FindingOut(many=True), tags=["findings"])
@door({"GET": "read"}, asks=OF_FINDINGS)
def findings(request: Request) -> Response:
    """Findings on them: ``?identity=NHI-1&state=open&rule=no_run``."""
    rows = visible.findings(user_of(request), now=timezone.now()).select_related(
        "identity", "assignee", "assignee__person"
    )
    for name in ("state", "rule"):
        if request.query_params.get(name):
            rows = rows.filter(**{name: request.query_params[name]})
    if request.query_params.get("identity"):
        rows = rows.filter(identity=identity_of(request, request.query_params["identity"]))
    return _page(request, rows, FindingOut)


@extend_schema(request=DisposeIn, responses=FindingOut, tags=["findings"])
@door({"POST": "act"})
def dispose(request: Request, pk: UUID) -> Response:
    """Say what it was: `confirmed` at once; anything else waits for a second person (202)."""
    user, now = user_of(request), timezone.now()
    row = _finding(request, pk)
    require(why_not_dispose_finding(user, row, now=now))
    data = checked(DisposeIn(data=request.data))
    done = finding_actions.dispose(finding=row, by=user, now=now, **data)
    if isinstance(done, Finding):
        return Response(FindingOut(done).data)
    return Response(FindingOut(row).data | {"waits": done.key}, status=202)


@extend_schema(request=AssignIn, responses=FindingOut, tags=["findings"])
@door({"POST": "act"})
def assign(request: Request, pk: UUID) -> Response:
    """Say who works on it: a login; "" for nobody."""
    user, now = user_of(request), timezone.now()
    row = _finding(request, pk)
    require(why_not_dispose_finding(user, row, now=now))
    name = checked(AssignIn(data=request.data))["assignee"]
    to = User.objects.filter(username=name).first() if name else None
    if name and to is None:
        raise NotPossible(f"There is no login called {name[:100]!r}.")
    done = finding_actions.assign(finding=row, to=to, by=user, now=now)
    return Response(FindingOut(done).data)


def _finding(request: Request, pk: UUID) -> Finding:
    rows = visible.findings(user_of(request), now=timezone.now())
    row: Finding | None = rows.filter(pk=pk).first()
    if row is None:
        raise Http404
    return row


@extend_schema(request=RegisterIn, responses=OpenApiTypes.OBJECT, tags=["identities"])
@door({"POST": "act"})
def register(request: Request) -> Response:
    user, now = user_of(request), timezone.now()
    require(why_not_register(user, now=now))
    data = checked(RegisterIn(data=request.data))
    entries = read(data["name"], data["text"])
    if not data["dry_run"] and any(
        one.moved or one.left not in (None, NEVER) for one in entries.people
    ):
        confirmed(request)
    done = registration.register(
        entries=entries,
        by=user,
        now=now,
        imported=data["imported"],
        dry_run=data["dry_run"],
    )
    return Response(registration.as_json(done))
