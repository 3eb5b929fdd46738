"""Endpoints of sources: add one, change it, send as it, hold and fetch its evidence.

Siblings of the pages (evidence/views.py, pull_views.py, custody_views.py) over the same actions. What
takes a second person is proposed, and answered with 202 and the key of the proposal as `waits`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import Any

from django.conf import settings as conf
from django.core.files import File
from django.db import transaction
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from evidence import (
    actions,
    changing,
    completeness,
    connecting,
    custody,
    doors,
    dropping,
    keeping,
    pulls,
)
from evidence import api as evidence_api
from evidence.formats.bodies import MEBI
from evidence.kept_old import LONGEST_RETENTION_DAYS
from evidence.models import Connection, Source
from evidence.permissions import Reader
from identities.api.doors import door
from identities.api.identities import user_of
from identities.inventory import asking
from identities.models import User
from identities.permissions import require
from reviews.readers import reader
from reviews.signed_api import ActNothingIn, ActReasonIn, Signed, under_api

PAUSES_ONLY = frozenset({"paused", "reason"})


class SourceIn(serializers.Serializer[Any]):
    """A source that sends by itself, or is connected afterwards."""

    name = serializers.CharField(max_length=80)
    title = serializers.CharField(max_length=200, default="", allow_blank=True)
    format = serializers.CharField(max_length=200, default="", allow_blank=True)
    plane = serializers.ChoiceField(choices=["identity", "ai"], default="", allow_blank=True)
    realms = serializers.ListField(
        child=serializers.CharField(max_length=actions.LONGEST_REALM), default=list, max_length=200
    )
    expected_every_seconds = serializers.IntegerField(default=None, allow_null=True)
    lag_seconds = serializers.IntegerField(default=900)
    sampling = serializers.FloatField(default=1.0)
    retention_days = serializers.IntegerField(default=lambda: conf.RETENTION_DAYS)
    keep_content = serializers.BooleanField(default=False)


class ConnectionIn(serializers.Serializer[Any]):
    """How a source is pulled. A setting that is a secret names its file, as on the page."""

    connector = serializers.CharField(max_length=80)
    settings = serializers.DictField(
        child=serializers.CharField(max_length=connecting.LONGEST_SETTING, allow_blank=True),
        default=dict,
    )
    every_seconds = serializers.IntegerField(default=300)
    first_days = serializers.IntegerField(default=7)


class SourceChangeIn(ActReasonIn):
    """What of it changes; all of it or nothing."""

    retention_days = serializers.IntegerField(required=False, max_value=LONGEST_RETENTION_DAYS)
    keep_filter = serializers.CharField(
        required=False, allow_blank=True, max_length=keeping.LONGEST, trim_whitespace=False
    )
    connection = ConnectionIn(required=False)
    paused = serializers.BooleanField(required=False)
    lists_paused = serializers.BooleanField(required=False)
    complete_through = serializers.DateTimeField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs.keys() & CHANGES.keys():
            raise serializers.ValidationError(f"Name what changes: {', '.join(CHANGES)}.")
        return attrs


class LegalHoldIn(ActReasonIn):
    """Of one actor only, from and to a time; none of them: all of the source."""

    actor = serializers.CharField(max_length=2_000, default="", allow_blank=True)
    begins = serializers.DateTimeField(default=None, allow_null=True)
    ends = serializers.DateTimeField(default=None, allow_null=True)


def source_of(_request: Request, name: str) -> Source:
    return get_object_or_404(Source, name=name)


def nothing(_request: Request) -> None:
    """What is added has no row yet."""


def for_administrators(user: User, _row: object, _request: Request, *, now: datetime) -> str | None:
    return reader(user, now).why_not_administer


def _why_not_change(user: User, _source: Source, request: Request, *, now: datetime) -> str | None:
    """Administrators change a source; responders pause it, and nothing else."""
    by = reader(user, now)
    if by.why_not_administer is None or by.why_not_pause is not None:
        return by.why_not_administer
    said = request.data
    pauses = isinstance(said, Mapping) and said.get("paused") is True and set(said) <= PAUSES_ONLY
    return None if pauses else by.why_not_administer


def _told(made: changing.Token) -> Response:
    said = {"source": made.source.name, "token": made.token, "waits": made.waits or None}
    return Response(said, status=202 if made.waits else 201)


def _add(_row: None, said: dict[str, Any], user: User, now: datetime) -> Response:
    return _told(changing.add(said, by=reader(user, now), now=now))


def _token(source: Source, _said: dict[str, Any], user: User, now: datetime) -> Response:
    return _told(changing.give_token(source=source, by=reader(user, now), now=now))


def _secret(source: Source, _said: dict[str, Any], user: User, now: datetime) -> Response:
    secret = actions.show_webhook_secret(source=source, by=reader(user, now), now=now)
    return Response({"source": source.name, "webhook_secret": secret})


def _change(source: Source, said: dict[str, Any], user: User, now: datetime) -> Response:
    reason = said.pop("reason")
    by, waits = reader(user, now), {}
    with transaction.atomic():
        for member, change in CHANGES.items():
            if member not in said:
                continue
            asked = {"source": source, "reason": reason, "by": by, "now": now}
            if key := change(said[member], asked):
                waits[member] = key
    return Response(shown(source) | {"waits": waits}, status=202 if waits else 200)


# In this order: connecting goes on with what is paused.
CHANGES: Mapping[str, Callable[[Any, dict[str, Any]], str]] = {
    "retention_days": lambda days, asked: changing.keep_for(days=days, **asked),
    "keep_filter": lambda text, asked: changing.keep(text=text, **asked),
    "connection": lambda said, asked: changing.connect(**said, **asked),
    "paused": lambda paused, asked: changing.pause(paused=paused, **asked),
    "lists_paused": lambda paused, asked: asking.pause(paused=paused, **asked),
    "complete_through": lambda through, asked: completeness.propose(through=through, **asked),
}


def shown(source: Source) -> dict[str, Any]:
    """What of a source changes here, as it is now."""
    row = Source.objects.get(pk=source.pk)
    link = Connection.objects.filter(source=row).first()
    return {
        "source": row.name,
        "retention_days": row.retention_days,
        "keep_filter": "\n".join(map(str, keeping.of(row))),
        "connector": None if link is None else link.connector,
        "paused": None if link is None else link.paused,
        "complete_through": row.watermark,
    }


def _hold(source: Source, said: dict[str, Any], user: User, now: datetime) -> Response:
    actor = said.pop("actor")
    hold = custody.place_hold(
        source=source,
        actor=custody.actor_called(actor) if actor else None,
        **said,
        by=reader(user, now),
        now=now,
    )
    return Response({"hold": hold.pk, "about": custody.about(hold)}, status=201)


def _check(source: Source, _said: dict[str, Any], _user: User, now: datetime) -> Response:
    connecting.require_connection(source)
    found = pulls.check(source=source, now=now, clock=timezone.now)
    return Response({"source": source.name, "checks": [one._asdict() for one in found]})


def _pull(source: Source, _said: dict[str, Any], user: User, now: datetime) -> Response:
    row = connecting.pull_now(source=source, by=reader(user, now), now=now)
    said = {"source": source.name, "state": row.state, "since": row.since, "until": row.until}
    return Response(said, status=202)


def _cancel(source: Source, _said: dict[str, Any], user: User, now: datetime) -> Response:
    connecting.cancel(source=source, by=reader(user, now), now=now)
    return Response({"source": source.name, "words": "The pull ends after the page it is at."})


def _lists(source: Source, _said: dict[str, Any], user: User, now: datetime) -> Response:
    row = asking.read_now(source=source, by=reader(user, now), now=now)
    return Response({"source": source.name, "system": row.system, "state": row.state}, status=202)


@extend_schema(
    request={"application/octet-stream": OpenApiTypes.BINARY},
    parameters=[
        OpenApiParameter("read_as", str, description="Its format; else by its content."),
        OpenApiParameter("file", str, description="The name of the file."),
    ],
    responses=OpenApiTypes.OBJECT,
    tags=["acts"],
)
@door({"POST": "act"})
def drop(request: Request, name: str) -> Response:
    """Send a file by hand. Where the source, or another of its realms, holds evidence, it is kept and
    read in once a second person has signed."""
    source, by = source_of(request, name), reader(user_of(request), timezone.now())
    require(by.why_not_send)
    try:
        dropping.require_size(request.META.get("CONTENT_LENGTH", ""))
        with SpooledTemporaryFile(max_size=8 * MEBI) as kept:
            return _dropped(source, request, kept, by)
    except (dropping.Refused, evidence_api.Refused) as problem:
        refused = Response({"detail": str(problem)}, status=problem.status)
        if problem.retry_after:
            refused["Retry-After"] = str(problem.retry_after)
        return refused


def _dropped(source: Source, request: Request, kept: Any, by: Reader) -> Response:
    """The body as it comes, never parsed here: it may have 2 GiB."""
    stream, stated = evidence_api.stream_of(request._request)
    size = 0
    while piece := stream.read(MEBI):
        size += len(piece)
        if size > doors.LARGEST_FILE:
            raise dropping.Refused(f"A file may have {doors.LARGEST_FILE // MEBI} MiB.", 413)
        kept.write(piece)
    if stated is not None and size < stated:
        raise dropping.Refused("Nothing was stored: the file broke off before its end.", 400)
    kept.seek(0)
    asked = {
        key: request.query_params.get(key, "")[:200].replace("\0", "")
        for key in ("read_as", "file")
    }
    upload = File(kept, name=asked["file"] or "upload")
    upload.size = size
    *_, last = dropping.take(source, upload, asked["read_as"], by=by)
    if last.get("problem"):
        return Response(last | {"detail": last["problem"]}, status=422)
    return Response(last, status=202 if last["url"].startswith("/changes/") else 201)


ONE = "sources/<slug:name>/"
ENDPOINTS: dict[str, tuple[str, Signed]] = {
    "sources": (
        "sources/",
        Signed(
            "Add a source; its token is in the answer alone",
            nothing,
            for_administrators,
            SourceIn,
            _add,
        ),
    ),
    "source": (
        ONE,
        Signed(
            "Change how long a source is kept, what of it, where it comes from and whether",
            source_of,
            _why_not_change,
            SourceChangeIn,
            _change,
            "PATCH",
        ),
    ),
    **{
        f"source_{act}": (
            f"{ONE}{where}/",
            Signed(about, source_of, for_administrators, takes, does),
        )
        for act, where, about, takes, does in (
            ("token", "token", "Another token, in the answer alone", ActNothingIn, _token),
            (
                "secret",
                "webhook-secret",
                "What GitHub signs with, shown once",
                ActNothingIn,
                _secret,
            ),
            ("hold", "holds", "Hold evidence until it is released", LegalHoldIn, _hold),
            ("check", "check", "Test the connection", ActNothingIn, _check),
            ("pull", "pulls", "Pull now", ActNothingIn, _pull),
            ("cancel", "pulls/cancel", "End the pull that is under way", ActNothingIn, _cancel),
        )
    },
    "inventory_read": (
        f"{ONE}inventory/read/",
        Signed("Read its lists now", source_of, for_administrators, ActNothingIn, _lists),
    ),
}
urlpatterns = [*under_api(ENDPOINTS), path(f"api/{ONE}files/", drop, name="api_source_drop")]
