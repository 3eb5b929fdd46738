"""Legal holds of evidence for scripts. Who may is evidence's own to say."""

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from evidence import changing, custody, permissions
from evidence.models import LegalHold
from identities.permissions import require

from .doors import door
from .identities import user_of
from .serializers import Reason, checked


class HoldOverIn(serializers.Serializer[Any]):
    """Why the hold is over."""

    reason = Reason()


@extend_schema(request=HoldOverIn, responses=OpenApiTypes.OBJECT, tags=["sources"])
@door({"POST": "act"})
def release_hold(request: Request, name: str, number: int) -> Response:
    """Propose the end of a legal hold: what it held is deleted once its period is over. 202 with
    the key of the proposal, as a second person signs it first."""
    now = timezone.now()
    by = permissions.reader(user_of(request), now=now)
    require(by.why_not_administer)
    row = get_object_or_404(LegalHold, source__name=name, pk=number)
    said = checked(HoldOverIn(data=request.data))
    key = changing.release(hold=row, reason=said["reason"], by=by, now=now)
    return Response(
        {"hold": row.pk, "about": custody.about(row), "waits": key}, status=202 if key else 200
    )
