"""The addresses that receivers of signals call: OpenID Shared Signals Framework 1.0 and RFC 8936.

Owns the wire: metadata, JWKS, the Stream Management API and the poll, with the statuses of SSF 1.0,
8.1. A receiver is the login whose token (scope `signals`) it sends, and reaches its own streams
alone. What each act does is identities/signals.
"""

import time
from collections.abc import Callable, Mapping
from functools import wraps
from threading import BoundedSemaphore
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import parser_classes
from rest_framework.request import Request
from rest_framework.response import Response

from identities.enforcers import signal_keys
from identities.enforcers.contract import PermanentFailure
from identities.models import SignalReceiver, SignalStream, User
from identities.permissions import NotPossible
from identities.signals import polling, reading, streams, vocabulary
from identities.signals.vocabulary import Wrong

from .doors import door
from .parsing import JSONParser

SCOPE = "signals"
NO_RECEIVER = "This login is no receiver of signals: an administrator registers it."
# A poll that waits holds a thread: so many at once in one process, so long.
MOST_WAITING, LONGEST_WAIT, LOOK_EVERY = 2, 10.0, 0.5
AGAIN_SECONDS = "30"
_turns = BoundedSemaphore(MOST_WAITING)

type View = Callable[[Request, SignalReceiver], Response]


class AnyJSONParser(JSONParser):
    """JSON whatever its sender calls it: examples of the standard name no content type."""

    media_type = "*/*"


def base() -> str:
    """Below which address all of these are."""
    return f"{settings.BASE_URL}/signals"


def _problem(problem: Exception) -> JsonResponse:
    answer = JsonResponse({"detail": str(problem)}, status=503)
    answer["Retry-After"] = AGAIN_SECONDS
    return answer


@require_safe
def configuration(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - the shape of a view
    """GET /.well-known/ssf-configuration: the Transmitter Configuration Metadata (SSF 1.0, 7.1)."""
    try:
        signal_keys.keys()
    except PermanentFailure:
        return JsonResponse({"detail": "No signals are sent from here."}, status=404)
    return JsonResponse(
        {
            "spec_version": "1_0",
            "issuer": settings.BASE_URL,
            "jwks_uri": f"{base()}/jwks.json",
            "delivery_methods_supported": list(vocabulary.METHODS.values()),
            "configuration_endpoint": f"{base()}/streams",
            "status_endpoint": f"{base()}/status",
            "add_subject_endpoint": f"{base()}/subjects/add",
            "remove_subject_endpoint": f"{base()}/subjects/remove",
            "verification_endpoint": f"{base()}/verify",
            "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6750"}],
        }
    )


@require_safe
def jwks(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - the shape of a view
    """GET /signals/jwks.json: the keys with which SETs of ours are checked."""
    try:
        found = signal_keys.jwks()
    except PermanentFailure:
        return JsonResponse({"detail": "No signals are sent from here."}, status=404)
    return JsonResponse(found, content_type="application/jwk-set+json")


def _managed(methods: tuple[str, ...], **asks: Any) -> Callable[[View], Any]:
    """A view of the Stream Management API: its receiver found, its errors as SSF answers them."""

    def wrap(view: View) -> Any:
        @wraps(view)
        def answered(request: Request, **place: Any) -> HttpResponse:
            user = request.user
            receiver = streams.receiver_of(user) if isinstance(user, User) else None
            if receiver is None:
                return Response({"detail": NO_RECEIVER}, status=403)
            try:
                return view(request, receiver, **place)
            except Wrong as problem:
                return Response({"detail": str(problem)}, status=400)
            except streams.NoStream:
                return Response({"detail": "You have no such stream."}, status=404)
            except NotPossible as problem:
                return Response({"detail": str(problem)}, status=409)
            except streams.TooOften as problem:
                return Response({"detail": str(problem)}, status=429)
            except PermanentFailure as problem:
                return _problem(problem)

        said = parser_classes([AnyJSONParser])(answered)
        guarded = door(dict.fromkeys(methods, SCOPE), sessions=False, **asks)(said)
        made: Any = extend_schema(
            request=OpenApiTypes.OBJECT, responses=OpenApiTypes.OBJECT, tags=["signals"]
        )(guarded)
        return made

    return wrap


def _body(request: Request) -> Mapping[str, Any]:
    if type(request.data) is not dict:
        raise Wrong("Send a JSON object.")
    return request.data


@_managed(("GET", "POST", "PATCH", "PUT", "DELETE"), asks=None)
def configured(request: Request, receiver: SignalReceiver) -> Response:
    """Streams: read them or one, create, update, replace and delete."""
    now = timezone.now()
    stream_id = request.query_params.get("stream_id")
    match request.method:
        case "GET" if stream_id is None:
            return Response([reading.configuration(one) for one in streams.of(receiver)])
        case "GET":
            return Response(reading.configuration(streams.find(receiver, stream_id)))
        case "DELETE":
            streams.delete(receiver=receiver, stream_id=stream_id, by=receiver.user, now=now)
            return Response(status=204)
        case "POST":
            row = streams.create(receiver=receiver, body=_body(request), by=receiver.user, now=now)
            return Response(reading.configuration(row), status=201)
    row = streams.update(
        receiver=receiver,
        body=_body(request),
        by=receiver.user,
        now=now,
        replace=request.method == "PUT",
    )
    return Response(reading.configuration(row))


@_managed(("GET", "POST"), asks=None)
def status(request: Request, receiver: SignalReceiver) -> Response:
    """Whether a stream is enabled, paused or disabled; and making it so."""
    if request.method == "GET":
        row = streams.find(receiver, request.query_params.get("stream_id"))
    else:
        now = timezone.now()
        row = streams.set_status(receiver=receiver, body=_body(request), by=receiver.user, now=now)
    return Response(reading.status_of(row))


@_managed(("POST",))
def add_subject(request: Request, receiver: SignalReceiver) -> Response:
    """Tell of this subject on the stream."""
    _subject(request, receiver, included=True)
    return Response(status=200)


@_managed(("POST",))
def remove_subject(request: Request, receiver: SignalReceiver) -> Response:
    """Tell no more of this subject on the stream."""
    _subject(request, receiver, included=False)
    return Response(status=204)


def _subject(request: Request, receiver: SignalReceiver, *, included: bool) -> None:
    streams.subject(
        receiver=receiver,
        body=_body(request),
        included=included,
        by=receiver.user,
        now=timezone.now(),
    )


@_managed(("POST",))
def verify(request: Request, receiver: SignalReceiver) -> Response:
    """Send a verification event on the stream."""
    streams.verify(receiver=receiver, body=_body(request), now=timezone.now())
    return Response(status=204)


@_managed(("POST",))
def poll(request: Request, receiver: SignalReceiver, stream: str = "") -> Response:
    """RFC 8936: acknowledge, and get what waits."""
    row = streams.find(receiver, stream)
    if row.delivery != "poll":
        raise streams.NoStream
    asked = polling.read(request.data)
    polling.settle(row, asked, now=timezone.now())
    sets, more = polling.answer(row, asked.most)
    if not (sets or more or asked.at_once):
        sets, more = _waited(row, asked.most)
    return Response({"sets": sets, "moreAvailable": more})


def _waited(row: SignalStream, most: int) -> tuple[dict[str, str], bool]:
    """What comes within a while; nothing at once where as many wait as may."""
    if not _turns.acquire(blocking=False):
        return {}, False
    try:
        ends = time.monotonic() + LONGEST_WAIT
        found: tuple[dict[str, str], bool] = ({}, False)
        while not any(found) and time.monotonic() < ends:
            time.sleep(LOOK_EVERY)
            row.refresh_from_db(fields=["status"])
            found = polling.answer(row, most)
        return found
    finally:
        _turns.release()
