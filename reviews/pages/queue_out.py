"""A view of the queue taken out of its page: CSV, JSON, and a calendar.

Owns their shapes (docs/exports.md). Rows are streamed, so a whole queue fits in little memory. A
calendar carries keys, kinds and links only: whoever has its address reads it without signing in,
and a title may say what was found of whom.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.utils.dateparse import parse_datetime

from identities.models import User
from reviews.actions import advising
from reviews.combined import SIDES
from reviews.exports import moment
from reviews.models import Case
from reviews.pages import (
    beside,
    foreseen,
    freshness,
    planted,
    queue,
    queue_groups,
    queue_items,
    recovery_rows,
    waiting,
)
from reviews.pages.case_item import usage
from reviews.permissions import SEAT_WORDS

type Row = dict[str, Any]

CHUNK = 500
# What a spreadsheet would take for a formula: titles hold names that somebody else chose. Also in
# full width, and inside a text where it begins a cell once a row is cut at semicolons or tabs.
FORMULA = re.compile(r"^\s*[=+\-@\t\r＝＋－＠]")
INSIDE = re.compile(r"([;\t\r\n]\s*)(?=[=+\-@＝＋－＠])")
# The members of each row, in their order.
OF_CASE = "case kind title state identity identity_name due_at stage next_stage"
OF_SEAT = "seat if_nobody_decides items_left items conflicts url"
OF_ITEM = (
    "seat if_nobody_decides item item_kind item_title note outcome recommendation"
    " recommendation_reason advised_at usage last_used_at findings together reasons url"
)
OF_LISTED = "seats items_left items opened_at closed_at url"
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# A calendar holds at least one component; without a deadline it is that of its times.
NO_EVENT = (
    "BEGIN:VTIMEZONE",
    "TZID:UTC",
    "BEGIN:STANDARD",
    "DTSTART:19700101T000000",
    "TZOFFSETFROM:+0000",
    "TZOFFSETTO:+0000",
    "END:STANDARD",
    "END:VTIMEZONE",
)


def mine(user: User, asked: dict[str, str], *, now: datetime) -> Iterator[Row]:
    """Every row of this view of the queue, in its order, however long it is.

    What cannot be asked for is refused here, before the answer has begun.
    """
    _, found = queue.found_for(user, asked, now=now, most=None)
    return _rows(found, asked, now=now)


def _rows(found: list[waiting.Waiting], asked: dict[str, str], *, now: datetime) -> Iterator[Row]:
    found, headings = queue_groups.arranged(found, asked.get("group", ""))
    of = _items if asked.get("show") == "items" else _cases
    for some in batched(found, CHUNK):
        for case, row in of(list(some), now=now):
            heading = headings.get(case)
            yield row | ({"group": heading.words} if heading else {})


def _of_case(case: Case) -> Row:
    return {
        "case": case.key,
        "kind": case.door,
        "title": case.title,
        "state": case.state,
        "identity": case.identity.key if case.identity is not None else None,
        "identity_name": case.identity.name if case.identity is not None else None,
        "due_at": moment(case.deadline_at),
        "stage": case.stage,
        "next_stage": case.next_stage,
    }


def _of_recovery(one: waiting.Waiting) -> Row:
    """A recovery of a login as a row beside those of cases."""
    of_case = dict.fromkeys(OF_CASE.split(), "")
    said = {"case": one.key, "kind": one.door, "title": one.title, "state": "carried out"}
    return (
        of_case
        | said
        | {"identity": None, "identity_name": None, "due_at": moment(one.deadline_at)}
    )


def _cases(found: list[waiting.Waiting], *, now: datetime) -> Iterator[tuple[UUID, Row]]:
    cases = waiting.of_cases(found)
    silence = foreseen.of_cases(
        cases.values(), freshness.of_cases(cases.values(), now=now), now=now
    )
    for one in planted.beside(found):
        case = cases.get(one.case)
        if case is not None or one.door == recovery_rows.DOOR:
            yield (
                one.case,
                (_of_recovery(one) if case is None else _of_case(case))
                | {
                    "seat": SEAT_WORDS[one.kind],
                    "if_nobody_decides": silence.get(one.case, ""),
                    "items_left": one.left,
                    "items": one.of,
                    "conflicts": one.conflicts,
                    "url": f"{settings.BASE_URL}{one.url}",
                },
            )


def _items(found: list[waiting.Waiting], *, now: datetime) -> Iterator[tuple[UUID, Row]]:
    picked = queue_items.picks(found)
    cases = {pick.item.case for pick in picked}
    silence = foreseen.of_cases(cases, freshness.of_cases(cases, now=now), now=now)
    for pick in picked:
        item, case = pick.item, pick.item.case
        yield (
            case.pk,
            _of_case(case)
            | {
                "seat": SEAT_WORDS[pick.seat.kind],
                "if_nobody_decides": silence[case.pk],
                "item": str(item.pk),
                "item_kind": item.kind,
                "item_title": item.title,
                "note": item.note,
                "outcome": item.outcome,
                "recommendation": item.recommendation,
                "recommendation_reason": item.recommendation_reason,
                "advised_at": moment(beside.made_at(item)),
                "usage": usage(item),
                "last_used_at": moment(parse_datetime(item.snapshot.get("last_at") or "")),
                "findings": " ".join(item.snapshot.get("findings", [])),
                "together": " ".join(
                    side for side in SIDES if side in item.snapshot.get("together", {})
                ),
                "reasons": " ".join(one["words"] for one in advising.of_item(item)),
                "url": f"{settings.BASE_URL}/cases/{case.key}/?item={item.pk}",
            },
        )


def cases(user: User, asked: dict[str, str], *, now: datetime) -> Iterator[Row]:
    """Every case of this view of the list that the user may see; what cannot be asked for is
    refused here."""
    rows = queue.cases_in(user, asked, now=now)
    return (_listed(case, now=now) for case in rows.iterator(chunk_size=CHUNK))


def _listed(case: Case, *, now: datetime) -> Row:
    row = queue.row_of(case, now=now)
    return _of_case(case) | {
        "seats": row["seats"],
        "items_left": row["items_left"],
        "items": row["of"],
        "opened_at": moment(case.opened_at),
        "closed_at": moment(case.closed_at),
        "url": f"{settings.BASE_URL}/cases/{case.key}/",
    }


def columns(name: str, asked: dict[str, str]) -> list[str]:
    """What a row of this view of the queue, or of the list of cases, says."""
    if name == "cases":
        return f"{OF_CASE} {OF_LISTED}".split()
    of = OF_ITEM if asked.get("show") == "items" else OF_SEAT
    return f"{OF_CASE} {of}{' group' if asked.get('group') else ''}".split()


class _Line:
    """What a csv.writer writes to: it hands the line on."""

    def write(self, line: str) -> str:
        return line


def as_csv(rows: Iterable[Row], columns: Sequence[str]) -> Iterator[str]:
    """A header, also where there are no rows, and a line for each row."""
    writer = csv.writer(_Line())
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([_cell(row[name]) for name in columns])


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    value = INSIDE.sub(r"\1'", value)
    return f"'{value}" if FORMULA.match(value) else value


def as_json(rows: Iterable[Row]) -> Iterator[bytes]:
    """One array, an object a line."""
    before = b"[\n"
    for row in rows:
        yield before + orjson.dumps(row)
        before = b",\n"
    yield b"\n]\n" if before == b",\n" else b"[]\n"


def answer(
    rows: Iterable[Row], name: str, shape: str, columns: Sequence[str]
) -> StreamingHttpResponse:
    """The rows as a file: `shape` is csv, with these columns, or json."""
    made: Iterator[str] | Iterator[bytes] = (
        as_csv(rows, columns) if shape == "csv" else as_json(rows)
    )
    kind = "text/csv; charset=utf-8" if shape == "csv" else "application/json"
    response = StreamingHttpResponse(made, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="countersign-{name}.{shape}"'
    return response


def calendar(user: User, *, now: datetime) -> HttpResponse:
    """The deadlines of the queue as RFC 5545."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Countersign//Queue//EN",
        "X-WR-CALNAME:Countersign: my queue",
        "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
    ]
    found = waiting.for_user(user, now=now)
    if len(found) >= waiting.MOST:
        lines.append(f"X-WR-CALDESC:{_text(f'The first {waiting.MOST} deadlines of the queue.')}")
    if not found:
        lines += NO_EVENT
    sealed = {pk for pk, case in waiting.of_cases(found).items() if case.sealed}
    for one in found:
        link = f"{settings.BASE_URL}{one.url}"
        # A sealed case is absent for everybody who was not named to it, so its kind stays here.
        kind = "" if one.case in sealed else f", {one.door_words}"
        lines += [
            "BEGIN:VEVENT",
            f"UID:{one.key}@{settings.BASE_URL.partition('://')[2]}",
            f"DTSTAMP:{_stamp(now)}",
            f"DTSTART:{_stamp(one.deadline_at)}",
            f"DTEND:{_stamp(one.deadline_at + timedelta(minutes=15))}",
            f"SUMMARY:{_text(f'{one.key}{kind}')}",
            f"URL:{link}",
            f"DESCRIPTION:{_text(link)}",
            # A deadline keeps nobody busy.
            "TRANSP:TRANSPARENT",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    text = "".join(f"{_folded(line)}\r\n" for line in lines)
    response = HttpResponse(text, content_type="text/calendar; charset=utf-8")
    response["X-Robots-Tag"] = "noindex"
    return response


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _text(words: str) -> str:
    """TEXT of RFC 5545: no name can end its line or begin a property."""
    said = CONTROLS.sub(" ", words)[:300]
    return re.sub(r"([\\;,])", r"\\\1", said)


def _folded(line: str) -> str:
    """At most 75 octets a line, never cut inside a character."""
    parts, part = [], ""
    for letter in line:
        if len((part + letter).encode()) > 73:
            parts.append(part)
            part = ""
        part += letter
    return "\r\n ".join([*parts, part])
