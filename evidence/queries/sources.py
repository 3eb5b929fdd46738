"""Sources with their live state, their deposits, and what is kept of one deposit.

Owns what ok, late, silent and gap mean. Sums are over deposits, never over events, and kept for
a few seconds, because every open page asks again every ten.
"""

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson
import zstandard
from django.core.cache import cache
from django.db import connection
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]  # ships no types
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # ships no types
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from evidence import kept_old, known
from evidence.formats import escaping
from evidence.intake import asked
from evidence.models import Deposit, Gap, Reject, Source
from evidence.stores import bodies, objects

PAGE = 50
KEPT_SECONDS = 8
RECENT = timedelta(minutes=10)
# A gap that ended this long ago no longer colours the source.
GAP_SHOWS = timedelta(days=1)
EXCERPT = 4_096
# A kept body larger than this is not read again for one record on a page.
MOST_REREAD = 16 << 20

SUMS = """
SELECT source_id, max(received_at), coalesce(sum(events), 0)::bigint,
       coalesce(sum(rejects), 0)::bigint,
       coalesce(sum(events) FILTER (WHERE received_at > %s), 0)::bigint,
       coalesce(sum(old), 0)::bigint, min(old_from)
FROM evidence_deposit GROUP BY source_id
"""


class Sums(NamedTuple):
    """What a source has sent in all."""

    last_received_at: datetime | None = None
    events: int = 0
    rejects: int = 0
    recent: int = 0  # events of the last ten minutes
    old: int = 0
    old_from: datetime | None = None


def sums(now: datetime) -> dict[int, Sums]:
    """By source id; a few seconds old at most."""
    found: dict[int, Sums] | None = cache.get("evidence.sums")
    if found is None:
        with connection.cursor() as cursor:
            cursor.execute(SUMS, [now - RECENT])
            found = {row[0]: Sums(*row[1:]) for row in cursor.fetchall()}
        cache.set("evidence.sums", found, KEPT_SECONDS)
    return found


class State(NamedTuple):
    """How a source does: ok, late, silent, gap or new_source, with the words beside it."""

    state: str
    words: str = ""


def state(source: Source, last: datetime | None, gap: bool, *, now: datetime) -> State:
    """Silent: nothing for longer than it may take; late: within its normal delay of that."""
    if last is None:
        return State("new_source", "nothing received yet")
    since = now - last
    if source.expected_every_seconds is not None:
        every = timedelta(seconds=source.expected_every_seconds)
        if since > every + timedelta(seconds=source.lag_seconds):
            return State("silent", f"silent for {_span(since)}")
        if since > every:
            return State("late", f"{_span(since - every)} late")
    if gap:
        return State("gap", "a gap within the last day")
    return State("ok")


def _span(length: timedelta) -> str:
    minutes = int(length.total_seconds()) // 60
    if minutes < 1:
        return f"{int(length.total_seconds())} s"
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 72 * 60 else f"{minutes // 1440} d"


def rows(*, now: datetime) -> list[dict[str, Any]]:
    """All sources, as the list shows them; the same number of queries for any number of them."""
    with_gap = set(
        Gap.objects.filter(during__endswith__gt=now - GAP_SHOWS).values_list("source_id", flat=True)
    )
    found = sums(now)
    return [
        row(one, found.get(one.pk, Sums()), one.pk in with_gap, now=now)
        for one in Source.objects.order_by("name")
    ]


def row(source: Source, sent: Sums, gap: bool, *, now: datetime) -> dict[str, Any]:
    how = state(source, sent.last_received_at, gap, now=now)
    share = source.sampling
    return {
        "name": source.name,
        "title": source.title,
        "url": f"/sources/{source.name}/",
        "plane": source.plane,
        "format": source.format,
        "state": how.state,
        "state_words": how.words,
        "last_received_at": sent.last_received_at,
        "watermark": source.watermark,
        "completeness": source.completeness,
        "sampling_words": "everything" if share == 1.0 else f"{share * 100:g} % sampled",
        "events": sent.events,
        "events_url": f"/events/?source={source.name}" if sent.events else "",
        "rejects": sent.rejects,
        "rejects_url": f"/sources/{source.name}/?rejects=1" if sent.rejects else "",
        "old": sent.old,
        "old_words": kept_old.words(source, sent.old, sent.old_from, now=now),
        "old_url": f"/sources/{source.name}/?old=1" if sent.old else "",
        "per_minute": sent.recent * 60 // int(RECENT.total_seconds()),
        "share": None,
    }


def detail(source: Source, *, now: datetime) -> dict[str, Any]:
    """One source whole."""
    gap = Gap.objects.filter(source=source, during__endswith__gt=now - GAP_SHOWS).exists()
    return row(source, sums(now).get(source.pk, Sums()), gap, now=now) | {
        "realms": source.realms,
        "lag_seconds": source.lag_seconds,
        "keep_content": source.keep_content,
        "retention_days": source.retention_days,
        "task_attribute": source.task_attribute,
        "token_hint": source.token_hint,
        "token_used_at": source.token_used_at,
        "token_expires_at": source.token_expires_at,
        "expected_every_seconds": source.expected_every_seconds,
        "created_at": source.created_at,
    }


def gaps(source: Source) -> list[dict[str, Any]]:
    """The newest stretches in which a source is known to have been silent."""
    found = Gap.objects.filter(source=source).order_by("-during")[:50]
    return [
        {"from": one.during.lower, "to": one.during.upper, "reason": one.reason} for one in found
    ]


def deposits(
    source: Source, *, before: int | None = None, only: str = ""
) -> tuple[list[dict[str, Any]], int | None]:
    """A page of deposits, newest first, and where the next one begins. `only`: those that have
    "rejects", or records that are "old"."""
    found = Deposit.objects.filter(source=source).order_by("-id")
    if before is not None:
        found = found.filter(pk__lt=before)
    if only:
        found = found.filter(**{f"{only}__gt": 0})
    page = list(found[: PAGE + 1])
    rows_ = [
        {
            "id": one.pk,
            "url": f"/deposits/{one.pk}/",
            "received_at": one.received_at,
            "name": one.name,
            "by": one.received_by,
            "records": one.records,
            "events": one.events,
            "duplicates": one.duplicates,
            "rejects": one.rejects,
            "old": one.old,
            "bytes": one.received_bytes,
        }
        for one in page[:PAGE]
    ]
    return rows_, page[PAGE - 1].pk if len(page) > PAGE else None


class Kept(NamedTuple):
    """The kept bytes of a deposit, and whether they are still those whose digest was stored."""

    body: bytes | None
    intact: bool | None
    away: str = ""  # why nobody can say now


def kept(deposit: Deposit) -> Kept:
    """Read again from where they lie; None when they are no longer there."""
    try:
        body = bodies.unpack(deposit)
    except objects.Away as problem:
        return Kept(None, None, str(problem))
    except FileNotFoundError:
        return Kept(None, None)
    except (OSError, zstandard.ZstdError):
        return Kept(None, False)
    return Kept(body, bodies.intact(deposit, body))


def excerpt(body: bytes, format: str) -> tuple[str, str]:  # noqa: A002 - what sources and deposits call it
    """(text, note) of the beginning of kept bytes; what is no text is shown as what it says."""
    if format == "otlp":
        text = _otlp(body[:MOST_REREAD])
        return text[:EXCERPT], f"the first spans of {len(body):,} bytes of protobuf, as JSON"
    text = body[:EXCERPT].decode("utf-8", "replace").replace("\0", "�")
    note = f"the first {EXCERPT:,} of {len(body):,} bytes" if len(body) > EXCERPT else ""
    return text, note


def _otlp(body: bytes) -> str:
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError:
        return ""
    shown = []
    for group in request.resource_spans:
        for scope in group.scope_spans:
            for span in scope.spans[:5]:
                shown.append(_span_text(span))
                if sum(map(len, shown)) > EXCERPT:
                    return "\n".join(shown)
    return "\n".join(shown)


def record_excerpt(deposit: Deposit, ordinal: int) -> str:
    """One record as it is kept: read again from the body, found by its place. Empty: gone."""
    reader = known.find(deposit.format)
    # Below zero: read once, and by nothing any more (evidence/rereading).
    if deposit.kept_bytes > MOST_REREAD or reader is None or ordinal < 0:
        return ""
    place = bodies.place_of(deposit, ordinal)
    if place is None:
        return ""
    try:
        body = bodies.unpack(deposit)
    except (OSError, zstandard.ZstdError):
        return ""
    if deposit.format == "cloudtrail" and not deposit.rejects:
        # Every record of the body became one: its place is its number, without reading them all.
        text = _numbered(body, ordinal)
        if text:
            return text[:EXCERPT]
    records = reader.parse(body, asked(deposit.source)).records
    if place >= len(records):
        return ""
    return _at(body, deposit.format, records[place].position)[:EXCERPT]


def _numbered(body: bytes, ordinal: int) -> str:
    """Record number `ordinal` of a document with a list, a list, or lines; else empty."""
    try:
        try:
            document = escaping.loads(body)
        except orjson.JSONDecodeError:
            lines = [line for line in body.splitlines() if line.strip()]
            document = [escaping.loads(lines[ordinal])]
            ordinal = 0
        if isinstance(document, dict):
            document = document["Records"]
        return json.dumps(document[ordinal], indent=2, ensure_ascii=False)
    except (ValueError, LookupError, TypeError):
        return ""


def _at(body: bytes, format: str, position: str) -> str:  # noqa: A002 - what sources and deposits call it
    """The text of a position: "Records[3]", "line 12", "spans[0.0.5]"."""
    if format == "otlp":
        return _span_at(body, position)
    inside = position[position.find("[") + 1 : position.find("]")]
    try:
        if position.startswith("line "):
            number = re.match(r"line (\d+)", position)
            line = body.split(b"\n")[int(number[1]) - 1] if number else b""
            return json.dumps(escaping.loads(line), indent=2, ensure_ascii=False)
        document: Any = escaping.loads(body)
        if isinstance(document, dict):
            document = document.get("Records", document)
        if isinstance(document, list):
            document = document[int(inside)]
        return json.dumps(document, indent=2, ensure_ascii=False)
    except (ValueError, IndexError, KeyError):
        return ""


def _span_at(body: bytes, position: str) -> str:
    numbers = position[position.rfind("[") + 1 : position.rfind("]")].split(".")
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
        group, scope, number = (int(one) for one in numbers)
        span = request.resource_spans[group].scope_spans[scope].spans[number]
    except (DecodeError, ValueError, IndexError):
        return ""
    return _span_text(span)


def _span_text(span: Span) -> str:
    """A span as OTLP writes JSON: its ids in hexadecimal."""
    document = MessageToDict(span)
    document["traceId"], document["spanId"] = span.trace_id.hex(), span.span_id.hex()
    if span.parent_span_id:
        document["parentSpanId"] = span.parent_span_id.hex()
    return json.dumps(document, indent=2, ensure_ascii=False)


def redactions(deposit: Deposit) -> list[dict[str, Any]]:
    """What the privacy rule removed, by kind, with the first places."""
    places: dict[str, list[str]] = {}
    for position, kind, _ in deposit.redactions.get("places", []):
        places.setdefault(kind, []).append(position)
    return [
        {
            "kind": kind,
            "count": counted["count"],
            "characters": counted["characters"],
            "places": list(dict.fromkeys(places.get(kind, [])))[:5],
        }
        for kind, counted in deposit.redactions.get("kinds", {}).items()
    ]


def rejects(deposit: Deposit, *, after: int = 0) -> tuple[Sequence[Reject], int | None]:
    """A page of what could not be read, in the order it was met, and where the next begins."""
    found = list(deposit.reject_rows.filter(pk__gt=after).order_by("pk")[: PAGE + 1])
    return found[:PAGE], found[PAGE - 1].pk if len(found) > PAGE else None
