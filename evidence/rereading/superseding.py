"""A deposit's new reading takes the place of the old one, in one transaction.

Owns the staging of new rows, what becomes of each, and whom it tells. Events keep their key where
the record's identity and time are read as before; what changes keeps its earlier row
(docs/decisions/0009). The replacing itself is the database owner's function, countersign_reread.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from evidence import above, consumers, homes, keeping, nudge, partitions, retold
from evidence.formats.record import Parsed, Rejected
from evidence.intake import names_in, terms_in, told
from evidence.intake.admitting import Admitted, admit, micros, moment
from evidence.intake.rows import Rows, first_sights, issuances
from evidence.models import Deposit, Reading
from evidence.names import era, term_ids
from evidence.rereading.aligning import (
    OldEvent,
    OldReject,
    Pair,
    align,
)
from evidence.rereading.whole import LIST, whole_elements
from evidence.vocabulary import TIME_STATED

SAME, RENUMBERED, CHANGED, MOVED, ADDED, KNOWN, MERGED = range(7)
NAMES = ("same", "same", "changed", "moved", "added", "duplicates", "merged")

OLD_EVENTS = """
SELECT at, id, ordinal, digest, time_basis FROM evidence_event
WHERE at BETWEEN %s AND %s AND deposit_id = %s ORDER BY ordinal
"""
OLD_ISSUANCES = """
SELECT n.old_at, n.old_id, i.credential_id, i.issued_to_id, i.standing, i.expires_at
FROM evidence_newreading n JOIN evidence_issuance i ON i.at = n.old_at AND i.event_id = n.old_id
WHERE n.reading_id = %s AND n.old_id IS NOT NULL
"""
CLASSIFY = """
UPDATE evidence_newreading n SET becomes = CASE
    WHEN n.old_id IS NULL THEN CASE WHEN EXISTS (
        SELECT 1 FROM evidence_event e WHERE e.at = n.at AND e.id = n.id) THEN 5 ELSE 4 END
    WHEN n.at <> n.old_at OR n.id <> n.old_id THEN CASE WHEN EXISTS (
        SELECT 1 FROM evidence_event e WHERE e.at = n.at AND e.id = n.id) THEN 6 ELSE 3 END
    ELSE (SELECT CASE WHEN ({ours}) IS DISTINCT FROM ({theirs}) THEN 2
                      WHEN e.ordinal <> n.ordinal THEN 1 ELSE 0 END
          FROM evidence_event e WHERE e.at = n.at AND e.id = n.id) END
WHERE n.reading_id = %s
"""
_READ = (
    "action_id",
    "resource_id",
    "principal_id",
    "credential_id",
    "agent_id",
    "on_behalf_id",
    "address_id",
    "user_agent_id",
    "error_id",
    "conversation_id",
    "task_id",
    "release_id",
    "span",
    "parent_span",
    "duration",
    "plane",
    "activity",
    "outcome",
    "time_basis",
    "trace",
    "request_id",
)
CLASSIFY = CLASSIFY.format(
    ours=", ".join(f"e.{name}" for name in _READ), theirs=", ".join(f"n.{name}" for name in _READ)
)
# What followers hear: the old key, the new one, who used which credential, whether the names stay.
REPLACED = """
SELECT n.old_at, n.old_id, n.at, n.id, e.credential_id, n.becomes = 2
       AND (e.principal_id, e.credential_id, e.agent_id, e.on_behalf_id) IS NOT DISTINCT FROM
           (n.principal_id, n.credential_id, n.agent_id, n.on_behalf_id)
FROM evidence_newreading n JOIN evidence_event e ON e.at = n.old_at AND e.id = n.old_id
WHERE n.reading_id = %s AND n.becomes IN (2, 3, 6) ORDER BY 1, 2
"""
# The deposits whose events lost links, each to be linked again.
RELINKED = """
SELECT DISTINCT e.deposit_id FROM evidence_relink k
JOIN evidence_event e ON e.at = k.at AND e.id = k.event_id WHERE k.reading_id = %s
"""
# Runs of traces that no span is left of.
EMPTIED = """
DELETE FROM evidence_run r USING (
    SELECT DISTINCT (p.row->>'trace')::uuid AS trace, (p.row->>'source_id')::int AS source
    FROM evidence_pastreading p
    WHERE p.reading_id = %s AND p.kind = 'event' AND p.row->>'trace' IS NOT NULL) t
WHERE r.trace = t.trace AND r.source_id = t.source AND NOT EXISTS (
    SELECT 1 FROM evidence_event e WHERE e.trace = t.trace AND e.source_id = t.source)
"""


class Replaced(NamedTuple):
    """An event that was read anew. The keys are equal when it stayed where it was."""

    old_at: datetime
    old_id: int
    at: datetime
    id: int
    credential: int | None  # as it was read before
    same_actors: bool


# Set by config/celery.py: what upper apps do, in the same transaction, when events are replaced.
followers: list[Callable[[Sequence[Replaced], datetime], None]] = []


def replace(
    deposit: Deposit, parsed: Parsed, body: bytes, *, reading: Reading, now: datetime
) -> dict[str, int]:
    """Put this reading in the place of the one before; what became of the events.

    Runs in the caller's transaction. Raises NotAligned with nothing changed.
    """
    with connection.cursor() as cursor:
        aligned = align(
            many=deposit.records,
            records=parsed.records,
            rejects=parsed.rejects,
            events=_old_events(cursor, deposit),
            answered=[
                OldReject(*row)
                for row in deposit.reject_rows.order_by("id").values_list(
                    "id", "position", "place", "unread"
                )
            ],
            kept_as_list=body.startswith(LIST),
        )
        pairs = _identified(aligned.pairs, deposit, body)
        rejects = [(element, True, reject) for element, reject in aligned.rejects]
        counts = dict.fromkeys(NAMES, 0)
        # A record that was somebody else's event before stays that.
        counts["duplicates"] = sum(1 for pair in pairs if pair.old is None and not pair.new)
        pairs = _kept(pairs, deposit, rejects, now)
        rows, chosen, actors = _rows(cursor, pairs, deposit, reading, rejects)
        if rows.times:
            _stage(cursor, rows, chosen, actors, reading)
            cursor.execute(
                "SELECT becomes, count(*) FROM evidence_newreading WHERE reading_id = %s GROUP BY 1",
                [reading.pk],
            )
            for becomes, many in cursor.fetchall():
                counts[NAMES[becomes]] += many
        cursor.execute(REPLACED, [reading.pk])
        replaced = [Replaced(*row) for row in cursor.fetchall()]
        cursor.execute("SELECT countersign_reread(%s, %s::bigint[])", [reading.pk, aligned.void])
        staying = [(old, -1 - element) for old, element in aligned.left]
        staying += [
            (pair.old, pair.ordinal)
            for pair in pairs
            if pair.old is not None and pair.ordinal not in chosen
        ]
        counts["left"] = len(staying)
        _number_again(cursor, staying, reading)
        if rows.times:
            issuances(cursor, rows, actors=actors, deposit=deposit.pk)
        _finish(cursor, deposit, reading, rows, rejects, counts)
        if replaced:
            cursor.execute(EMPTIED, [reading.pk])
            above.read_anew(cursor, reading.pk)
            retold.read_anew(cursor, reading.pk)
            for follow in followers:
                follow(replaced, now)
        if replaced or counts["added"] or counts["merged"]:
            cursor.execute(RELINKED, [reading.pk])
            again = {deposit.pk, *(number for (number,) in cursor.fetchall())}
            consumers.put_back(sorted(again))
            nudge.after_commit("evidence.stored")
        cursor.execute("DELETE FROM evidence_newreading WHERE reading_id = %s", [reading.pk])
        cursor.execute("DELETE FROM evidence_relink WHERE reading_id = %s", [reading.pk])
    return counts


def _old_events(cursor: Any, deposit: Deposit) -> list[OldEvent]:
    if deposit.first_at is None or deposit.last_at is None:
        return []
    cursor.execute(OLD_EVENTS, [deposit.first_at, deposit.last_at, deposit.pk])
    return [
        OldEvent(at, number, ordinal, digest.bytes, basis == TIME_STATED)
        for at, number, ordinal, digest, basis in cursor.fetchall()
    ]


def _kept(
    pairs: list[Pair], deposit: Deposit, rejects: list[tuple[int, bool, Rejected]], now: datetime
) -> list[Pair]:
    """The pairs without what the source's keep-filter of that time leaves out of new events."""
    new = {pair.ordinal: pair.record for pair in pairs if pair.new}
    refused = keeping.refused_again(deposit, new, now=now)
    rejects += [
        (pair.element, False, Rejected(pair.record.position, refused[pair.ordinal], ""))
        for pair in pairs
        if pair.ordinal in refused
    ]
    return [pair._replace(new=False) if pair.ordinal in refused else pair for pair in pairs]


def _identified(pairs: list[Pair], deposit: Deposit, body: bytes) -> list[Pair]:
    """The pairs with the digest that each record's event is to have.

    Of what is kept whole, it is what the door would give the same record now, so that a record
    that comes again is known. Of what the door took something out of, the received record is
    gone, and with it the way to its digest: it keeps the one it has.
    """
    differing = [pair for pair in pairs if pair.old and pair.old.digest != pair.record.digest]
    if not differing:
        return pairs
    whole = whole_elements(deposit, body, {pair.element for pair in differing})
    return [
        pair
        if pair.old is None or pair.element in whole
        else pair._replace(record=pair.record._replace(digest=pair.old.digest))
        for pair in pairs
    ]


def _rows(
    cursor: Any,
    pairs: list[Pair],
    deposit: Deposit,
    reading: Reading,
    rejects: list[tuple[int, bool, Rejected]],
) -> tuple[Rows, dict[int, Pair], Any]:
    """The rows of all records that are or become events, and the pair of each by its ordinal."""
    wanted = [pair for pair in pairs if pair.old is not None or pair.new]
    by_position = {pair.record.position: pair for pair in wanted}
    refused: list[Rejected] = []
    records = [pair.record for pair in wanted]
    admitted = admit(records, source=deposit.source, now=deposit.received_at, rejects=refused)
    chosen = [wanted[place] for place in admitted.ordinals]
    admitted = Admitted([pair.ordinal for pair in chosen], admitted.records)
    sights = first_sights(cursor, admitted)
    sights |= {
        pair.record.digest: micros(pair.old.at)
        for pair in chosen
        if pair.old is not None and pair.record.at is None and not pair.old.dated
    }
    era()  # no name is forgotten before this transaction ends
    actors = homes.actor_ids(deposit.source, names_in(admitted), now=deposit.received_at)
    rows = Rows(
        admitted,
        actors=actors,
        terms=term_ids(terms_in(admitted)),
        sights=sights,
        source=deposit.source_id,
        deposit=deposit.pk,
        now=deposit.received_at,
        reading=reading.version,
    )
    for one in (*refused, *rows.collided):
        pair = by_position[one.position]
        # What is an event already stays one, as it was.
        if pair.old is None:
            rejects.append((pair.element, False, one))
    months = {partitions.month_of(moment(at)) for at in rows.times}
    partitions.ensure(partitions.missing(partitions.BY_EVENT_TIME, months))
    return rows, {pair.ordinal: pair for pair in chosen}, actors


def _stage(cursor: Any, rows: Rows, chosen: dict[int, Pair], actors: Any, reading: Reading) -> None:
    statement = f"COPY evidence_newreading ({rows.columns}) FROM STDIN (FORMAT BINARY)"
    with connection.wrap_database_errors, cursor.copy(statement) as into:
        into.write(rows.data)
    held = [(number, pair.old) for number, pair in chosen.items() if pair.old is not None]
    cursor.execute(
        "UPDATE evidence_newreading SET reading_id = %s WHERE reading_id IS NULL", [reading.pk]
    )
    if held:
        cursor.execute(
            "UPDATE evidence_newreading n SET old_at = s.at, old_id = s.id FROM"
            " unnest(%s::int[], %s::timestamptz[], %s::bigint[]) AS s(ordinal, at, id)"
            " WHERE n.reading_id = %s AND n.ordinal = s.ordinal",
            [
                [number for number, _ in held],
                [old.at for _, old in held],
                [old.id for _, old in held],
                reading.pk,
            ],
        )
    cursor.execute(CLASSIFY, [reading.pk])
    changed = _issued_otherwise(cursor, chosen, actors, reading)
    if changed:
        cursor.execute(
            "UPDATE evidence_newreading n SET becomes = 2 FROM"
            " unnest(%s::timestamptz[], %s::bigint[]) AS s(at, id)"
            " WHERE n.reading_id = %s AND n.becomes < 2 AND n.at = s.at AND n.id = s.id",
            [[at for at, _ in changed], [number for _, number in changed], reading.pk],
        )


def _issued_otherwise(
    cursor: Any, chosen: dict[int, Pair], actors: Any, reading: Reading
) -> list[tuple[datetime, int]]:
    """The old keys of events that are said to have issued something else than before."""
    cursor.execute(OLD_ISSUANCES, [reading.pk])
    before: dict[tuple[datetime, int], tuple[Any, ...]] = {
        (at, number): tuple(rest) for at, number, *rest in cursor.fetchall()
    }
    after: dict[tuple[datetime, int], tuple[Any, ...]] = {}
    for pair in chosen.values():
        issued = pair.record.issued
        if pair.old is not None and issued is not None:
            after[pair.old.at, pair.old.id] = (
                actors[issued.credential],
                None if issued.issued_to is None else actors[issued.issued_to],
                issued.standing,
                _expiry(issued.expires_at),
            )
    return [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]


def _expiry(at: int | None) -> datetime | None:
    try:
        return None if at is None else moment(at)
    except OverflowError:
        return None


def _number_again(cursor: Any, staying: list[tuple[OldEvent, int]], reading: Reading) -> None:
    """The number of events that stay as they were: their record's, or -1 - element where no
    record of this reading stands for them."""
    if staying:
        cursor.execute(
            "SELECT countersign_number_again(%s, %s::timestamptz[], %s::bigint[], %s::int[])",
            [
                reading.pk,
                [old.at for old, _ in staying],
                [old.id for old, _ in staying],
                [number for _, number in staying],
            ],
        )


def _finish(
    cursor: Any,
    deposit: Deposit,
    reading: Reading,
    rows: Rows,
    rejects: list[tuple[int, bool, Rejected]],
    counts: dict[str, int],
) -> None:
    """The rejects of the new reading, and what the deposit says of itself."""
    if rejects:
        with (
            connection.wrap_database_errors,
            cursor.copy(
                "COPY evidence_reject (deposit_id, position, reason, excerpt, place, unread, old_at)"
                " FROM STDIN"
            ) as into,
        ):
            for element, unread, reject in rejects:
                into.write_row((deposit.pk, *told(reject, element, unread=unread)))
    times = [moment(at) for at in rows.times]
    times += [at for at in (deposit.first_at, deposit.last_at) if at is not None]
    first, last = (min(times), max(times)) if times else (None, None)
    cursor.execute(
        "SELECT count(*), min(at), max(at) FROM evidence_event"
        " WHERE at BETWEEN %s AND %s AND deposit_id = %s",
        [first, last, deposit.pk],
    )
    events, earliest, latest = cursor.fetchone()
    cursor.execute(
        "SELECT countersign_deposit_reread(%s, %s, %s, %s, %s, %s)",
        [
            reading.pk,
            events,
            deposit.reject_rows.count(),
            earliest or deposit.first_at,
            latest or deposit.last_at,
            json.dumps(counts),
        ],
    )
