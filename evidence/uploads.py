"""Files that one person sends by hand to a source that holds evidence: kept, and read in once a
second person has signed.

Owns PendingUpload. Nothing else reads it, so that nothing is found, withdrawn or linked by it.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import zstandard

from evidence import doors, files, intake, known, nudge, second_person
from evidence.formats.bodies import Readable
from evidence.formats.record import Parsed, Redaction
from evidence.intake.admitting import moment
from evidence.models import PendingUpload, Source
from evidence.permissions import NotPossible, Reader
from evidence.pipeline import Body
from evidence.words import counted

log = logging.getLogger(__name__)

# What nobody signed goes; a proposal lapses a day earlier.
LASTS = timedelta(days=15)
DIGEST = 16


def keep_file(
    *,
    source: Source,
    stream: Readable,
    by: str,
    now: Callable[[], datetime],
    format: str = "",  # noqa: A002 - what sources and deposits call it
    name: str = "",
) -> Iterator[doors.Sum]:
    """Keep a file part by part; yields the sum after each, whose deposits are uploads. Raises
    NotTaken and BodyRefused, as `doors.take_file` does."""
    sum_ = doors.EMPTY
    for body in files.cut(stream, format=format or source.format, name=name):
        sum_ = doors.add(sum_, _keep(source, body, by=by, now=now()))
        yield sum_


def _keep(source: Source, body: Body, *, by: str, now: datetime) -> intake.Taken:
    digest = intake.digest_of(body.body)
    if (before := intake.earlier(source, digest)) is not None:
        return before
    exact = known.exact(body.format)
    reader = known.find(exact)
    if reader is None:
        raise intake.NotTaken(intake.unknown_format(body.format, body.body))
    parsed = intake.read(reader, body.body, intake.asked(source))
    times = [record.at for record in parsed.records if record.at is not None]
    row, _ = PendingUpload.objects.get_or_create(
        source=source,
        received_digest=digest,
        defaults={
            "received_at": now,
            "received_by": by,
            "name": body.name,
            "format": exact,
            "received_bytes": len(body.body),
            "kept_digest": sha256(parsed.kept).digest(),
            "body": zstandard.ZstdCompressor(level=1).compress(parsed.kept),
            "records": len(parsed.records) + len(parsed.rejects),
            "rejects": len(parsed.rejects),
            "first_at": moment(min(times)) if times else None,
            "last_at": moment(max(times)) if times else None,
            "redactions": [list(one) for one in parsed.redactions],
            "digests": b"".join(record.digest for record in parsed.records),
        },
    )
    return intake.Taken(
        deposit=row.pk,
        format=row.format,
        records=row.records,
        rejects=row.rejects,
        reasons=parsed.rejects[: intake.MOST_REJECTS_ANSWERED],
    )


def propose(source: Source, name: str, kept: doors.Sum, *, by: Reader, now: datetime) -> str:
    """Ask a second person that these are read in; the key of the proposal."""
    numbers = sorted(set(kept.deposits))
    return second_person.propose(
        "file",
        source.name,
        {"uploads": numbers, "name": name[:200]},
        by=by,
        now=now,
        reason=f"the file {name[:200]}",
        title=f"file {name[:80]} (upload {numbers[0]}) for source {source.name}",
    )


class _File:
    """Reading in what one person sent by hand."""

    @staticmethod
    def lines(document: Mapping[str, Any]) -> list[tuple[str, str]]:
        rows = _rows(document)
        first = min((one.first_at for one in rows if one.first_at), default=None)
        last = max((one.last_at for one in rows if one.last_at), default=None)
        time = f" from {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC" if first else ""
        whole = sha256(b"".join(bytes(one.kept_digest) for one in rows)).hexdigest()
        words = (
            f"reads in {document['name']}:"
            f" {counted(sum(one.records for one in rows), 'record')}{time} as {rows[0].format},"
            f" {counted(sum(one.rejects for one in rows), 'reject')},"
            f" {counted(len(rows), 'part')} with the SHA-256 {whole}"
        )
        return [(f"source {document['source']}", words)]

    @staticmethod
    def apply(document: Mapping[str, Any], *, by: Reader, now: datetime) -> None:  # noqa: ARG004 - the shape of an act
        rows = [one.pk for one in _rows(document)]
        PendingUpload.objects.filter(pk__in=rows).update(signed_at=now)
        nudge.after_commit("upload.signed")


second_person.ACTS["file"] = _File()


def _rows(document: Mapping[str, Any]) -> list[PendingUpload]:
    source = second_person.source_of(document)
    rows = PendingUpload.objects.filter(
        source=source, pk__in=document["uploads"], signed_at__isnull=True
    )
    found = list(rows.defer("body", "digests").order_by("pk"))
    if len(found) != len(document["uploads"]):
        raise NotPossible("A part of this file is read in already, or is kept no longer.")
    return found


def kept_bytes(row: PendingUpload) -> bytes:
    """What is read in once it is signed. NotPossible where it is not what was kept."""
    body = zstandard.ZstdDecompressor().decompress(bytes(row.body))
    if sha256(body).digest() != bytes(row.kept_digest):
        raise NotPossible(f"The bytes of {row} are not those that were kept.")
    return body


def read_in(*, now: Callable[[], datetime]) -> int:
    """Make deposits of what two people signed; how many. One that fails stops no other. Bytes that
    came meanwhile, or that another worker is at, are stored once."""
    done = 0
    signed = PendingUpload.objects.filter(signed_at__isnull=False).select_related("source")
    for number in list(signed.order_by("pk").values_list("pk", flat=True)):
        row = signed.filter(pk=number).first()
        if row is None:
            continue
        try:
            _read_in(row, now=now())
        except Exception:
            log.exception("%s was not read in", row)
        else:
            row.delete()
            done += 1
    return done


def _read_in(row: PendingUpload, *, now: datetime) -> None:
    received = bytes(row.received_digest)
    if intake.earlier(row.source, received) is not None:
        return
    body = kept_bytes(row)
    reader = known.find(row.format)
    if reader is None:
        raise NotPossible(f"The format {row.format} is not known any more.")
    intake.store(
        source=row.source,
        parsed=_as_received(row, reader.parse(body, intake.asked(row.source)), body),
        digest=received,
        received=row.received_bytes,
        by=row.received_by,
        now=now,
        format=row.format,
        name=row.name,
    )


def _as_received(row: PendingUpload, parsed: Parsed, body: bytes) -> Parsed:
    """What the kept bytes say, with what only the received ones told: so that a record which its
    source sends as well is one event."""
    digests = bytes(row.digests)
    records = parsed.records
    if len(digests) == DIGEST * len(records):
        records = [
            record._replace(digest=digests[DIGEST * number : DIGEST * (number + 1)])
            for number, record in enumerate(records)
        ]
    redactions = [Redaction(*one) for one in row.redactions]
    return Parsed(body, records, parsed.rejects, redactions)


def forget(*, now: datetime) -> int:
    """Delete what nobody signed in time; how many."""
    rows = PendingUpload.objects.filter(signed_at__isnull=True, received_at__lte=now - LASTS)
    return rows.delete()[0]
