"""The doors over HTTP: `POST /v1/traces` (OTLP/HTTP 1.x) and `POST /api/evidence/<source>/`.

Owns how a sender is answered: success means committed; what can be tried again says after how
many seconds. Bearer token of the source, never a session, so neither needs a CSRF token. The
bodies are read from the stream with bounds of their own.
"""

from collections.abc import Callable
from functools import wraps
from tempfile import SpooledTemporaryFile
from typing import Any, cast

import orjson
import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from evidence import doors, intake, known
from evidence.formats.bodies import MEBI, BodyRefused, Readable
from evidence.models import Source

log = structlog.get_logger(__name__)

PROTOBUF, JSON = "application/x-protobuf", "application/json"
# How a body of each Content-Encoding begins.
ENCODINGS = {
    "": b"",
    "identity": b"",
    "gzip": b"\x1f\x8b",
    "x-gzip": b"\x1f\x8b",
    "deflate": b"\x78",
    "zstd": b"\x28\xb5\x2f\xfd",
}
# google.rpc.Code, as OTLP answers carry it, by HTTP status. Too large is 8 as in gRPC itself: 11
# would have a sender try again.
CODES = {400: 3, 401: 16, 403: 7, 405: 12, 413: 8, 415: 3, 422: 3, 503: 14}
DATABASE_AWAY = 5  # seconds after which a sender may try again
MOST_MESSAGE = 1_000

type Answer = Callable[[int, str], HttpResponse]


class Refused(Exception):
    """An answer other than success: status, sentence, and when to try again."""

    def __init__(self, status: int, sentence: str, retry_after: int = 0) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.retry_after = status, sentence, retry_after


def sender(request: HttpRequest) -> Source:
    """The source that sends this, by its token."""
    return sender_of(request.headers.get("Authorization", ""))


def sender_of(authorization: str) -> Source:
    """The source whose token this is. Raises Refused."""
    try:
        source = doors.source_of(authorization, now=timezone.now())
    except doors.Ended as problem:
        raise Refused(403, str(problem)) from None
    if source is None:
        raise Refused(401, "Send the token of a source: Authorization: Bearer <token>.")
    return source


def packed_of(request: HttpRequest) -> bytes:
    """How the body begins by what its Content-Encoding says; empty: as it likes."""
    opening = ENCODINGS.get(request.headers.get("Content-Encoding", "").strip().lower())
    if opening is None:
        raise Refused(415, "Content-Encoding may be gzip, deflate, zstd or nothing.")
    return opening


def stream_of(request: HttpRequest) -> tuple[Readable, int | None]:
    """The body as it comes, and the length it states."""
    packed_of(request)
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        return cast("Readable", request.META["wsgi.input"]), None
    # Neither chunks nor a length: there is no body (RFC 9112, 6.3).
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdigit():
        raise Refused(400, "The Content-Length is no number.")
    return request, int(length)


# What stops an intake at a door.
STOPS = (
    Refused,
    doors.Busy,
    doors.TooLarge,
    BodyRefused,
    intake.NotTaken,
    InterfaceError,
    OperationalError,
    OSError,
)


def refusal(problem: Exception) -> Refused:
    """What a sender is told of one of STOPS."""
    match problem:
        case Refused():
            return problem
        case doors.Spent():
            sentence = "This source used its quota; what it sent was not taken: send it again then."
            return Refused(503, sentence, problem.retry_after)
        case doors.Busy():
            # Not 429: exporters of a few years ago drop the batch then, and keep it on 503.
            return Refused(503, "Too much at once; try again.", problem.retry_after)
        case doors.TooLarge():
            return Refused(413, str(problem))
        case BodyRefused():
            return Refused(400, f"The body {problem.reason}.")
        case intake.NotTaken():
            return Refused(422, f"Nothing was stored: {problem}.")
        case UnreadablePostError():
            return Refused(400, "The body broke off before its end.")
    # Nothing was acknowledged: the sender keeps it and sends it again.
    log.warning("evidence was not stored", problem=str(problem)[:300])
    return Refused(503, "The database does not answer; try again.", DATABASE_AWAY)


def guarded(view: Callable[..., HttpResponse], answer_of: Callable[[HttpRequest], Answer]) -> Any:
    """The view as a door: POST only, and every refusal in the sender's own encoding."""

    @csrf_exempt
    @wraps(view)
    def door(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            if request.method != "POST":
                raise Refused(405, "Send a POST.")
            return view(request, *args, **kwargs)
        except STOPS as problem:
            refused = refusal(problem)
        response = answer_of(request)(refused.status, refused.sentence)
        if refused.retry_after:
            response["Retry-After"] = str(refused.retry_after)
        if refused.status == 401:
            response["WWW-Authenticate"] = 'Bearer realm="countersign"'
        if refused.status == 405:
            response["Allow"] = "POST"
        return response

    return door


# --- OTLP


def _export(request: HttpRequest) -> HttpResponse:
    source = sender(request)
    kind = request.content_type
    if kind not in (PROTOBUF, "application/protobuf", JSON):
        raise Refused(415, f"Send {PROTOBUF} or {JSON}.")
    require_otlp(source)
    stream, stated = stream_of(request)
    # Read before its turn: a slow sender holds up nobody.
    body = doors.read_body(stream, packed=packed_of(request), stated=stated)
    answer = exported(source, body)
    if kind != JSON:
        return HttpResponse(answer.SerializeToString(), content_type=PROTOBUF)
    said: dict[str, Any] = {}
    if answer.partial_success.rejected_spans:
        said["partialSuccess"] = {
            "rejectedSpans": str(answer.partial_success.rejected_spans),
            "errorMessage": answer.partial_success.error_message,
        }
    return HttpResponse(orjson.dumps(said), content_type=JSON)


def require_otlp(source: Source) -> None:
    """Raises Refused for a source that sends something else."""
    if source.format not in ("", "otlp"):
        raise Refused(403, f"The source {source.name} sends {source.format}, not OTLP.")


def exported(source: Source, body: bytes) -> ExportTraceServiceResponse:
    """Store one export request. Returns once it is committed; raises one of STOPS."""
    answer = ExportTraceServiceResponse()
    if not body:
        return answer
    with doors.turn(source) as used:
        used.bytes = len(body)
        taken = intake.take(
            source=source,
            body=body,
            by=f"source:{source.name}",
            now=timezone.now(),
            format="otlp",
        )
        used.records = taken.records
    if taken.rejects and taken.records == taken.rejects and taken.reasons[0].position == "body":
        raise Refused(400, f"The body {taken.reasons[0].reason}; deposit {taken.deposit}.")
    if taken.rejects or taken.old:
        # What is kept as old is told, and not sent again.
        said = "; ".join(f"{one.position}: {one.reason}" for one in taken.reasons[:10])
        answer.partial_success.rejected_spans = taken.rejects
        answer.partial_success.error_message = said[:MOST_MESSAGE]
    return answer


def _status(request: HttpRequest) -> Answer:
    """A refusal as OTLP wants it: google.rpc.Status in the encoding of the request."""
    as_json = request.content_type == JSON

    def answer(status: int, sentence: str) -> HttpResponse:
        code = CODES[status]
        if as_json:
            said = orjson.dumps({"code": code, "message": sentence})
            return HttpResponse(said, content_type=JSON, status=status)
        said = Status(code=code, message=sentence[:MOST_MESSAGE]).SerializeToString()
        return HttpResponse(said, content_type=PROTOBUF, status=status)

    return answer


# --- records


def _records(request: HttpRequest, name: str) -> HttpResponse:
    source = sender(request)
    if source.name != name:
        raise Refused(403, f"This token is not the token of the source {name[:80]}.")
    wanted = request.GET.get("format", "")
    if wanted and known.find(wanted) is None:
        raise Refused(422, f"Nothing was stored: {intake.unknown_format(wanted)}.")
    if wanted and source.format and wanted != source.format:
        raise Refused(403, f"The source {source.name} sends {source.format}, not {wanted}.")
    stream, stated = stream_of(request)
    with SpooledTemporaryFile(max_size=8 * MEBI) as kept:
        size = _spool(stream, stated, kept)
        sum_ = doors.EMPTY
        try:
            of = doors.turns if size <= doors.LARGEST_BODY else doors.file_turns
            with doors.turn(source, of=of) as used:
                for sum_ in doors.take_file(  # noqa: B007 - the sum so far is what is answered
                    source=source,
                    stream=cast("Readable", kept),
                    by=f"source:{source.name}",
                    now=timezone.now,
                    format=wanted,
                    name=request.headers.get("Content-Disposition", "")[:200],
                    used=used,
                ):
                    pass
        except BodyRefused as problem:
            if sum_.first is None:
                raise
            return answered(sum_, 400, f"The rest was not stored: it {problem.reason}.")
    return answered(sum_, 200, "")


def _spool(stream: Readable, stated: int | None, into: Any) -> int:
    """The body to a file (in memory while small), so that a slow sender holds up nobody; its size."""
    most = doors.LARGEST_FILE
    if stated is not None and stated > most:
        raise doors.TooLarge(f"A file may have {most // MEBI} MiB; send it in pieces.")
    total = 0
    while piece := stream.read(MEBI):
        total += len(piece)
        if total > most:
            raise doors.TooLarge(f"A file may have {most // MEBI} MiB; send it in pieces.")
        into.write(piece)
    if stated is not None and total < stated:
        raise BodyRefused("broke off before its end")
    into.seek(0)
    return total


def answered(sum_: doors.Sum, status: int, problem: str) -> HttpResponse:
    answer: dict[str, Any] = {
        "deposit": sum_.first,
        "deposits": sum_.deposits,
        "already_here": list(sum_.already),
        "already_here_since": sum_.since,
        "format": sum_.format,
        "repeat": sum_.repeat,
        "records": sum_.records,
        "events": sum_.events,
        "duplicates": sum_.duplicates,
        "rejected": sum_.rejects,
        "old": sum_.old,
        "rejects": [{"position": where, "reason": why} for where, why in sum_.reasons],
    }
    if problem:
        answer["problem"] = problem
    body = orjson.dumps(answer, option=orjson.OPT_UTC_Z)
    return HttpResponse(body, content_type=JSON, status=status)


def as_problem(_request: HttpRequest) -> Answer:
    def answer(status: int, sentence: str) -> HttpResponse:
        return HttpResponse(orjson.dumps({"problem": sentence}), content_type=JSON, status=status)

    return answer


traces = guarded(_export, _status)
records = guarded(_records, as_problem)
