"""Naming who stands in the places of those who have left, for scripts: siblings of the pages."""

import re
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identities import visible as identities_visible
from identities.actions.owning import PLACES
from identities.api.doors import door
from identities.api.identities import identity_of, user_of
from identities.api.serializers import IdentityOut, Reason, known_only
from identities.decisions import NHI
from identities.models import Identity
from identities.permissions import NotPossible, require
from reviews import owner_permissions
from reviews.actions import handing, places

ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class NameIn(serializers.Serializer[Any]):
    """Who stands in a place: a login, a mail address, or the name of a person or team; "": nobody."""

    place = serializers.ChoiceField(choices=list(PLACES))
    to = serializers.CharField(max_length=handing.LONGEST_NAME, default="", allow_blank=True)
    reason = Reason()


class NameManyIn(serializers.Serializer[Any]):
    """In place of whom, and who from now on ("": nobody); of these identities, or the first hundred
    of all."""

    gone = serializers.CharField(max_length=handing.LONGEST_NAME)
    to = serializers.CharField(max_length=handing.LONGEST_NAME, default="", allow_blank=True)
    reason = Reason()
    identities = serializers.ListField(
        child=serializers.CharField(max_length=300), max_length=places.MOST, required=False
    )


@extend_schema(request=NameIn, responses=IdentityOut, tags=["identities"])
@door({"POST": "act"})
def name(request: Request, key: str) -> Response:
    """Name its backup or sponsor where nobody is there, or leave the place empty."""
    row, user, now = identity_of(request, key), user_of(request), timezone.now()
    require(owner_permissions.why_not_name(user, row, now=now))
    data = known_only(NameIn(data=request.data))
    places.name(identity=row, by=user, now=now, **data)
    return Response(IdentityOut(identity_of(request, key)).data)


def _some(rows: QuerySet[Identity], wanted: list[str]) -> QuerySet[Identity]:
    """Those of these with a key, id or name that is wanted."""
    numbers = [int(found[1]) for one in wanted if (found := NHI.fullmatch(one))]
    ids = [one for one in wanted if ID.fullmatch(one)]
    return rows.filter(Q(number__in=numbers) | Q(pk__in=ids) | Q(name__in=wanted))


@extend_schema(request=NameManyIn, responses=OpenApiTypes.OBJECT, tags=["identities"])
@door({"POST": "act"})
def name_many(request: Request) -> Response:
    """The same in all places of one leaver; a row for what became of each."""
    user, now = user_of(request), timezone.now()
    data = known_only(NameManyIn(data=request.data))
    gone = handing.party_called(data["gone"])
    rows = places.named(gone, identities_visible.identities(user, now=now))
    wanted = data.get("identities")
    shown = list((_some(rows, wanted) if wanted else rows)[: places.MOST])
    known = {name for one in shown for name in (one.key, one.name, str(one.pk))}
    those = [(one, place) for one in shown for place in places.left(one, {gone.pk})]
    if not those:
        raise NotPossible(f"{gone} is backup or sponsor of nothing of these.")
    done = places.name_all(those=those, to=data["to"], reason=data["reason"], by=user, now=now)
    return Response(
        {
            "rows": [
                {
                    "identity": one.identity.key,
                    "place": one.place,
                    "named": not one.why,
                    "why_not": one.why,
                }
                for one in done
            ]
            + [
                {"identity": one, "place": "", "named": False, "why_not": f"{gone} is not there."}
                for one in wanted or ()
                if one not in known
            ],
            "left": rows.count(),
        }
    )
