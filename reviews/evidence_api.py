"""Endpoints of what is kept: read deposits again, erase of them, map records, pin an event to a case.

Siblings of the pages (evidence/reading_views.py and custody_views.py, reviews/pages/event_views.py)
over the same actions.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from evidence import changing, erasing, mappings, pieces, rereading
from evidence.formats.mapping_text import LARGEST
from evidence.mappings import LARGEST_SAMPLE, MappingError
from evidence.models import Deposit, Erasure, Source
from identities.api.doors import named
from identities.api.identities import user_of
from identities.models import User
from reviews import actions, permissions
from reviews.pages.event_views import seen_case, seen_event
from reviews.readers import reader
from reviews.signed_api import ActNothingIn, ActReasonIn, Signed, under_api
from reviews.sources_api import for_administrators, nothing


class RereadIn(serializers.Serializer[Any]):
    """`format`: the one it is read as from now on; "": as it was."""

    format = serializers.CharField(max_length=200, default="", allow_blank=True)


class ErasureIn(ActReasonIn):
    """`ordinal`: one record of it, the first is 0. `names`: those in it as well. `pieces`: short
    pieces that go wherever they are quoted alone."""

    ordinal = serializers.IntegerField(default=None, allow_null=True, min_value=0)
    names = serializers.BooleanField(default=False)
    pieces = serializers.ListField(
        child=serializers.CharField(max_length=1_000), default=list, max_length=100
    )


class MappingIn(serializers.Serializer[Any]):
    """A mapping file as text. `dry_run`: what it makes of `sample`, of which nothing is stored; else
    it is saved, and `source` is read by it."""

    mapping = serializers.CharField(max_length=LARGEST, trim_whitespace=False)
    sample = serializers.CharField(
        max_length=LARGEST_SAMPLE, default="", allow_blank=True, trim_whitespace=False
    )
    source = serializers.CharField(max_length=80, default="", allow_blank=True)  # type: ignore[assignment]  # a member of the body, which DRF takes out of the class
    dry_run = serializers.BooleanField(default=False)


class EventPinIn(serializers.Serializer[Any]):
    """The case that it is evidence of."""

    case = serializers.CharField(max_length=40)
    note = serializers.CharField(max_length=2_000, default="", allow_blank=True)


# --- deposits and mappings ------------------------------------------------------------------------


def _deposit(_request: Request, number: int) -> Deposit:
    return get_object_or_404(Deposit.objects.select_related("source"), pk=number)


def _reread(deposit: Deposit, said: dict[str, Any], user: User, now: datetime) -> Response:
    row = rereading.ask(deposit=deposit, to_format=said["format"], by=reader(user, now), now=now)
    return Response({"deposit": deposit.pk, "rereading": row.pk, "state": row.state}, status=202)


def _erase(deposit: Deposit, said: dict[str, Any], user: User, now: datetime) -> Response:
    short = pieces.named("\n".join(said.pop("pieces")))
    row = erasing.ask(deposit=deposit, **said, short=short, by=reader(user, now), now=now)
    return _erasure_told(row, status=202)


def _erasure(_request: Request, erasure: UUID) -> Erasure:
    return get_object_or_404(Erasure.objects.select_related("deposit"), pk=erasure)


def _why_not_confirm(
    user: User, erasure: Erasure, _request: Request, *, now: datetime
) -> str | None:
    return erasing.why_not_confirm(erasure, reader(user, now))


def _confirm(erasure: Erasure, _said: dict[str, Any], user: User, now: datetime) -> Response:
    return _erasure_told(erasing.confirm(erasure=erasure, by=reader(user, now), now=now))


def _refuse(erasure: Erasure, said: dict[str, Any], user: User, now: datetime) -> Response:
    return _erasure_told(erasing.refuse(erasure=erasure, **said, by=reader(user, now), now=now))


def _erasure_told(row: Erasure, status: int = 200) -> Response:
    said = {"erasure": str(row.pk), "what": erasing.what(row), "state": row.state}
    return Response(said, status=status)


def _map(_row: None, said: dict[str, Any], user: User, now: datetime) -> Response:
    source = get_object_or_404(Source, name=said["source"]) if said["source"] else None
    try:
        if said["dry_run"]:
            found = mappings.preview(said["mapping"], said["sample"].encode())
            return Response(
                {
                    "mapping": found.name,
                    "records": found.records,
                    "rejected": found.rejected,
                    "missing": found.missing(),
                    "rows": [one._asdict() for one in found.rows],
                    "rejects": [one._asdict() for one in found.rejects],
                }
            )
        row, waits = changing.map_by(said["mapping"], source, by=reader(user, now), now=now)
    except MappingError as problem:
        wrong = {
            "detail": "This mapping cannot be read.",
            "problems": mappings.problems_of(problem),
        }
        return Response(wrong, status=422)
    if row is None:
        return Response({"waits": waits}, status=202)
    return Response({"mapping": row.name, "version": row.version}, status=201)


# --- events ---------------------------------------------------------------------------------------


def _event(request: Request, ref: str) -> tuple[datetime, int]:
    return seen_event(ref, user_of(request), now=timezone.now())


def _why_not_pin(user: User, _key: object, request: Request, *, now: datetime) -> str | None:
    """Of the case that the body names; what names none is for its check to say."""
    case = named(request, "case")
    return permissions.why_not_pin(user, seen_case(case, user, now=now)) if case else None


def _pin(key: tuple[datetime, int], said: dict[str, Any], user: User, now: datetime) -> Response:
    case = seen_case(said["case"], user, now=now)
    actions.pin(case=case, at=key[0], event_id=key[1], note=said["note"], by=user, now=now)
    return Response({"case": case.key, "pinned": case.pinned.count()}, status=201)


ENDPOINTS: dict[str, tuple[str, Signed]] = {
    "deposit_reread": (
        "deposits/<int:number>/reread/",
        Signed("Read a deposit again", _deposit, for_administrators, RereadIn, _reread),
    ),
    "deposit_erase": (
        "deposits/<int:number>/erase/",
        Signed("Ask to erase content", _deposit, for_administrators, ErasureIn, _erase),
    ),
    "erasure_confirm": (
        "erasures/<uuid:erasure>/confirm/",
        Signed("Erase what was asked for", _erasure, _why_not_confirm, ActNothingIn, _confirm),
    ),
    "erasure_refuse": (
        "erasures/<uuid:erasure>/refuse/",
        Signed("Keep what was asked for", _erasure, for_administrators, ActReasonIn, _refuse),
    ),
    "mappings": (
        "mappings/",
        Signed("Try or save a mapping", nothing, for_administrators, MappingIn, _map),
    ),
    "event_pin": (
        "events/<str:ref>/pin/",
        Signed("Pin an event to a case", _event, _why_not_pin, EventPinIn, _pin),
    ),
}
urlpatterns = under_api(ENDPOINTS)
