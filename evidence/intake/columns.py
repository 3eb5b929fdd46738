"""Event rows as the bytes of a binary COPY, made column by column.

Owns how each column is written (PostgreSQL: COPY, file formats, binary format). What no row has
is left out, and what all rows have alike is written once and repeated, which is most of a row.
Must not know tables, clashes or transactions.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import repeat
from struct import Struct
from typing import Any

from evidence.formats.record import ActorName, Issued, Record
from evidence.intake.admitting import Admitted, micros
from evidence.models import Term
from evidence.names import TermName, plain
from evidence.vocabulary import TIME_RECEIVED, TIME_STATED

MOST_REQUEST_ID = 500
# Which field of a record holds which kind of term, and in which column its id goes.
TERMS = (
    (Term.ACTION, "action", "action_id"),
    (Term.RESOURCE, "resource", "resource_id"),
    (Term.ADDRESS, "address", "address_id"),
    (Term.USER_AGENT, "user_agent", "user_agent_id"),
    (Term.ERROR, "error", "error_id"),
    (Term.CONVERSATION, "conversation", "conversation_id"),
    (Term.TASK, "task", "task_id"),
    (Term.RELEASE, "release", "release_id"),
)
ACTORS = ("principal", "credential", "agent", "on_behalf")
OPENING, CLOSING = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
# PostgreSQL counts its time from 2000.
SINCE_1970 = 946_684_800_000_000
# The calendar, in microseconds since 1970.
_FIRST = micros(datetime.min.replace(tzinfo=UTC))
_LAST = micros(datetime.max.replace(tzinfo=UTC))

type Key = tuple[int, int]  # time in microseconds, id


# Each value is written with its length before it.
_length = Struct(">i").pack
_bigint: Callable[[int], bytes] = partial(Struct(">iq").pack, 8)
_integer: Callable[[int], bytes] = partial(Struct(">ii").pack, 4)
_smallint: Callable[[int], bytes] = partial(Struct(">ih").pack, 2)
# The numbers of planes, activities, outcomes and bases of time.
_SMALL = [_smallint(number) for number in range(64)]
# How every row begins, with what no two rows have alike: how many columns it has, its time, its
# id, a digest and the place of its record.
_BEGUN = Struct(">hiqiqi16sii")
_begin = _BEGUN.pack
# How the row of an issuance begins: how many columns, its time and its id.
_head = Struct(">hiqiq").pack
# Lengths of texts, as most of them have.
_LENGTHS = [_length(size) for size in range(256)]


def rows_of(
    moments: Sequence[int],
    numbers: Sequence[int],
    admitted: Admitted,
    *,
    actors: dict[ActorName, int],
    terms: dict[TermName, int],
    source: int,
    deposit: int,
    now: datetime,
    reading: int,
) -> tuple[str, bytes]:
    """(names of the columns, rows) for COPY, in the order of the keys: times (microseconds since
    1970) and ids."""
    of = admitted.fields
    actor: dict[ActorName | None, bytes] = {None: NULL}
    actor.update((name, _bigint(number)) for name, number in actors.items())
    term: dict[int, dict[str | None, bytes]] = {kind: {None: NULL} for kind, _, _ in TERMS}
    for (kind, value), number in terms.items():
        term[kind][value] = _bigint(number)
    many = len(moments)
    stated = len(admitted.times) == many
    columns: list[tuple[str, Sequence[Any], Callable[[Any], bytes]]] = [
        *((f"{field}_id", of[field], actor.__getitem__) for field in ACTORS),
        *((column, of[field], term[kind].__getitem__) for kind, field, column in TERMS),
        ("span", of["span_id"], _sized),
        ("parent_span", of["parent_span_id"], _sized),
        ("duration", of["duration"], _duration),
        ("plane", of["plane"], _SMALL.__getitem__),
        ("activity", of["activity"], _SMALL.__getitem__),
        ("outcome", of["outcome"], _SMALL.__getitem__),
        (
            "time_basis",
            [TIME_STATED] * many
            if stated
            else [TIME_RECEIVED if at is None else TIME_STATED for at in of["at"]],
            _SMALL.__getitem__,
        ),
        ("trace", of["trace_id"], _sized),
        ("request_id", of["request_id"], _plainly if _are_plain(of["request_id"]) else _text),
    ]
    alike = {
        "received_at": _time(micros(now)),
        "deposit_id": _bigint(deposit),
        "source_id": _integer(source),
        "reading": _smallint(reading),
    }
    names = ["at", "id", "digest", "ordinal"]
    varying: list[Iterable[bytes]] = []
    for name, values, written in columns:
        first = values[0]
        if values[-1] != first or values.count(first) < many:
            names.append(name)
            varying.append(map(written, values))
        elif first is not None:
            alike[name] = written(first)
    names += alike
    since = [at - SINCE_1970 for at in moments]
    eight, sixteen, four = repeat(8), repeat(16), repeat(4)
    digests, places = of["digest"], admitted.ordinals
    begun = map(
        _begin, repeat(len(names)), eight, since, eight, numbers, sixteen, digests, four, places
    )
    rest = repeat(b"".join(alike.values()), many)
    rows = list(map(b"".join, zip(begun, *varying, rest, strict=False)))
    # A row begins with its time and its id, so that bytes are in the order of the keys; but for what
    # was before 2000, whose first bit is set. No two have one key.
    if min(since) < 0 <= max(since):
        rows.sort(key=_by_key)
    else:
        rows.sort()
    return ", ".join(names), b"".join([OPENING, *rows, CLOSING])


def issuance_rows(
    issuing: Iterable[tuple[Key, Record]], *, actors: dict[ActorName, int], deposit: int
) -> bytes:
    """The rows of these records' issuances for COPY: time, id, credential, holder, by whom, by
    which credential, whether it stands, its end, deposit."""
    actor: dict[ActorName | None, bytes] = {None: NULL}
    actor.update((name, _bigint(number)) for name, number in actors.items())
    stands = {True: _length(1) + b"\1", False: _length(1) + b"\0"}
    keys, records = zip(*issuing, strict=True)
    issued: list[Issued] = [record.issued for record in records]
    many = len(keys)
    rows = zip(
        [_head(9, 8, at - SINCE_1970, 8, number) for at, number in keys],
        [actor[one.credential] for one in issued],
        [actor[one.issued_to] for one in issued],
        [actor[record.principal] for record in records],
        [actor[record.credential] for record in records],
        [stands[one.standing] for one in issued],
        [_end(one.expires_at) for one in issued],
        repeat(_bigint(deposit), many),
        strict=True,
    )
    return b"".join([OPENING, *map(b"".join, rows), CLOSING])


def _by_key(row: bytes) -> tuple[int, int]:
    """Time and id of a row that was begun (`_begin`)."""
    _, _, since, _, number, _, _, _, _ = _BEGUN.unpack_from(row)
    return since, number


def _end(at: int | None) -> bytes:
    """When a credential ends; a stated end beyond the calendar is none."""
    return NULL if at is None or not _FIRST <= at <= _LAST else _time(at)


def _time(at: int) -> bytes:
    return _bigint(at - SINCE_1970)


def _duration(value: int | None) -> bytes:
    return NULL if value is None else _bigint(value)


def _sized(data: bytes | None) -> bytes:
    return NULL if data is None else _LENGTHS[len(data)] + data


def _are_plain(texts: Sequence[str | None]) -> bool:
    """Whether all of these are written as they stand: short, and of ASCII without NULs."""
    longest = max(map(len, filter(None, texts)), default=0)
    together = "".join(filter(None, texts))
    return longest < 256 and together.isascii() and "\0" not in together


def _plainly(text: str | None) -> bytes:
    return NULL if text is None else _LENGTHS[len(text)] + text.encode()


def _text(text: str | None) -> bytes:
    if text is None:
        return NULL
    if len(text) > MOST_REQUEST_ID or "\0" in text:
        text = plain(text)[:MOST_REQUEST_ID]
    data = text.encode("utf-8", "backslashreplace")
    size = len(data)
    return (_LENGTHS[size] if size < 256 else _length(size)) + data
