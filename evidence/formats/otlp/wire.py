"""OTLP's encodings to export requests: protobuf, JSON, and files with one request a line.

Owns telling the encodings apart, and what can be saved of damaged protobuf; JSON is read in
from_json.py. Knows nothing of what a span means. Pure. (opentelemetry.io/docs/specs/otlp)
"""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # ships no types
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans

from evidence.formats.counting import require_few
from evidence.formats.documents import clean
from evidence.formats.otlp import from_json
from evidence.formats.otlp.found import Found

_BASE64_LINE = re.compile(rb"\"?[A-Za-z0-9+/]{8,}={0,2}\"?\Z")

# Larger requests are counted before they are decoded.
_LARGEST_UNCOUNTED = 1 << 20
# How resource spans begin, and how what they begin with does: a resource, spans of a scope, an address.
_MEMBERS = {0x0A: b"\x0a\x10\x1a", 0x12: b"\x0a\x12\x1a", 0x1A: bytes(range(256))}
_BROKEN = "is damaged protobuf or holds text that is not UTF-8"
# A span of a scope: its tag, its length, and its first field, a trace id of 16 bytes.
_SPAN = re.compile(rb"\x12[\x12-\x7f]\x0a\x10|\x12[\x80-\xff][\x01-\x7f]\x0a\x10", re.DOTALL)


def is_protobuf(head: bytes) -> bool:
    """Whether bytes begin like an export request: resource spans with a resource or scope.

    So does JSON behind an empty line, but for what follows the brace's own line.
    """
    if len(head) < 4 or head[0] != 0x0A:
        return False
    length, begin = _varint(head, 1)
    if begin == 0 or length <= 1 or begin >= len(head):
        return False
    member = head[begin]
    if member not in _MEMBERS:
        return False
    inner, begins = _varint(head, begin + 1)
    if begins + inner > begin + length:
        return False
    return begins == 0 or begins >= len(head) or inner == 0 or head[begins] in _MEMBERS[member]


def is_json(head: bytes) -> bool:
    """Whether bytes begin like JSON. Protobuf may begin with a line feed and a brace as well."""
    text = clean(head[:65_536])
    if not text.startswith((b"{", b"[")):
        return False
    return head[:1] != b"\n" or b'"resourceSpans"' in text or not is_protobuf(head)


def is_base64_line(head: bytes) -> bool:
    """Whether the first line is base64 of an export request."""
    line = head.lstrip().split(b"\n", 1)[0].strip()
    if not _BASE64_LINE.match(line):
        return False
    opening = line.strip(b'"')[:64]
    try:
        return is_protobuf(base64.b64decode(opening[: len(opening) // 4 * 4]))
    except binascii.Error:
        return False


def requests(body: bytes) -> Iterator[Found]:
    """All export requests of a body, whichever way it is encoded."""
    text = clean(body)
    if not text:
        # No spans is a valid export.
        yield Found("", ExportTraceServiceRequest(), {}, [])
    elif is_json(body):
        yield from from_json.requests(text)
    elif is_base64_line(text):
        yield from _base64_lines(text)
    else:
        yield _protobuf(body, "")


# --- protobuf


def _protobuf(data: bytes, before: str) -> Found:
    if len(data) > _LARGEST_UNCOUNTED:
        for many, _ in enumerate(_counted(data, 3), start=1):
            require_few(many)
    try:
        return Found(before, ExportTraceServiceRequest.FromString(data), {}, [])
    except DecodeError:
        return _salvaged(data, before)


def _counted(data: bytes, levels: int) -> Iterator[None]:
    """One for each group, scope and span of a request, which is not decoded for it: a span of two
    bytes takes two hundred when it is."""
    for field, inside in _fields(data):
        if field == (1 if levels == 3 else 2):
            yield None
            if levels > 1:
                yield from _counted(inside, levels - 1)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """(value, next position); position 0 when it is none."""
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    return 0, 0


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(number, content) of each field; where the bytes stop making sense, (0, the rest)."""
    at = 0
    while at < len(data):
        tag, here = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        end = 0
        if here and number and wire == 0:
            _, end = _varint(data, here)
        elif here and number and wire == 2:
            length, here = _varint(data, here)
            end = here + length
            if here and end > len(data) and number in (1, 2):
                # Cut off: what is there may still hold whole parts.
                yield number, data[here:]
                return
        elif here and number and wire in (1, 5):
            end = here + (8 if wire == 1 else 4)
        if not here or not end or end > len(data):
            yield 0, data[at:]
            return
        yield number, data[here:end] if wire == 2 else b""
        at = end


def _salvaged(data: bytes, before: str) -> Found:
    """The intact spans of a damaged request, under their own resources and scopes."""
    request = ExportTraceServiceRequest()
    numbers: dict[tuple[int, int], list[int]] = {}
    lost: list[tuple[str, str, bytes]] = []
    for field, inside in _fields(data):
        r = len(request.resource_spans)
        place = f"{before}resourceSpans[{r}]"
        if field != 1:
            if field == 0:
                lost.append((place, _BROKEN, inside))
            continue
        group = request.resource_spans.add()
        for part, within in _fields(inside):
            if part == 1:
                _merge(group.resource, within, f"{place}.resource", lost)
            elif part == 2:
                scope = group.scope_spans.add()
                s = len(group.scope_spans) - 1
                _salvage_scope(scope, within, (r, s), before, numbers, lost)
            elif part == 0:
                lost.append((place, _BROKEN, within))
    if not any(numbers.values()):
        lost[:] = [(before.strip() or "body", "is not an OTLP export request", data)]
    return Found(before, request, numbers, lost)


def _salvage_scope(
    scope: ScopeSpans,
    data: bytes,
    place: tuple[int, int],
    before: str,
    numbers: dict[tuple[int, int], list[int]],
    lost: list[tuple[str, str, bytes]],
) -> None:
    kept = numbers.setdefault(place, [])
    number = 0
    rest = data
    while rest:
        broken = b""
        for field, inside in _fields(rest):
            where = f"{before}spans[{place[0]}.{place[1]}.{number}]"
            if field == 1:
                _merge(scope.scope, inside, f"{before}scope[{place[0]}.{place[1]}]", lost)
            elif field == 2:
                if _merge(scope.spans.add(), inside, where, lost):
                    kept.append(number)
                else:
                    del scope.spans[-1]
                    broken = inside
                number += 1
            elif field == 0:
                lost.append((where, _BROKEN, inside))
                broken = inside
                number += 1
        # A wrong length hides what follows it: go on where another span begins.
        match = _SPAN.search(broken, 1)
        rest = broken[match.start() :] if match is not None else b""


def _merge(message: Any, data: bytes, place: str, lost: list[tuple[str, str, bytes]]) -> bool:
    try:
        message.MergeFromString(data)
    except DecodeError:
        message.Clear()
        lost.append((place, _BROKEN, data))
        return False
    return True


# --- one request a line


def _base64_lines(text: bytes) -> Iterator[Found]:
    lines = text.split(b"\n")
    for number, given in enumerate(lines, start=1):
        line = given.strip().strip(b'"')
        if not line:
            continue
        before = f"line {number} " if len(lines) > 1 else ""
        try:
            data = base64.b64decode(line, validate=True)
        except (binascii.Error, ValueError):
            yield Found(before, None, {}, [(before.strip() or "body", "is not base64", line)])
            continue
        yield _protobuf(data, before)
