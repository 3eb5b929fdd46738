"""Whether events still say what their deposits say: each deposit is read once more and compared.

Nothing is written. Owns which differences there are and their sentences: an event that was changed
in place, one that is gone, one that came from nowhere. What cannot be compared is counted with why,
and is no fault: what was erased or let go of, and what another version of its format read. What is
left out by a keep-filter is not in the kept bytes either. A deposit at a time is in memory.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from zstandard import ZstdError

from evidence import intake, known
from evidence.formats import unstated
from evidence.formats.record import ActorName, Record
from evidence.intake.admitting import moment
from evidence.intake.columns import ACTORS, MOST_REQUEST_ID, TERMS
from evidence.intake.rows import id_of
from evidence.models import Deposit, Dropped, Erasure, Reading, Source, Tombstone
from evidence.names import plain
from evidence.partitions import month_of
from evidence.rereading.aligning import Aligned, NotAligned, OldEvent, OldReject, Pair, align
from evidence.rereading.whole import LIST, whole_elements
from evidence.stores import bodies
from evidence.vocabulary import TIME_RECEIVED, TIME_STATED

PAGE = 500
LONGEST_VALUE = 80
WORDS = {"principal": "actor", "on_behalf": "person behind it", "at": "time", "id": "id"}
ERASED, OTHER_VERSION = "erased or let go of", "read by another version of its format"
UNREADABLE, UNALIGNED = "not readable now", "not to be told apart"
NUMBERS = ("duration", "plane", "activity", "outcome")
_COLUMNS = (
    "at, id, ordinal, digest, time_basis, received_at, source_id, action_id, resource_id,"
    " address_id, user_agent_id, error_id, conversation_id, task_id, release_id, principal_id,"
    " credential_id, agent_id, on_behalf_id, span, parent_span, trace, request_id, duration, plane,"
    " activity, outcome"
)
EVENTS = (
    f"SELECT {_COLUMNS} FROM evidence_event"  # noqa: S608 - names of columns, from above
    " WHERE at BETWEEN %s AND %s AND deposit_id = %s ORDER BY at, id"
)
TEXTS = "SELECT id, value FROM evidence_term WHERE id = ANY(%s)"
NAMES = "SELECT id, realm, kind, value FROM evidence_actor WHERE id = ANY(%s)"
THERE = """
SELECT w.n FROM unnest(%s::int[], %s::timestamptz[], %s::bigint[], %s::uuid[]) AS w(n, at, id, digest)
WHERE EXISTS (SELECT FROM evidence_event e
              WHERE e.id = w.id AND e.digest = w.digest AND (w.at IS NULL OR e.at = w.at))
"""
NOWHERE = """
SELECT e.at, e.id, e.deposit_id FROM evidence_event e
LEFT JOIN evidence_deposit d ON d.id = e.deposit_id
WHERE e.source_id = %s AND (d.id IS NULL OR d.source_id <> e.source_id OR d.first_at IS NULL
                            OR e.at NOT BETWEEN d.first_at AND d.last_at)
ORDER BY e.at, e.id LIMIT %s
"""

type Row = Mapping[str, Any]


@dataclass
class Compared:
    """What was seen of one source's events. `left`: how many deposits were not compared, by why."""

    source: str
    deposits: int = 0
    events: int = 0
    left: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class _Stored(NamedTuple):
    """The events of a deposit as they are kept, with the words behind their numbers."""

    rows: Sequence[Row]
    terms: dict[int, str]
    actors: dict[int, tuple[str, str, str]]


def total(*, source: str = "") -> int:
    """How many deposits there are to compare."""
    rows = Deposit.objects.filter(source__name=source) if source else Deposit.objects.all()
    return rows.count()


def compare(
    *, source: str = "", most_faults: int = 100, say: Callable[[int], None] = lambda _: None
) -> Iterator[Compared]:
    """Each source's events beside its deposits, or those of one source. `say` hears how many
    deposits of all were looked at; after `most_faults` a source is left."""
    seen = 0
    rows = Source.objects.order_by("name")
    for row in rows.filter(name=source) if source else rows:
        found = Compared(row.name)
        for deposit in _deposits(row):
            if len(found.faults) < most_faults:
                why = _compare(deposit, found)
                if why:
                    found.left[why] += 1
                else:
                    found.deposits += 1
            seen += 1
            say(seen)
        found.faults += list(_nowhere(row, most_faults - len(found.faults)))
        found.faults = found.faults[:most_faults]
        yield found


def _deposits(source: Source) -> Iterator[Deposit]:
    after = 0
    rows = Deposit.objects.filter(source=source).select_related("source").order_by("pk")
    while page := list(rows.filter(pk__gt=after)[:PAGE]):
        yield from page
        after = page[-1].pk


def _nowhere(source: Source, most: int) -> Iterator[str]:
    """Events that name a deposit which is none, is another source's, or holds nothing of then."""
    if most <= 0:
        return
    with connection.cursor() as cursor:
        cursor.execute(NOWHERE, [source.pk, most])
        for at, number, deposit in cursor.fetchall():
            where = f"{source.name}, deposit {deposit}, event {at.isoformat()} {number}"
            yield f"{where}: comes from no record; no such deposit holds anything of this time"


def _compare(deposit: Deposit, found: Compared) -> str:
    """Add what is wrong with one deposit's events; why it is not compared, or empty."""
    if (
        Tombstone.objects.filter(deposit=deposit).exists()
        or Erasure.objects.filter(
            deposit=deposit, state__in=[Erasure.ASKED, Erasure.CONFIRMED]
        ).exists()
    ):
        return ERASED
    reader = known.find(deposit.format)
    if reader is None or known.version_of(deposit.format) != deposit.format_version:
        return OTHER_VERSION
    try:
        body = bodies.unpack(deposit)
    except (OSError, ValueError, ZstdError):
        return UNREADABLE
    if not bodies.intact(deposit, body):
        return UNREADABLE  # the chain says so of its bytes
    last = Reading.objects.filter(deposit=deposit).order_by("-pk").first()
    forced = last is not None and last.forced and last.format == deposit.format
    parsed = reader.parse(body, intake.asked(deposit.source)._replace(forced=forced))
    stored = _stored(deposit)
    answered = [
        OldReject(*row)
        for row in deposit.reject_rows.order_by("id").values_list(
            "id", "position", "place", "unread"
        )
    ]
    # As many records were read; what has a place beyond them was read from none.
    many = deposit.records - len({one.place for one in answered if one.unread})
    by_place: dict[int, list[Row]] = {}
    for row in stored.rows:
        by_place.setdefault(row["ordinal"], []).append(row)
    possible = [
        OldEvent(row["at"], row["id"], place, row["digest"].bytes, row["time_basis"] == TIME_STATED)
        for place, (row, *_) in by_place.items()
        if -deposit.records <= place < many
    ]
    try:
        aligned = align(
            many=deposit.records,
            records=parsed.records,
            rejects=parsed.rejects,
            events=possible,
            answered=answered,
            kept_as_list=body.startswith(LIST),
        )
    except NotAligned:
        return UNALIGNED
    if len({pair.element for pair in aligned.pairs}) < len(aligned.pairs):
        return UNALIGNED  # several events of one record
    found.events += len(stored.rows)
    said = list(_faults(deposit, body, aligned, by_place, stored))
    said += [
        (row, "comes from no record of its deposit")
        for place, rows in by_place.items()
        if not -deposit.records <= place < many
        for row in rows
    ]
    found.faults += [f"{_where(deposit, row)}: {what}" for row, what in said]
    return ""


def _where(deposit: Deposit, row: Row | str) -> str:
    named = row if isinstance(row, str) else f"event {row['at'].isoformat()} {row['id']}"
    return f"{deposit.source.name}, deposit {deposit.pk}, {named}"


def _stored(deposit: Deposit) -> _Stored:
    if deposit.first_at is None or deposit.last_at is None:
        return _Stored([], {}, {})
    with connection.cursor() as cursor:
        cursor.execute(EVENTS, [deposit.first_at, deposit.last_at, deposit.pk])
        names = [column.name for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        terms = {row[column] for row in rows for _, _, column in TERMS}
        cursor.execute(TEXTS, [list(terms - {None})])
        texts = dict(cursor.fetchall())
        actors = {row[f"{name}_id"] for row in rows for name in ACTORS}
        cursor.execute(NAMES, [list(actors - {None})])
        return _Stored(rows, texts, {number: tuple(rest) for number, *rest in cursor.fetchall()})


def _faults(
    deposit: Deposit,
    body: bytes,
    aligned: Aligned,
    by_place: Mapping[int, Sequence[Row]],
    stored: _Stored,
) -> Iterator[tuple[Row | str, str]]:
    whole = whole_elements(deposit, body, {pair.element for pair in aligned.pairs})
    absent: list[Pair] = []
    for pair in aligned.pairs:
        if pair.old is None:
            if not pair.new:
                absent.append(pair)
            continue
        wrong = [
            (row, _different(pair, row, deposit, stored, whole=pair.element in whole))
            for row in by_place[pair.old.ordinal]
        ]
        # Of several in one place, the one that fits best is its event.
        wrong.sort(key=lambda one: len(one[1]))
        for number, (row, differences) in enumerate(wrong):
            if number:
                yield row, "comes from no record of its deposit: another event has its place"
            elif differences:
                yield row, f"was changed: {'; '.join(differences)}"
    yield from _missing(absent, deposit, whole)


def _missing(
    absent: Sequence[Pair], deposit: Deposit, whole: set[int]
) -> Iterator[tuple[str, str]]:
    """Records that have no event here: of those that came before in another body, or were let go
    of, nothing is missing."""
    if not absent:
        return
    there = _there([pair for pair in absent if pair.element in whole])
    months = {month_of(_time(pair.record, deposit)) for pair in absent}
    gone = set(
        Dropped.objects.filter(events__gt=0, month__in=months).values_list("month", flat=True)
    )
    rest = [
        pair
        for pair in absent
        if pair.ordinal not in there and month_of(_time(pair.record, deposit)) not in gone
    ]
    # What something was taken out of has no way to its digest: as many as it had may be repeats.
    unsure = [pair for pair in rest if pair.element not in whole]
    if len(unsure) <= deposit.duplicates - len(there):
        rest = [pair for pair in rest if pair.element in whole]
    for pair in rest:
        yield (
            f"record {shown(pair.record.position)}",
            (
                f"its event is missing ({shown(pair.record.action)},"
                f" {_time(pair.record, deposit).isoformat()})"
            ),
        )


def _there(pairs: Sequence[Pair]) -> set[int]:
    """Those of these whose event is kept, wherever it came first."""
    digests = [UUID(bytes=pair.record.digest) for pair in pairs]
    times = [None if pair.record.at is None else moment(pair.record.at) for pair in pairs]
    numbers = [id_of(pair.record.digest) for pair in pairs]
    with connection.cursor() as cursor:
        cursor.execute(THERE, [[pair.ordinal for pair in pairs], times, numbers, digests])
        return {number for (number,) in cursor.fetchall()}


def _time(record: Record, deposit: Deposit) -> datetime:
    return deposit.received_at if record.at is None else moment(record.at)


def _different(
    pair: Pair, row: Row, deposit: Deposit, stored: _Stored, *, whole: bool
) -> list[str]:
    """What an event says otherwise than its record, as parts of a sentence."""
    record = pair.record
    basis = TIME_RECEIVED if record.at is None else TIME_STATED
    pairs: list[tuple[str, Any, Any]] = [
        ("at", row["at"], _time(record, deposit)),
        ("time_basis", row["time_basis"], basis),
        ("received_at", row["received_at"], deposit.received_at),
        ("source", row["source_id"], deposit.source_id),
        ("id", row["id"], id_of(row["digest"].bytes)),
        ("span", row["span"], _number(record.span_id)),
        ("parent_span", row["parent_span"], _number(record.parent_span_id)),
        ("trace", row["trace"], None if not record.trace_id else UUID(bytes=record.trace_id)),
        ("request_id", row["request_id"], _text(record.request_id, MOST_REQUEST_ID)),
        *((name, row[name], getattr(record, name)) for name in NUMBERS),
        *(
            (name, _word(row[column], stored.terms), _text(getattr(record, name)))
            for _, name, column in TERMS
        ),
    ]
    if whole:
        pairs.append(("digest", row["digest"].bytes.hex(), record.digest.hex()))
    found = [(name, is_, was) for name, is_, was in pairs if is_ != was]
    for name in ACTORS:
        is_, said = _word(row[f"{name}_id"], stored.actors), getattr(record, name)
        if is_ not in (allowed := _names(said, deposit.source)):
            found.append((name, is_, allowed[0]))
    return [
        f"its {WORDS.get(name, name.replace('_', ' '))} is {shown(is_)}, and its record says"
        f" {shown(was)}"
        for name, is_, was in found
    ]


def _word(number: int | None, known_: Mapping[int, Any]) -> Any:
    return None if number is None else known_.get(number, f"unknown number {number}")


def _text(text: str | None, most: int | None = None) -> str | None:
    return None if text is None else plain(text[:most])


def _number(data: bytes | None) -> int | None:
    return None if data is None else int.from_bytes(data, signed=True)


def _names(name: ActorName | None, source: Source) -> list[tuple[str, str, str] | None]:
    """How a name may be kept: as its record writes it or, where that says the vendor alone, in a
    realm of its source."""
    if name is None:
        return [None]
    moved = unstated.at_home([name], source.realms, source.name).get(name)
    realms = [name.realm] if moved is None else [moved.realm, name.realm, *sorted(source.realms)]
    return [(plain(realm), name.kind, plain(name.value)) for realm in realms]


def shown(value: Any) -> str:
    """A value in a sentence on a terminal: what is hostile in it is escaped, and it is cut."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        value = " ".join(value)
    text = ascii(value) if isinstance(value, str) else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def words(found: Compared) -> Iterable[str]:
    """What `manage.py verify_deposits` says of one source, beside the faults."""
    yield (
        f"{found.events:,} events as their deposits say"
        if not found.faults
        else (f"{found.events:,} events compared with their deposits")
    )
    for why, many in sorted(found.left.items()):
        yield f"{many:,} not compared: {why}"
