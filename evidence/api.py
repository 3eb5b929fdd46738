"""The doors for pushed evidence: OTLP traces as exporters send them, and records of any format.

Owns addresses' methods, encodings and answers; the taking is evidence/intake.py's, the bounds
are evidence/doors.py's. Streams are read here, so that Django's limits for forms do not apply.
(opentelemetry.io/docs/specs/otlp, "OTLP/HTTP")
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import orjson
import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from evidence import doors, intake
from evidence.doors import Refused
from evidence.formats import FORMATS
from evidence.intake import NotTaken, Taken
from evidence.models import Source

log = structlog.get_logger(__name__)

PROTOBUF, JSON = "application/x-protobuf", "application/json"
_OTLP_TYPES = {PROTOBUF: PROTOBUF, "application/protobuf": PROTOBUF, JSON: JSON}
# Seconds until a database that is away is worth another try.
AWAY_SECONDS = 5
MOST_REASONS_SAID = 5
# google.rpc.Code, by the HTTP status that goes with it.
_CODES = {400: 3, 401: 16, 403: 7, 405: 12, 413: 8, 415: 3, 422: 3, 503: 14}

type Answer = Callable[[HttpRequest, int, str], HttpResponse]


def pushed(refusal: Answer) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """A door's view: whatever stops it is answered in the door's own words by `refusal`."""

    def wrap(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @csrf_exempt
        @wraps(view)
        def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                if request.method != "POST":
                    response = refusal(request, 405, "Only POST is answered here.")
                    response["Allow"] = "POST"
                    return response
                return view(request, *args, **kwargs)
            except Refused as problem:
                response = refusal(request, problem.status, problem.sentence)
                if problem.retry_after is not None:
                    response["Retry-After"] = str(problem.retry_after)
                if problem.status == 401:
                    response["WWW-Authenticate"] = 'Bearer realm="countersign"'
                return response
            except NotTaken as problem:
                return refusal(request, 422, f"{problem}.")
            except (OperationalError, InterfaceError, OSError) as problem:
                # Nothing was committed, or the answer is not known: sending again is safe.
                log.warning("evidence could not be stored", problem=str(problem)[:300])
                response = refusal(request, 503, "It could not be stored now; send it again.")
                response["Retry-After"] = str(AWAY_SECONDS)
                return response

        return answered

    return wrap


def take(request: HttpRequest, source: Source, wanted: str) -> Taken:
    """The request's body into the source; returns after the commit."""
    body = doors.body_of(request)
    with doors.gate.enter():
        return intake.take(
            source=source,
            body=body,
            by=f"source:{source.name}",
            now=timezone.now(),
            format=wanted,
        )


# --- OTLP


def _otlp_refusal(request: HttpRequest, status: int, sentence: str) -> HttpResponse:
    """google.rpc.Status in the request's encoding."""
    code = _CODES.get(status, 2)
    if _type_of(request) == PROTOBUF:
        text = sentence.encode()
        # Two fields, written by hand: 1 is the code, 2 the message; both lengths fit a varint.
        content = b"\x08" + bytes([code]) + b"\x12" + _varint(len(text)) + text
        return HttpResponse(content, status=status, content_type=PROTOBUF)
    return HttpResponse(
        orjson.dumps({"code": code, "message": sentence}), status=status, content_type=JSON
    )


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def _type_of(request: HttpRequest) -> str:
    return _OTLP_TYPES.get((request.content_type or "").strip().lower(), "")


@pushed(_otlp_refusal)
def traces(request: HttpRequest) -> HttpResponse:
    """POST /v1/traces: an export request of any OpenTelemetry exporter."""
    kind = _type_of(request)
    if not kind:
        raise Refused(415, f"The content type is {PROTOBUF} or {JSON}.")
    source = doors.sender(request, now=timezone.now())
    taken = take(request, source, "otlp")
    if taken.rejects and taken.rejects == taken.records and taken.reasons[0].position == "body":
        # Kept as what it is, but nothing in it can be decoded: sending it again is no use.
        raise Refused(400, f"The body {taken.reasons[0].reason}.")
    if kind == PROTOBUF:
        answer = ExportTraceServiceResponse()
        if taken.rejects:
            answer.partial_success.CopyFrom(
                ExportTracePartialSuccess(
                    rejected_spans=taken.rejects, error_message=_reasons(taken)
                )
            )
        return HttpResponse(answer.SerializeToString(), content_type=PROTOBUF)
    said: dict[str, Any] = {}
    if taken.rejects:
        # 64-bit numbers are text in protobuf's JSON.
        said["partialSuccess"] = {
            "rejectedSpans": str(taken.rejects),
            "errorMessage": _reasons(taken),
        }
    return HttpResponse(orjson.dumps(said), content_type=JSON)


def _reasons(taken: Taken) -> str:
    first = "; ".join(
        f"{reject.position}: {reject.reason}" for reject in taken.reasons[:MOST_REASONS_SAID]
    )
    more = taken.rejects - MOST_REASONS_SAID
    return f"{first}; and {more} more" if more > 0 else first


# --- records


def _records_refusal(_request: HttpRequest, status: int, sentence: str) -> HttpResponse:
    return HttpResponse(orjson.dumps({"detail": sentence}), status=status, content_type=JSON)


@pushed(_records_refusal)
def records(request: HttpRequest, name: str) -> HttpResponse:
    """POST /api/evidence/<source>/: records of a registered format; `?format=` names it."""
    source = doors.sender(request, now=timezone.now())
    if source.name != name:
        raise Refused(403, "This token belongs to another source.")
    wanted = request.GET.get("format", "")
    if wanted and wanted not in FORMATS:
        raise NotTaken(intake.unknown_format(wanted[:80]))
    taken = take(request, source, wanted)
    return HttpResponse(
        orjson.dumps(
            {
                "deposit": taken.deposit,
                "format": taken.format,
                "repeat": taken.repeat,
                "records": taken.records,
                "events": taken.events,
                "duplicates": taken.duplicates,
                "rejects": [
                    {"position": reject.position, "reason": reject.reason}
                    for reject in taken.reasons
                ],
                "rejected": taken.rejects,
            }
        ),
        content_type=JSON,
    )
