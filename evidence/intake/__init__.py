"""Deposit -> events: the fast path (decisions 4, 11).

Owns the transaction in which a body becomes a deposit, its events, rejects and issuances. The
format reads, the privacy rule has been applied by it; here names become ids and rows go in by
COPY. An answer means it is committed.
"""

import hmac
import json
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from evidence import homes, keeping, known, names, nudge, partitions, privacy
from evidence.formats import recognise
from evidence.formats.counting import TooManyRecords
from evidence.formats.record import ActorName, Asked, Format, Parsed, Rejected
from evidence.intake.admitting import Admitted, admit, moment
from evidence.intake.columns import ACTORS, TERMS
from evidence.intake.outcome import (
    MOST_REJECTS_ANSWERED,
    NotTaken,
    Taken,
    as_told,
    earlier,
    require_text,
    unknown_format,
)
from evidence.intake.places import places
from evidence.intake.rows import COLUMNS, Rows, copy, first_sights, issuances
from evidence.models import Source
from evidence.names import TermName, plain, term_ids
from evidence.stores import bodies

__all__ = [
    "COLUMNS",
    "MOST_REJECTS_ANSWERED",
    "NotTaken",
    "Taken",
    "as_told",
    "asked",
    "digest_of",
    "earlier",
    "names_in",
    "read",
    "require_text",
    "store",
    "take",
    "terms_in",
    "told",
    "unknown_format",
]

MOST_REDACTIONS_NAMED = 200
LONGEST_NAME = 500


def asked(source: Source) -> Asked:
    """What the formats need to know about a source."""
    return Asked(
        source=source.name,
        digest_key=settings.DIGEST_KEY,
        realms=frozenset(source.realms),
        keep_content=source.keep_content,
        task_attribute=source.task_attribute,
        home=source.name,
    )


def digest_of(body: bytes) -> bytes:
    """The keyed digest of received bytes: 32 bytes, HMAC with SHA-256.

    Processors have instructions for it: BLAKE2 takes more than twice as long.
    """
    return hmac.digest(settings.DIGEST_KEY[:64], body, "sha256")


def take(
    *,
    source: Source,
    body: bytes,
    by: str,
    now: datetime,
    format: str = "",  # noqa: A002 - what sources and deposits call it
    name: str = "",
) -> Taken:
    """Store one body; the same body again is answered with the first result."""
    digest = digest_of(body)
    before = earlier(source, digest)
    if before is not None:
        return before
    chosen = format or source.format or recognise(body) or ""
    exact = known.exact(chosen)
    reader = known.find(exact)
    if reader is None:
        raise NotTaken(unknown_format(chosen, body))
    if body.strip():
        require_text(body, reader)
    parsed = read(reader, body, asked(source))
    return store(
        source=source,
        parsed=parsed,
        digest=digest,
        received=len(body),
        by=by,
        now=now,
        format=exact,
        name=name,
    )


def read(reader: Format, body: bytes, asked: Asked) -> Parsed:
    """What a format reads in a body. Raises NotTaken where it is too many records."""
    try:
        return reader.parse(body, asked)
    except TooManyRecords as problem:
        raise NotTaken(str(problem)) from None


def store(
    *,
    source: Source,
    parsed: Parsed,
    digest: bytes,
    received: int,
    by: str,
    now: datetime,
    format: str,  # noqa: A002 - what sources and deposits call it
    name: str = "",
) -> Taken:
    """Write what a format read, in one transaction; names and partitions are made before it."""
    dropped: keeping.Dropped = {}
    if source.keep_rules:
        parsed, dropped = keeping.filtered(source, parsed, format=format)
    while True:
        era = names.era()
        rejects = list(parsed.rejects)
        admitted = admit(parsed.records, source=source, now=now, rejects=rejects)
        in_body = len(parsed.records) + len(parsed.rejects)
        actors = homes.actor_ids(source, names_in(admitted), now=now)
        terms = term_ids(terms_in(admitted))
        version = known.version_of(format)
        kept_digest = sha256(parsed.kept)
        place, packed = bodies.pack(parsed.kept, kept_digest.hexdigest())
        partitions.ensure(partitions.missing(partitions.BY_RECEIPT, [partitions.month_of(now)]))
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                names.hold(era)
                cursor.execute("SELECT nextval(pg_get_serial_sequence('evidence_deposit', 'id'))")
                deposit = int(cursor.fetchone()[0])
                rows = Rows(
                    admitted,
                    actors=actors,
                    terms=terms,
                    sights=first_sights(cursor, admitted),
                    source=source.pk,
                    deposit=deposit,
                    now=now,
                    reading=version,
                )
                new = copy(cursor, rows)
                rejects.extend(rows.collided)
                old = [one.old_at for one in rejects if one.old_at is not None]
                issuances(cursor, rows, actors=actors, deposit=deposit)
                first, last = min(rows.times, default=None), max(rows.times, default=None)
                cursor.execute(
                    "INSERT INTO evidence_deposit (id, source_id, received_at, received_by, name,"
                    " format, received_digest, received_bytes, kept_digest, kept_bytes, place,"
                    " rule_version, records, events, duplicates, rejects, first_at, last_at,"
                    " redactions, format_version, old, old_from, old_to) VALUES (%s, %s, %s, %s, %s,"
                    " %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                    [
                        deposit,
                        source.pk,
                        now,
                        plain(by),
                        plain(name)[:LONGEST_NAME],
                        format,
                        digest,
                        received,
                        kept_digest.digest(),
                        len(parsed.kept),
                        place,
                        privacy.RULE_VERSION,
                        in_body,
                        new,
                        in_body - new - len(rejects),
                        len(rejects) - len(old),
                        None if first is None else moment(first),
                        None if last is None else moment(last),
                        _redactions(parsed),
                        version,
                        len(old),
                        moment(min(old)) if old else None,
                        moment(max(old)) if old else None,
                    ],
                )
                if not place:
                    _keep_body(cursor, now, deposit, packed)
                _keep_rejects(cursor, deposit, rejects, parsed)
                keeping.note_different(source, dropped, now=now)
                nudge.after_commit("evidence.stored")
        except names.Forgotten:
            # Somebody's name was erased meanwhile: maybe one of these, which is a new name now.
            continue
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
            events=new,
            duplicates=in_body - new - len(rejects),
            rejects=len(rejects) - len(old),
            old=len(old),
            reasons=rejects[:MOST_REJECTS_ANSWERED],
        )


def _keep_body(cursor: Any, now: datetime, deposit: int, packed: bytes) -> None:
    # Binary: as a parameter of a statement, bytes become twice as much text on both sides.
    statement = (
        "COPY evidence_depositbody (received_at, deposit_id, body) FROM STDIN (FORMAT BINARY)"
    )
    with connection.wrap_database_errors, cursor.copy(statement) as into:
        into.set_types(("timestamptz", "int8", "bytea"))
        into.write_row((now, deposit, packed))


def _keep_rejects(cursor: Any, deposit: int, rejects: list[Rejected], parsed: Parsed) -> None:
    if not rejects:
        return
    # What the format could not read comes first; then the records that were not admitted.
    unread = len(parsed.rejects)
    where = places(parsed.records, rejects[:unread], rejects[unread:])
    with (
        connection.wrap_database_errors,
        cursor.copy(
            "COPY evidence_reject (deposit_id, position, reason, excerpt, place, unread, old_at)"
            " FROM STDIN"
        ) as into,
    ):
        for number, (reject, place) in enumerate(zip(rejects, where, strict=True)):
            into.write_row((deposit, *told(reject, place, unread=number < unread)))


def told(reject: Rejected, place: int, *, unread: bool) -> tuple[Any, ...]:
    """A reject as its table has it, after the deposit."""
    *texts, old = reject
    at = None if old is None else moment(old)
    return (*(plain(text) for text in texts), place, unread, at)


def names_in(admitted: Admitted) -> set[ActorName]:
    """Every actor that these records name."""
    of = admitted.fields
    named: set[ActorName | None] = set().union(*(of[field] for field in ACTORS))
    for issued in of["issued"]:
        if issued is not None:
            named |= {issued.credential, issued.issued_to}
    named.discard(None)
    return named  # type: ignore[return-value]  # None was taken out


def terms_in(admitted: Admitted) -> set[TermName]:
    """Every wide text that these records hold."""
    return {
        (kind, value)
        for kind, field, _ in TERMS
        for value in set(admitted.fields[field])
        if value is not None
    }


def _redactions(parsed: Parsed) -> str:
    """What the privacy rule removed, as the JSON that a deposit keeps: kinds, and first places."""
    kinds: dict[str, list[int]] = {}
    for redaction in parsed.redactions:
        counts = kinds.setdefault(redaction.kind, [0, 0])
        counts[0] += 1
        counts[1] += redaction.length
    places = [
        [plain(one.position), one.kind, one.length]
        for one in parsed.redactions[:MOST_REDACTIONS_NAMED]
    ]
    return json.dumps(
        {
            "kinds": {
                kind: {"count": count, "characters": characters}
                for kind, (count, characters) in sorted(kinds.items())
            },
            "places": places,
        }
    )
