"""Deposit -> events: the fast path (decisions 4, 11).

Owns the transaction in which a body becomes a deposit, its events, rejects and issuances. The
format reads, the privacy rule has been applied by it; here names become ids and rows go in by
COPY. An answer means it is committed.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b, sha256
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from evidence import nudge, partitions, privacy
from evidence.formats import FORMATS, recognise
from evidence.formats.record import ActorName, Asked, Parsed, Record, Rejected
from evidence.models import Deposit, Source, Term
from evidence.names import TermName, actor_ids, term_ids
from evidence.stores import bodies
from evidence.vocabulary import TIME_RECEIVED, TIME_STATED

COLUMNS = (
    "at, id, received_at, deposit_id, action_id, resource_id, principal_id, credential_id,"
    " agent_id, on_behalf_id, address_id, user_agent_id, error_id, conversation_id, task_id,"
    " release_id, span, parent_span, duration, source_id, ordinal, plane, activity, outcome,"
    " time_basis, reading, digest, trace, request_id"
)
# Version of the formats' reading, kept on each event (decisions 4).
READING = 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_REDACTIONS_NAMED = 200
MOST_REJECTS_ANSWERED = 100


class NotTaken(Exception):
    """The body as a whole cannot be taken: the sentence says why and what to do."""


@dataclass(slots=True)
class Taken:
    """What became of one body."""

    deposit: int
    format: str
    repeat: bool = False
    records: int = 0
    events: int = 0
    duplicates: int = 0
    rejects: int = 0
    reasons: list[Rejected] = field(default_factory=list)


def asked(source: Source) -> Asked:
    """What the formats need to know about a source."""
    return Asked(
        source=source.name,
        digest_key=settings.DIGEST_KEY,
        realms=frozenset(source.realms),
        keep_content=source.keep_content,
    )


def digest_of(body: bytes) -> bytes:
    """The keyed digest of received bytes: 32 bytes."""
    return blake2b(body, digest_size=32, key=settings.DIGEST_KEY[:64]).digest()


def take(
    *, source: Source, body: bytes, by: str, now: datetime, format: str = "", name: str = ""
) -> Taken:
    """Store one body; the same body again is answered with the first result."""
    digest = digest_of(body)
    before = earlier(source, digest)
    if before is not None:
        return before
    chosen = format or source.format or recognise(body) or ""
    if chosen not in FORMATS:
        raise NotTaken(unknown_format(chosen))
    parsed = FORMATS[chosen].parse(body, asked(source))
    return store(
        source=source,
        parsed=parsed,
        digest=digest,
        received=len(body),
        by=by,
        now=now,
        format=chosen,
        name=name,
    )


def unknown_format(chosen: str) -> str:
    """The sentence for a body that no format reads."""
    said = f"the format {chosen!r} is not known" if chosen else "no format recognises this"
    return f"{said}; name one of: {', '.join(sorted(FORMATS))}"


def earlier(source: Source, digest: bytes) -> Taken | None:
    """The result of the same bytes, when they came before."""
    row = Deposit.objects.filter(source=source, received_digest=digest).first()
    if row is None:
        return None
    reasons = [
        Rejected(position, reason, excerpt)
        for position, reason, excerpt in row.reject_rows.order_by("id").values_list(
            "position", "reason", "excerpt"
        )[:MOST_REJECTS_ANSWERED]
    ]
    return Taken(
        deposit=row.pk,
        format=row.format,
        repeat=True,
        records=row.records,
        events=row.events,
        duplicates=row.duplicates,
        rejects=row.rejects,
        reasons=reasons,
    )


def store(
    *,
    source: Source,
    parsed: Parsed,
    digest: bytes,
    received: int,
    by: str,
    now: datetime,
    format: str,
    name: str = "",
) -> Taken:
    """Write what a format read, in one transaction; names and partitions are made before it."""
    rejects = list(parsed.rejects)
    records = list(_in_time(parsed.records, source, now, rejects))
    records = _in_few_months(records, now, rejects)
    records = _alone(records)
    in_body = len(parsed.records) + len(parsed.rejects)
    actors = actor_ids(_actors(records), now=now)
    terms = term_ids(_terms(records))
    place, packed = bodies.pack(parsed.kept)
    partitions.ensure(partitions.missing(partitions.BY_RECEIPT, [partitions.month_of(now)]))
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT nextval(pg_get_serial_sequence('evidence_deposit', 'id'))")
            deposit = int(cursor.fetchone()[0])
            rows = Rows(records, actors, terms, source.pk, deposit, now)
            taken_ids = _copy(cursor, rows)
            rejects.extend(rows.collided)
            _issuances(cursor, records, rows, actors, deposit, now)
            times = [row_at for row_at, _ in rows.keys]
            cursor.execute(
                "INSERT INTO evidence_deposit (id, source_id, received_at, received_by, name,"
                " format, received_digest, received_bytes, kept_digest, kept_bytes, place,"
                " rule_version, records, events, duplicates, rejects, first_at, last_at,"
                " redactions) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,"
                " %s, %s, %s, %s, %s)",
                [
                    deposit,
                    source.pk,
                    now,
                    by,
                    name[:500],
                    format,
                    digest,
                    received,
                    sha256(parsed.kept).digest(),
                    len(parsed.kept),
                    place,
                    privacy.RULE_VERSION,
                    in_body,
                    taken_ids,
                    in_body - taken_ids - len(rejects),
                    len(rejects),
                    _moment(min(times)) if times else None,
                    _moment(max(times)) if times else None,
                    _redactions(parsed),
                ],
            )
            if not place:
                cursor.execute(
                    "INSERT INTO evidence_depositbody (received_at, deposit_id, body)"
                    " VALUES (%s, %s, %s)",
                    [now, deposit, packed],
                )
            if rejects:
                with cursor.copy(
                    "COPY evidence_reject (deposit_id, position, reason, excerpt) FROM STDIN"
                ) as copy:
                    for reject in rejects:
                        copy.write_row((deposit, *(text.replace("\0", "�") for text in reject)))
            nudge.after_commit("evidence.stored")
    except IntegrityError as problem:
        # Two senders of the same bytes at once: the other one's row stands.
        before = earlier(source, digest) if "deposit_once" in str(problem) else None
        if before is None:
            raise
        return before
    return Taken(
        deposit=deposit,
        format=format,
        records=in_body,
        events=taken_ids,
        duplicates=in_body - taken_ids - len(rejects),
        rejects=len(rejects),
        reasons=rejects[:MOST_REJECTS_ANSWERED],
    )


def _in_time(
    records: Iterable[Record], source: Source, now: datetime, rejects: list[Rejected]
) -> Iterator[Record]:
    """Records whose stated time is possible; a forged clock opens no partitions."""
    oldest = now - timedelta(days=source.retention_days)
    earliest, latest = _micros(oldest), _micros(now + timedelta(days=1))
    for record in records:
        if record.at is None or earliest <= record.at <= latest:
            yield record
        else:
            side = "before this source's retention begins" if record.at < earliest else "a day ahead"
            rejects.append(
                Rejected(record.position, f"its time {_say(record.at)} lies {side}", record.action)
            )


def _in_few_months(
    records: list[Record], now: datetime, rejects: list[Rejected]
) -> list[Record]:
    """Make the months that are missing, at most MOST_NEW for one body; newest months win."""
    # 2**41 microseconds are 25 days: cheap buckets find all months without a date per record.
    stamps = {(_micros(now) if record.at is None else record.at) >> 36 for record in records}
    months: set[date] = set()
    for stamp in stamps:
        months.add(partitions.month_of(_moment(stamp << 36)))
        months.add(partitions.month_of(_moment(((stamp + 1) << 36) - 1)))
    lacking = partitions.missing(partitions.BY_EVENT_TIME, months)
    if not lacking:
        return records
    exact = {
        partitions.month_of(_moment(_micros(now) if record.at is None else record.at))
        for record in records
    }
    lacking = [pair for pair in lacking if pair[1] in exact]
    new = sorted({month for _, month in lacking}, reverse=True)
    refused = set(new[partitions.MOST_NEW :])
    partitions.ensure(pair for pair in lacking if pair[1] not in refused)
    if not refused:
        return records
    kept = []
    for record in records:
        if record.at is not None and partitions.month_of(_moment(record.at)) in refused:
            rejects.append(
                Rejected(
                    record.position,
                    f"one body may open {partitions.MOST_NEW} new months; send older ones apart",
                    record.action,
                )
            )
        else:
            kept.append(record)
    return kept


def _alone(records: list[Record]) -> list[Record]:
    """Each record once: a body that repeats a record stores it once."""
    seen: dict[tuple[int | None, bytes], Record] = {}
    for record in records:
        seen.setdefault((record.at, record.digest), record)
    return list(seen.values())


def _actors(records: Iterable[Record]) -> set[ActorName]:
    names: set[ActorName | None] = set()
    for record in records:
        names.add(record.principal)
        names.add(record.credential)
        names.add(record.agent)
        names.add(record.on_behalf)
        if record.issued is not None:
            names.add(record.issued.credential)
            names.add(record.issued.issued_to)
    names.discard(None)
    return names  # type: ignore[return-value]  # None was taken out


def _terms(records: Iterable[Record]) -> set[TermName]:
    names: set[tuple[int, str | None]] = set()
    for record in records:
        names.add((Term.ACTION, record.action))
        names.add((Term.RESOURCE, record.resource))
        names.add((Term.ADDRESS, record.address))
        names.add((Term.USER_AGENT, record.user_agent))
        names.add((Term.ERROR, record.error))
        names.add((Term.CONVERSATION, record.conversation))
        names.add((Term.TASK, record.task))
        names.add((Term.RELEASE, record.release))
    return {(kind, value) for kind, value in names if value is not None}


class Rows:
    """The event rows of one deposit as COPY text, and their keys (at, id)."""

    def __init__(
        self,
        records: list[Record],
        actors: dict[ActorName, int],
        terms: dict[TermName, int],
        source: int,
        deposit: int,
        now: datetime,
    ) -> None:
        received = now.isoformat()
        now_micros = _micros(now)
        self.keys: list[tuple[int, int]] = []
        self.collided: list[Rejected] = []
        self.digests: dict[tuple[int, int], Record] = {}
        actor: dict[ActorName | None, Any] = {None: "\\N", **actors}
        by_kind: list[dict[str | None, Any]] = [{None: "\\N"} for _ in range(9)]
        for (kind, value), number in terms.items():
            by_kind[kind][value] = number
        _, action, resource, address, agent_of, error, talk, task, release = by_kind
        lines = []
        clock: dict[int, str] = {}
        for ordinal, record in enumerate(records):
            at = now_micros if record.at is None else record.at
            number = int.from_bytes(record.digest[:8]) >> 1
            key = (at, number)
            if key in self.digests:
                self.collided.append(_collision(record))
                continue
            self.digests[key] = record
            self.keys.append(key)
            second = at // 1_000_000
            when = clock.get(second)
            if when is None:
                when = clock[second] = _moment(second * 1_000_000).strftime("%Y-%m-%d %H:%M:%S")
            span, above = record.span_id, record.parent_span_id
            lines.append(
                f"{when}.{at % 1_000_000:06}+00\t{number}\t{received}\t{deposit}\t"
                f"{action[record.action]}\t{resource[record.resource]}\t"
                f"{actor[record.principal]}\t{actor[record.credential]}\t{actor[record.agent]}\t"
                f"{actor[record.on_behalf]}\t{address[record.address]}\t"
                f"{agent_of[record.user_agent]}\t{error[record.error]}\t"
                f"{talk[record.conversation]}\t{task[record.task]}\t{release[record.release]}\t"
                f"{'\\N' if span is None else int.from_bytes(span, signed=True)}\t"
                f"{'\\N' if above is None else int.from_bytes(above, signed=True)}\t"
                f"{'\\N' if record.duration is None else record.duration}\t{source}\t{ordinal}\t"
                f"{record.plane}\t{record.activity}\t{record.outcome}\t"
                f"{TIME_RECEIVED if record.at is None else TIME_STATED}\t{READING}\t"
                f"{record.digest.hex()}\t"
                f"{'\\N' if record.trace_id is None else record.trace_id.hex()}\t"
                f"{_escaped(record.request_id)}\n"
            )
        self.text = "".join(lines).encode("utf-8", "replace")


def _copy(cursor: Any, rows: Rows) -> int:
    """Put the rows in; how many were new.

    Straight COPY first: most bodies hold nothing seen before. A clash takes the slower way
    through a staging table, which tells duplicates from collisions and keeps each sighting.
    """
    if not rows.keys:
        return 0
    try:
        with transaction.atomic():
            with cursor.copy(f"COPY evidence_event ({COLUMNS}) FROM STDIN") as copy:
                copy.write(rows.text)
            return len(rows.keys)
    except IntegrityError:
        pass
    cursor.execute(
        "CREATE TEMP TABLE IF NOT EXISTS staged (LIKE evidence_event) ON COMMIT DELETE ROWS"
    )
    with cursor.copy(f"COPY staged ({COLUMNS}) FROM STDIN") as copy:
        copy.write(rows.text)
    cursor.execute(
        f"INSERT INTO evidence_event ({COLUMNS}) SELECT {COLUMNS} FROM staged"
        " ON CONFLICT DO NOTHING"
    )
    new = int(cursor.rowcount)
    cursor.execute(
        "INSERT INTO evidence_sighting (at, event_id, source_id, deposit_id)"
        " SELECT s.at, s.id, s.source_id, s.deposit_id FROM staged s"
        " JOIN evidence_event e ON e.at = s.at AND e.id = s.id"
        " WHERE e.digest = s.digest AND e.source_id <> s.source_id ON CONFLICT DO NOTHING"
    )
    cursor.execute(
        "SELECT (extract(epoch FROM s.at) * 1000000)::bigint, s.id FROM staged s"
        " JOIN evidence_event e ON e.at = s.at AND e.id = s.id WHERE e.digest <> s.digest"
    )
    rows.collided.extend(_collision(rows.digests[(at, number)]) for at, number in cursor.fetchall())
    cursor.execute("DELETE FROM staged")
    return new


def _collision(record: Record) -> Rejected:
    return Rejected(
        record.position,
        "its id is taken by a different record of the same moment; nothing was overwritten",
        record.action,
    )


def _issuances(
    cursor: Any,
    records: list[Record],
    rows: Rows,
    actors: dict[ActorName, int],
    deposit: int,
    now: datetime,
) -> None:
    values = []
    now_micros = _micros(now)
    for record in records:
        issued = record.issued
        if issued is None:
            continue
        at = now_micros if record.at is None else record.at
        values.append(
            (
                _moment(at),
                int.from_bytes(record.digest[:8]) >> 1,
                actors[issued.credential],
                None if issued.issued_to is None else actors[issued.issued_to],
                None if record.principal is None else actors[record.principal],
                None if record.credential is None else actors[record.credential],
                issued.standing,
                None if issued.expires_at is None else _moment(issued.expires_at),
                deposit,
            )
        )
    if values:
        columns: list[list[Any]] = [list(column) for column in zip(*values, strict=True)]
        cursor.execute(
            "INSERT INTO evidence_issuance (at, event_id, credential_id, issued_to_id,"
            " by_principal_id, by_credential_id, standing, expires_at, deposit_id)"
            " SELECT * FROM unnest(%s::timestamptz[], %s::bigint[], %s::bigint[], %s::bigint[],"
            " %s::bigint[], %s::bigint[], %s::boolean[], %s::timestamptz[], %s::bigint[])"
            " ON CONFLICT DO NOTHING",
            columns,
        )


def _redactions(parsed: Parsed) -> str:
    kinds: dict[str, list[int]] = {}
    for redaction in parsed.redactions:
        counts = kinds.setdefault(redaction.kind, [0, 0])
        counts[0] += 1
        counts[1] += redaction.length
    return json.dumps(
        {
            "kinds": {
                kind: {"count": count, "characters": characters}
                for kind, (count, characters) in sorted(kinds.items())
            },
            "places": [list(item) for item in parsed.redactions[:MOST_REDACTIONS_NAMED]],
        }
    )


def _escaped(text: str | None) -> str:
    if text is None:
        return "\\N"
    if text.isalnum():
        return text
    return (
        text.replace("\0", "�")
        .replace("\\", "\\\\")
        .replace("\t", "\\t")
        .replace("\n", "\\n")
        .replace("\r", "\\r")
    )


def _moment(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def _micros(moment: datetime) -> int:
    gone = moment - EPOCH
    return (gone.days * 86_400 + gone.seconds) * 1_000_000 + gone.microseconds


def _say(micros: int) -> str:
    try:
        return _moment(micros).strftime("%Y-%m-%d %H:%M:%S UTC")
    except OverflowError:
        return f"{micros} µs"
