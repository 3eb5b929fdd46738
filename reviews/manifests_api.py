"""Release manifests for pipelines: declared before a merge, and checked until both have signed."""

import re
from typing import Any

from django.conf import settings
from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identities import visible
from identities.api.doors import door, named
from identities.api.identities import identity_of, user_of
from identities.api.serializers import Reason, known_only
from identities.models import Identity, Manifest
from identities.permissions import NotPossible, require
from reviews import permissions
from reviews.actions import manifests
from reviews.manifest_document import ManifestError
from reviews.pages.manifests import as_data

SCOPE = "declare"
SAID = ("version", "model", "tools", "permissions")


class ManifestIn(serializers.Serializer[Any]):
    """A release: its agent (or its AI system, where one agent serves it) and what it declares.

    What the members hold is read by reviews/manifest_document.py, which names each place.
    """

    identity = serializers.CharField(required=False, max_length=200)
    ai_system = serializers.CharField(required=False, max_length=120)
    version = serializers.JSONField()
    model = serializers.JSONField(required=False)
    tools = serializers.JSONField(required=False)
    permissions = serializers.JSONField(required=False)
    reference = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=manifests.LONGEST_REFERENCE
    )
    reason = Reason()


@extend_schema(request=ManifestIn, responses=OpenApiTypes.OBJECT, tags=["manifests"])
@door({"POST": SCOPE})
def declare(request: Request) -> Response:
    """Declare a release; 202 with the address to check while it waits, 200 once it is settled.

    The same content is the same manifest: sending it again asks nobody twice.
    """
    user = user_of(request)
    named_by = {name: named(request, name) for name in ("identity", "ai_system")}
    if any(named_by.values()):
        require(permissions.why_not_request(user, _identity(request, named_by)))
    data = known_only(ManifestIn(data=request.data))
    try:
        row = manifests.declare(
            identity=_identity(request, data),
            said={name: data[name] for name in SAID if name in data},
            by=user,
            now=timezone.now(),
            reason=data["reason"],
            reference=data["reference"],
        )
    except ManifestError as problem:
        rows = [{"path": path, "problem": said} for path, said in problem.problems]
        return Response({"detail": "Nothing was declared.", "problems": rows}, status=422)
    return _answer(row, pending=202)


def _answer(row: Manifest, *, pending: int) -> Response:
    check = f"{settings.BASE_URL}/api/manifests/{row.key}/"
    data = as_data(row) | {"check": check, "page": f"{settings.BASE_URL}{row.url}"}
    waits = data["state"] == manifests.PENDING
    return Response(data, status=pending if waits else 200, headers={"Location": check})


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["manifests"])
@door({"GET": SCOPE})
def check(request: Request, key: str) -> Response:
    """Where a manifest stands: pending, signed, or refused with the reasons."""
    return _answer(manifest_of(request, key), pending=200)


def manifest_of(request: Request, key: str) -> Manifest:
    """A manifest of an identity that the caller sees; anything else is absent."""
    number = re.fullmatch(r"MAN-0*(\d{1,15})", key)
    row = (
        Manifest.objects.select_related("identity__service")
        .filter(
            number=int(number.group(1)) if number else -1,
            identity__in=visible.identities(user_of(request), now=timezone.now()),
        )
        .first()
    )
    if row is None:
        raise Http404
    return row


def _identity(request: Request, data: dict[str, Any]) -> Identity:
    if bool(data.get("identity")) == bool(data.get("ai_system")):
        raise NotPossible("Name the identity or the AI system, one of the two.")
    if data.get("identity"):
        return identity_of(request, data["identity"])
    rows = list(
        visible.identities(user_of(request), now=timezone.now())
        .filter(service__slug=data["ai_system"], service__ai_system=True)
        .exclude(state="retired")
        .order_by("number")[:20]
    )
    agents = [one for one in rows if one.kind == "agent"] or rows
    if not agents:
        raise Http404
    if len(agents) > 1:
        names = ", ".join(f"{one.key} {one.name}" for one in agents)
        raise NotPossible(f"{data['ai_system']} has several: name one of them: {names}.")
    return agents[0]
