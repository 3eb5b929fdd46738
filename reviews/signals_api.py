"""Receivers and streams of signals for scripts; receivers manage theirs as SSF says (identities/api).

Siblings of the pages (reviews/pages/signal_views.py) over the same actions.
"""

from datetime import datetime
from typing import Any

from django.urls import path
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identities import permissions
from identities.api.doors import door
from identities.models import SignalReceiver, SignalStream, User
from identities.models.signals import NAMED, STREAM_STATES, SUBJECTS
from identities.signals import streams
from reviews.pages import signals
from reviews.pages.signal_views import receiver_of, stream_of
from reviews.signed_api import ActNothingIn, ActReasonIn, Signed, under_api
from reviews.sources_api import nothing

REMOVED = "removed"


class SignalReceiverIn(serializers.Serializer[Any]):
    """Who is told, as whom, and about what; `login`: its tokens of the scope signals manage streams."""

    name = serializers.CharField(max_length=200)
    login = serializers.CharField(max_length=150)
    audience = serializers.CharField(max_length=1_000)
    default_subjects = serializers.ChoiceField(choices=list(SUBJECTS))
    named_by = serializers.ChoiceField(choices=list(NAMED))


class SignalStreamIn(ActReasonIn):
    """What becomes of a stream; what is removed sends nothing any more."""

    status = serializers.ChoiceField(choices=[*STREAM_STATES, REMOVED])


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["signals"])
@door({"GET": "read"})
def all_signals(request: Request) -> Response:  # noqa: ARG001 - the shape of a view
    """Every stream that goes out with its state, backlog and failures, and every source of signals."""
    now = timezone.now()
    rows = [signals.row_of(one, now=now) for one in signals.streams()]
    for one in rows:
        one.pop("badge")
    return Response({"streams": rows, "sources": signals.sources(), "problem": signals.problem()})


def _why_not(user: User, _row: object, _request: Request, *, now: datetime) -> str | None:
    return permissions.why_not_administer(user, now=now)


def _receiver(_request: Request, receiver: str) -> SignalReceiver:
    return receiver_of(receiver)


def _stream(_request: Request, stream: str) -> SignalStream:
    return stream_of(stream)


def _register(_row: None, said: dict[str, Any], user: User, now: datetime) -> Response:
    login = streams.login_called(said.pop("login"))
    row = streams.register(user=login, by=user, now=now, **said)
    return Response({"receiver": str(row.pk), "name": row.name}, status=201)


def _end(receiver: SignalReceiver, said: dict[str, Any], user: User, now: datetime) -> Response:
    row = streams.end(receiver=receiver, **said, by=user, now=now)
    return Response({"receiver": str(row.pk), "name": row.name, "ended_at": row.ended_at})


def _test(stream: SignalStream, _said: dict[str, Any], user: User, now: datetime) -> Response:
    row = streams.test(stream=stream, by=user, now=now)
    return Response({"stream": row.stream_id, "status": row.status}, status=202)


def _change(stream: SignalStream, said: dict[str, Any], user: User, now: datetime) -> Response:
    if said["status"] == REMOVED:
        streams.remove(stream=stream, reason=said["reason"], by=user, now=now)
    else:
        streams.change_status(stream=stream, **said, by=user, now=now)
    return Response({"stream": stream.stream_id, "status": said["status"]})


ONE = "signals/streams/<str:stream>/"
ENDPOINTS: dict[str, tuple[str, Signed]] = {
    "signal_receivers": (
        "signals/receivers/",
        Signed("Let a login receive signals", nothing, _why_not, SignalReceiverIn, _register),
    ),
    "signal_end": (
        "signals/receivers/<str:receiver>/end/",
        Signed("Tell a receiver nothing more", _receiver, _why_not, ActReasonIn, _end),
    ),
    "signal_stream": (
        ONE,
        Signed(
            "Enable, pause, disable or remove a stream",
            _stream,
            _why_not,
            SignalStreamIn,
            _change,
            "PATCH",
        ),
    ),
    "signal_test": (
        f"{ONE}test/",
        Signed("Send a verification on a stream", _stream, _why_not, ActNothingIn, _test),
    ),
}
urlpatterns = [path("api/signals/", all_signals, name="api_signals"), *under_api(ENDPOINTS)]
