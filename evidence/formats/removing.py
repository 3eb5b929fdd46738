"""Records taken out of kept bytes: by a keep-filter at the door, or by two people later.

Owns where a record lies in what is kept: a JSON list, or spans in protobuf. Pure.
"""

import re
from collections.abc import Collection, Sequence

import orjson
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # ships no types
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from evidence import privacy
from evidence.formats import escaping

_ELEMENT = re.compile(r"Records\[(\d+)\]")
_SPAN = re.compile(r"spans\[(\d+)\.(\d+)\.(\d+)\]")
_OPENING, _CLOSING = b'{"Records":[', b"]}"


class NotFound(Exception):
    """The records cannot be found in these bytes: the sentence says why."""


def without(kept: bytes, positions: Collection[str], *, mark: bool) -> bytes:
    """The kept bytes without the records at these places, as their own reading names them.

    With `mark` a JSON record leaves `null` in its place, so that the others stay where they are.
    Raises NotFound where one of them is not there.
    """
    if not positions:
        return kept
    if kept.startswith(_OPENING):
        return _elements(kept, [_place(_ELEMENT, one) for one in positions], mark=mark)
    return _spans(kept, [_place(_SPAN, one) for one in positions])


def only(kept: bytes, position: str) -> bytes:
    """The record at this place alone, as JSON or as a span's bytes. Raises NotFound."""
    if kept.startswith(_OPENING):
        (number,) = _place(_ELEMENT, position)
        return escaping.restored_json(orjson.dumps(escaping.loads(kept)["Records"][number]))
    group, scope, number = _place(_SPAN, position)
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(kept)
        span = request.resource_spans[group].scope_spans[scope].spans[number]
    except (DecodeError, IndexError) as problem:
        raise NotFound("the spans are not in what is kept") from problem
    return bytes(span.SerializeToString())


def _place(wanted: re.Pattern[str], position: str) -> tuple[int, ...]:
    found = wanted.fullmatch(position)
    if found is None:
        raise NotFound(f"{position} is no place of one record in what is kept")
    return tuple(int(number) for number in found.groups())


def _elements(kept: bytes, places: Sequence[tuple[int, ...]], *, mark: bool) -> bytes:
    gone = {place[0] for place in places}
    try:
        values = escaping.loads(kept)["Records"]
    except (ValueError, KeyError, RecursionError) as problem:
        raise NotFound("what is kept is not the list that it should be") from problem
    if max(gone) >= len(values):
        raise NotFound(f"what is kept holds {len(values)} records only")
    texts = [
        b"null" if number in gone else orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        for number, value in enumerate(values)
        if mark or number not in gone
    ]
    listed = escaping.restored_json(privacy.SEAM.join(texts))
    return b"".join((_OPENING, listed, _CLOSING))


def _spans(kept: bytes, places: Sequence[tuple[int, ...]]) -> bytes:
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(kept)
        # From the last one on, so that the others' numbers hold.
        for group, scope, number in sorted(places, reverse=True):
            del request.resource_spans[group].scope_spans[scope].spans[number]
    except (DecodeError, IndexError) as problem:
        raise NotFound("the spans are not in what is kept") from problem
    for holder in request.resource_spans:
        for index in reversed(range(len(holder.scope_spans))):
            if not holder.scope_spans[index].spans:
                del holder.scope_spans[index]
    return bytes(request.SerializeToString())
