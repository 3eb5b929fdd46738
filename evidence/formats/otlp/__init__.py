"""OpenTelemetry traces (OTLP): spans to normalised records.

Owns the pass over one body: digests of what was received, content dropped, secrets replaced,
records made, agents taken from the nearest ancestor. The encodings, the names that are content
and the meaning of a span are the modules beside it. Knows nothing of the database or of who an
agent is. Pure.

What is kept is one export request in protobuf, after the privacy rule.
"""

from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from evidence import privacy
from evidence.formats import marking
from evidence.formats.counting import require_few
from evidence.formats.otlp import content, names, reading, wire
from evidence.formats.otlp.content import ANY, CONTENT, LITERALS, NOTED, PLAIN, READ, SECRET
from evidence.formats.otlp.found import Found
from evidence.formats.record import ActorName, Asked, Format, Parsed, Record, Redaction, Rejected
from evidence.formats.unread import outlined
from evidence.keys import DIGEST_SIZE, keyed

NAME = "otlp"
_DEEPEST_ANCESTOR = 64
_MOST_NAMES = 32_768
# How JSON begins.
_OPENING = (b"{", b"[", b'"')
# What is to be done with each attribute name seen so far.
_kinds: dict[str, int] = {}


def recognise(head: bytes) -> bool:
    """OTLP/JSON, protobuf, or lines of either."""
    if wire.is_json(head):
        return b'"resourceSpans"' in head[:65_536]
    return wire.is_protobuf(head) or wire.is_base64_line(head[:65_536])


def parse(body: bytes, asked: Asked) -> Parsed:
    """Read all spans of a body; raises TooManyRecords, and nothing else for what it holds."""
    reader = _Reader(asked)
    kept = []
    # Requests without a span count as well: a body may be made of them.
    for requests, found in enumerate(wire.requests(body)):
        require_few(requests + len(reader.records) + len(reader.rejects))
        for place, reason, raw in found.lost:
            reader.rejects.append(Rejected(place, reason, reader.excerpt(raw)))
        if found.request is not None:
            # Requests one after the other are, on the wire, one request.
            kept.append(reader.take(found.request, found))
    require_few(len(reader.records) + len(reader.rejects))
    records = with_agents(reader.records)
    return Parsed(b"".join(kept), records, reader.rejects, reader.redactions)


class _Reader:
    """Reads export requests one after the other; what it found is in its lists."""

    def __init__(self, asked: Asked) -> None:
        self.realm = f"otel:{asked.source}"
        self.realms = asked.realms
        self.keep_content = asked.keep_content
        self.task = asked.task_attribute
        opening = f"{self.realm}\0{NAME}\0\0".encode()
        self.opening = keyed(asked.digest_key, opening)
        self.lost = marking.Gone(asked.digest_key)
        self.records: list[Record] = []
        self.rejects: list[Rejected] = []
        self.redactions: list[Redaction] = []

    def excerpt(self, raw: bytes) -> str:
        """The beginning of what could not be read: of a source that drops content, no sentence."""
        if self.keep_content:
            return privacy.excerpt(raw)
        if raw.lstrip()[:1] not in _OPENING:
            return f"[content:{len(raw)}]"
        return privacy.excerpt(outlined(raw)[0])

    def take(self, request: ExportTraceServiceRequest, found: Found) -> bytes:
        """Read one request; the answer is what may be kept of it."""
        records, rejects = len(self.records), len(self.rejects)
        digests: list[bytes] = []
        self._read(request, found, digests, first=True)
        kept = request.SerializeToString()
        if privacy.suspicious(kept) and self._without_secrets(request):
            # Records are made from what may be kept: read again what is left.
            del self.records[records:], self.rejects[rejects:]
            self._read(request, found, digests, first=False)
            kept = request.SerializeToString()
        return bytes(kept)

    def _read(
        self,
        request: ExportTraceServiceRequest,
        found: Found,
        digests: list[bytes],
        *,
        first: bool,
    ) -> None:
        turn = 0
        record, check = reading.record, reading.check
        for r, group in enumerate(request.resource_spans):
            resource = group.resource
            received = resource.SerializeToString() if first else b""
            place = f"{found.before}resourceSpans[{r}].resource"
            about_all = self._attributes(resource.attributes, place)
            sender = reading.sender(about_all, self.realm, self.task)
            for s, scope in enumerate(group.scope_spans):
                opening = self.opening
                teller = sender
                if scope.scope.name in names.STATING:
                    teller = sender._replace(states=True)
                if first:
                    about = scope.scope.SerializeToString()
                    opening = opening.copy()
                    opening.update(b"%d\0%s%d\0%s" % (len(received), received, len(about), about))
                if scope.scope.attributes:
                    where = f"{found.before}scope[{r}.{s}]"
                    self._attributes(scope.scope.attributes, where)
                numbers = found.numbers.get((r, s))
                for i, span in enumerate(scope.spans):
                    position = (
                        f"{found.before}spans[{r}.{s}.{i if numbers is None else numbers[i]}]"
                    )
                    if first:
                        digest = opening.copy()
                        digest.update(span.SerializeToString())
                        digests.append(digest.digest()[:DIGEST_SIZE])
                    attributes = self._attributes(span.attributes, position)
                    if span.events:
                        self._events(span.events, position)
                    for link in span.links:
                        if link.attributes:
                            self._attributes(link.attributes, position)
                    if span.status.message and not self.keep_content:
                        self._status(span.status, position)
                    try:
                        check(span)
                        made = record(
                            position=position,
                            digest=digests[turn],
                            span=span,
                            attributes=attributes,
                            sender=teller,
                        )
                        if self.realms:
                            stranger = reading.stranger(made, self.realm, self.realms)
                            if stranger is not None:
                                raise reading.Unreadable(stranger)
                        self.records.append(made)
                    except reading.Unreadable as problem:
                        named = b'{"name":"%b"}' % span.name.encode("utf-8", "replace")
                        self.rejects.append(Rejected(position, str(problem), self.excerpt(named)))
                    turn += 1

    def _attributes(self, pairs: Any, position: str) -> dict[str, Any]:
        """The attributes that are read; content and named secrets leave the message itself."""
        found: dict[str, Any] = {}
        for pair in pairs:
            name = pair.key
            kind = _kinds.get(name)
            if kind is None:
                kind = _kind(name)
            if kind == READ:
                value = pair.value
                found[name] = value.string_value or _plain(value)
            elif kind in (PLAIN, ANY):
                if name == self.task:
                    found[name] = pair.value.string_value or _plain(pair.value)
                elif kind == ANY and not self.keep_content and content.holds_prose(pair.value):
                    length = self._drop(pair.value)
                    self.redactions.append(Redaction(f"{position} {name[:100]}", "content", length))
            elif kind == CONTENT:
                if not self.keep_content and (length := self._drop(pair.value)):
                    self.redactions.append(Redaction(f"{position} {name[:100]}", "content", length))
            elif kind == SECRET:
                self._named_secret(name, pair.value, position)
            elif kind == NOTED:
                if not self.keep_content:
                    self._without_prose(name, pair.value, position)
                found[name] = pair.value.string_value
            elif kind == LITERALS and not self.keep_content:
                statement, length = content.without_literals(pair.value.string_value)
                if length:
                    pair.value.string_value = statement
                    self.redactions.append(Redaction(f"{position} {name[:100]}", "content", length))
        return found

    def _without_prose(self, name: str, value: AnyValue, position: str) -> None:
        lengths = []
        if value.string_value:
            notes = content.without_prose(value.string_value, self.lost)
            if self.lost:
                value.string_value = notes
                lengths = list(self.lost)
                self.lost.clear()
        elif content.holds_prose(value):
            lengths = [self._drop(value)]
        self.redactions += [Redaction(f"{position} {name}", "content", one) for one in lengths]

    def _drop(self, value: AnyValue) -> int:
        """Put the mark of content in its place; its length, 0 where there is none any more."""
        which = value.WhichOneof("value")
        if which == "string_value":
            text = value.string_value
            if not text or marking.is_gone(text):
                return 0
            value.string_value = self.lost.mark(text)
        elif which is not None:
            value.string_value = self.lost.mark(value.SerializeToString(deterministic=True))
        else:
            return 0
        return self.lost.pop()

    def _named_secret(self, name: str, value: AnyValue, position: str) -> None:
        """The value of an attribute whose name says that it is a secret."""
        kind = privacy.secret_name(name) or "secret"
        which = value.WhichOneof("value")
        if which == "string_value":
            texts = [value]
        elif which == "array_value":
            texts = [inner for inner in value.array_value.values if inner.string_value]
        elif which in ("bytes_value", "kvlist_value"):
            length = content.length_of(value)
            value.string_value = privacy.replacement(kind, length).decode()
            self.redactions.append(Redaction(f"{position} {name[:100]}", kind, length))
            return
        else:
            return
        for text in texts:
            if not privacy.says_nothing(text.string_value):
                length = len(text.string_value)
                text.string_value = privacy.replacement(kind, length).decode()
                self.redactions.append(Redaction(f"{position} {name[:100]}", kind, length))

    def _status(self, status: Any, position: str) -> None:
        status.message = content.without_words(status.message, self.lost)
        if self.lost:
            self.redactions.append(Redaction(f"{position} status", "content", self.lost.pop()))

    def _events(self, events: Any, position: str) -> None:
        for event in events:
            if content.is_message(event.name) and not self.keep_content:
                length = sum(self._drop(pair.value) for pair in event.attributes)
                if length:
                    where = f"{position} event {event.name[:100]}"
                    self.redactions.append(Redaction(where, "content", length))
            elif event.attributes:
                self._attributes(event.attributes, position)

    def _without_secrets(self, request: ExportTraceServiceRequest) -> bool:
        """Replace secrets in every text of a request; whether there were any."""
        before = len(self.redactions)
        for r, group in enumerate(request.resource_spans):
            self._clean_attributes(group.resource.attributes, f"resourceSpans[{r}].resource")
            self._clean_text(group, "schema_url", f"resourceSpans[{r}]")
            for s, scope in enumerate(group.scope_spans):
                self._clean_text(scope.scope, "name", f"scope[{r}.{s}]")
                self._clean_text(scope.scope, "version", f"scope[{r}.{s}]")
                self._clean_text(scope, "schema_url", f"scope[{r}.{s}]")
                self._clean_attributes(scope.scope.attributes, f"scope[{r}.{s}]")
                for i, span in enumerate(scope.spans):
                    place = f"spans[{r}.{s}.{i}]"
                    self._clean_text(span, "name", place)
                    self._clean_text(span, "trace_state", place)
                    if span.HasField("status"):
                        self._clean_text(span.status, "message", place)
                    self._clean_attributes(span.attributes, place)
                    for event in span.events:
                        self._clean_text(event, "name", place)
                        self._clean_attributes(event.attributes, place)
                    for link in span.links:
                        self._clean_text(link, "trace_state", place)
                        self._clean_attributes(link.attributes, place)
        return len(self.redactions) > before

    def _clean_text(self, message: Any, member: str, place: str) -> None:
        text = getattr(message, member)
        if text:
            clean_text, hits = privacy.redact_text(text)
            if hits:
                setattr(message, member, clean_text)
                self.redactions.extend(Redaction(place, hit.kind, hit.length) for hit in hits)

    def _clean_attributes(self, pairs: Any, place: str) -> None:
        for pair in pairs:
            self._clean_text(pair, "key", place)
            self._clean_value(pair.value, place)

    def _clean_value(self, value: AnyValue, place: str) -> None:
        waiting = [value]
        while waiting:
            here = waiting.pop()
            which = here.WhichOneof("value")
            if which == "string_value":
                self._clean_text(here, "string_value", place)
            elif which == "bytes_value":
                clean_bytes, hits = privacy.redact(here.bytes_value)
                if hits:
                    here.bytes_value = clean_bytes
                    self.redactions.extend(Redaction(place, hit.kind, hit.length) for hit in hits)
            elif which == "array_value":
                waiting.extend(here.array_value.values)
            elif which == "kvlist_value":
                for pair in here.kvlist_value.values:
                    kind = privacy.secret_name(pair.key)
                    if kind is not None:
                        self._named_secret(pair.key, pair.value, place)
                    self._clean_text(pair, "key", place)
                    waiting.append(pair.value)


def _kind(name: str) -> int:
    kind = READ if name in names.READ else content.kind_of(name)
    if name == names.NOTES:
        kind = NOTED
    if kind == PLAIN and not content.is_harmless(name):
        kind = ANY
    if len(_kinds) < _MOST_NAMES and len(name) < 200:
        _kinds[name] = kind
    return kind


def _plain(value: AnyValue) -> Any:
    """A value that is no text, or an empty one; of a list, its first elements."""
    which = value.WhichOneof("value")
    if which == "array_value":
        return [inner.string_value for inner in value.array_value.values[:8]]
    if which in ("int_value", "bool_value", "double_value"):
        return getattr(value, which)
    return ""


def with_agents(records: list[Record]) -> list[Record]:
    """Spans that name no agent take the one of their nearest ancestor in this body."""
    if all(record.agent is not None for record in records):
        return records
    place = {(record.trace_id, record.span_id): record for record in records}
    return [
        record
        if record.agent is not None or record.parent_span_id is None
        else record._replace(agent=_inherited(record, place))
        for record in records
    ]


def _inherited(
    record: Record, place: dict[tuple[bytes | None, bytes | None], Record]
) -> ActorName | None:
    here = record
    for _ in range(_DEEPEST_ANCESTOR):
        if here.parent_span_id is None:
            return None
        above = place.get((here.trace_id, here.parent_span_id))
        if above is None:
            return None
        if above.agent is not None:
            return above.agent
        here = above
    return None


# 3: a NUL in a name costs no span; an agent's id stands beside its name. 4: chance in names and
# ids tells nobody apart. 7: IPv6 in its one form. 9: spans of Claude Code.
FORMAT = Format(NAME, "OpenTelemetry traces (OTLP)", recognise, parse, version=9)
