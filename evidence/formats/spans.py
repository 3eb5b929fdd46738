"""Spans that other products hand out as JSON of their own, read as OTLP would have said them.

Owns what those products' formats share: ids of any writing, content taken out by the names that
OTLP's content has, the way through the body loop, agents from the nearest ancestor. What a
product's members mean stands in its own module; what an attribute means stands in otlp/. Pure.
"""

import base64
import binascii
from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from typing import Any, NamedTuple

import orjson
from google.protobuf.message import EncodeError  # type: ignore[import-untyped]  # ships no types
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from evidence.formats import otlp, times
from evidence.formats.beginnings import begun
from evidence.formats.documents import Piece, Shape, clean, pieces
from evidence.formats.dropping import Drop
from evidence.formats.marking import Gone, is_gone
from evidence.formats.otlp import agents, content, names
from evidence.formats.otlp import reading as meaning
from evidence.formats.reading import Kind, read_pieces
from evidence.formats.record import Asked, Parsed, Record
from evidence.formats.tables import Row, Unreadable

_DEEPEST = 16
_LONGEST_NAME = 200
_MOST_ELEMENTS = 8
_CONTENT, _LITERALS, _ANY = content.CONTENT, content.LITERALS, content.ANY
_MOST_NAMES = 32_768
# What is to be done with each member name seen so far.
_kinds: dict[str, int] = {}
# Attributes that are numbers, which some products write as text.
_NUMBERS = frozenset({"http.response.status_code", "http.status_code"})


FIRST = 256 * 1024
_LOOKED_AT = 5


def begins_with(head: bytes, shape: Shape) -> bool:
    """Whether one of the first records in the beginning of a body, cut anywhere, is of a shape."""
    text = clean(head)[:FIRST]
    if not text.startswith((b"{", b"[")) or shape.mark not in text:
        return False
    some = islice(pieces(text, shape), _LOOKED_AT)
    return any(shape.is_record(piece[1]) for piece in some) or shape.is_record(begun(text))


class Told(NamedTuple):
    """One span as a product tells it. Times are nanoseconds since 1970 UTC."""

    trace: bytes
    span: bytes
    parent: bytes
    name: str
    start: int
    end: int
    attributes: dict[str, Any]  # values are text, numbers or lists of text
    resource: dict[str, Any]
    failed: bool = False
    message: str = ""
    exception: str = ""
    principal: str = ""  # a person whom the product itself has authenticated
    request_id: str = ""  # the caller's, of the whole trace, where the span itself names none
    vendor_id: str | None = None
    called: bool = False  # by somebody else, where the product says so


def parse(
    found: Iterable[Piece],
    asked: Asked,
    *,
    name: str,
    knows: Callable[[Any], bool],
    tells: Callable[[Row], Told],
    drops: Drop,
) -> Parsed:
    """Read spans that `found` holds one by one; `tells` raises Unreadable where one is none."""
    realm = f"otel:{asked.source}"

    def reads(position: str, row: Row, digest: Callable[[str, str], bytes]) -> Record:
        return _record(position, tells(row), realm, asked, digest)

    # A source speaks for its own names and for the realms it was given: asked of each actor.
    free = asked._replace(realms=frozenset())
    parsed = read_pieces(found, free, first=Kind(name, knows, reads, drops))
    return parsed._replace(records=otlp.with_agents(parsed.records))


def _record(
    position: str,
    told: Told,
    realm: str,
    asked: Asked,
    digest: Callable[[str, str], bytes],
) -> Record:
    task, realms = asked.task_attribute, asked.realms
    attributes, resource = _read(told.attributes, task), _read(told.resource, task)
    # Most of these products do not say whether a span called or was called; only servers name a
    # route.
    called = told.called or "http.route" in told.attributes
    try:
        span = Span(
            trace_id=told.trace,
            span_id=told.span,
            parent_span_id=told.parent,
            name=told.name,
            kind=Span.SPAN_KIND_SERVER if called else Span.SPAN_KIND_CLIENT,
            start_time_unix_nano=told.start,
            end_time_unix_nano=told.end,
            status=Status(code=Status.STATUS_CODE_ERROR, message=told.message)
            if told.failed
            else None,
            events=[_raised(told.exception)] if told.exception else (),
        )
        meaning.check(span)
        record = meaning.record(
            position=position,
            digest=digest(realm, told.vendor_id or ""),
            span=span,
            attributes=attributes,
            sender=meaning.sender(resource, realm, task),
        )
    except (meaning.Unreadable, ValueError, TypeError, EncodeError) as problem:
        raise Unreadable(str(problem)) from problem
    if told.principal:
        record = record._replace(principal=agents.actor(realm, "user", told.principal))
    if told.request_id and record.request_id is None:
        record = record._replace(request_id=told.request_id[:_LONGEST_NAME])
    if told.vendor_id:
        record = record._replace(vendor_id=told.vendor_id[:_LONGEST_NAME])
    if realms:
        stranger = meaning.stranger(record, realm, realms)
        if stranger is not None:
            raise Unreadable(stranger)
    return record


def _raised(exception: str) -> Span.Event:
    said = KeyValue(key="exception.type", value=AnyValue(string_value=exception))
    return Span.Event(name="exception", attributes=[said])


def _read(given: dict[str, Any], task: str) -> dict[str, Any]:
    """The attributes that a record is made from; content is none of them, whoever names it."""
    if task and _kind(task) in (content.PLAIN, _ANY) and task in given:
        value = _value(task, given[task])
        return _read(given, "") | ({} if value is None else {task: value})
    return {
        name: value
        for name in given.keys() & names.READ
        if (value := _value(name, given[name])) is not None
    }


def _value(name: str, given: Any) -> Any:
    """An attribute as OTLP carries it; lists may be written as JSON text."""
    if type(given) is str:
        if given.startswith('["'):
            given = parsed(given)
        elif name in _NUMBERS and given.isascii() and given.isdigit() and len(given) < 6:
            return int(given)
        else:
            return given
    if type(given) is list:
        return [one for one in given[:_MOST_ELEMENTS] if type(one) is str]
    return given if type(given) in (str, int, bool, float) else None


def parsed(text: str) -> Any:
    """A value that is written as JSON; text that is none as it stands."""
    try:
        return orjson.loads(text)
    except (ValueError, RecursionError):
        return text


def mapping(value: Any) -> dict[str, Any]:
    """An object, also one that is written as JSON text; anything else is an empty one."""
    if type(value) is str and value[:1] == "{":
        value = parsed(value)
    return value if type(value) is dict else {}


def text(row: Row, *members: str) -> str:
    """The first of these members that is text; ''."""
    for member in members:
        value = row.get(member)
        if type(value) is str and value:
            return value
    return ""


@lru_cache(maxsize=65_536)
def identifier(written: str, length: int) -> bytes:
    """An id of this many bytes: hexadecimal, a UUID or base64 as they are; of anything else a
    digest, the same wherever it is met. No id at all is no bytes."""
    if not written:
        return b""
    plain = written.rsplit("/", 1)[-1].removeprefix("tr-").removeprefix("0x").replace("-", "")
    try:
        if len(plain) == 2 * length:
            return bytes.fromhex(plain)
        if len(written) == (length + 2) // 3 * 4:
            return base64.b64decode(written, validate=True)[:length]
    except (ValueError, binascii.Error):
        pass
    return blake2b(written.encode("utf-8", "replace"), digest_size=length).digest()


def nanoseconds(value: Any) -> int:
    """A written time, or a count of any unit, in nanoseconds; 0: it is none."""
    if type(value) is str and len(value) == 19 and value.isascii() and value.isdigit():
        return int(value)
    if type(value) is int and value > 10**17:
        return value
    at = times.moment(value)
    return 0 if at is None else at * 1000


# --- content


def gone(value: Any, lost: Gone) -> Any:
    """What stands in the place of content; `lost` gains its characters."""
    if value is None or value in ("", [], {}) or is_gone(value):
        return value
    if type(value) is str:
        return lost.mark(value)
    try:
        return lost.mark(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
    except (TypeError, ValueError, RecursionError):
        return lost.mark(b"")  # nested beyond what can be written; how long it was is not known


def without_content(holder: Any, lost: Gone, deepest: int = _DEEPEST) -> None:
    """Take out of an object, in place, every member that OTLP's table of content names."""
    if type(holder) is list:
        for number, one in enumerate(holder):
            if type(one) in (dict, list):
                if deepest:
                    without_content(one, lost, deepest - 1)
                else:
                    holder[number] = gone(one, lost)
        return
    for name, value in holder.items():
        kind = _kinds.get(name)
        if kind is None:
            kind = _kind(name)
        if kind == _CONTENT:
            holder[name] = gone(value, lost)
        elif type(value) is str:
            if name == names.NOTES:
                holder[name] = content.without_prose(value, lost)
            elif kind == _LITERALS:
                holder[name] = _formed(value, lost)
            elif kind == _ANY and content.is_prose(value):
                holder[name] = gone(value, lost)
        elif type(value) is dict or type(value) is list:
            if deepest:
                without_content(value, lost, deepest - 1)
            else:
                holder[name] = gone(value, lost)


def without_words(holder: Any, members: tuple[str, ...], lost: Gone) -> None:
    """Take out of an object, in place, what an error says under these members."""
    if type(holder) is dict:
        for member in members:
            said = holder.get(member)
            if type(said) is str:
                holder[member] = content.without_words(said, lost)
            elif said is not None:
                holder[member] = gone(said, lost)


def _kind(name: str) -> int:
    kind = content.kind_of(name[:_LONGEST_NAME])
    if kind == content.PLAIN and name not in names.READ and not content.is_harmless(name):
        kind = _ANY
    if len(name) <= _LONGEST_NAME and len(_kinds) < _MOST_NAMES:
        _kinds[name] = kind
    return kind


def _formed(statement: str, lost: Gone) -> str:
    """A statement without its values; one that is written as JSON stays so."""
    inside = parsed(statement) if statement[:1] == '"' else statement
    if type(inside) is not str:
        return str(gone(statement, lost))
    form, characters = content.without_literals(inside)
    if not characters:
        return statement
    lost.append(characters)
    return orjson.dumps(form).decode() if inside is not statement else form
