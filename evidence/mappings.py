"""Mapping files of this installation: tried on a sample, saved as versions, named by sources.

Owns what people do with mappings and the ledger's rows of it. What a file may hold is
evidence/formats/mapping.py's. Trying stores nothing, and shows what would be kept: content and
secrets are gone before anything is shown.
"""

import hashlib
from collections.abc import Mapping as Members
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction

from evidence import known, ledger, permissions, second_person
from evidence.formats import bodies, mapping
from evidence.formats.mapping import PREFIX, Mapping
from evidence.formats.mapping_text import MappingError, Problem
from evidence.formats.record import ActorName, Asked, Record, Rejected
from evidence.intake.admitting import moment
from evidence.models import MappingVersion, Source
from evidence.permissions import NotPossible, Reader
from evidence.vocabulary import ACTIVITIES, OUTCOMES

LARGEST_SAMPLE = 1024 * 1024
SHOWN = 20
MOST_SHOWN = 200
# What a mapping may fill and a person asks about, with the member of a record that holds it.
ASKED_FOR = {
    "at": "at",
    "id": "vendor_id",
    "principal": "principal",
    "credential": "credential",
    "session": "conversation",
    "on_behalf": "on_behalf",
    "agent": "agent",
    "resource": "resource",
    "outcome": "outcome",
    "address": "address",
    "user_agent": "user_agent",
    "request_id": "request_id",
    "trace_id": "trace_id",
    "span_id": "span_id",
    "error": "error",
    "task": "task",
    "release": "release",
}


class Row(NamedTuple):
    """What one record of a sample becomes, in words."""

    position: str
    at: str
    principal: str
    credential: str
    session: str
    chain: str
    action: str
    activity: str
    resource: str
    outcome: str
    address: str
    request_id: str


class Found(NamedTuple):
    """In how many records a member was found. `mapped`: the file says where to look."""

    member: str
    many: int
    mapped: bool


class Preview(NamedTuple):
    """What a mapping makes of a sample."""

    name: str
    title: str
    rows: list[Row]
    records: int
    rejects: list[Rejected]
    rejected: int
    redacted: int
    found: list[Found]

    def missing(self) -> list[str]:
        """Sentences on what is mapped and found nowhere, or not mapped at all."""
        said: list[str] = []
        if not self.records:
            return said
        for one in self.found:
            if one.mapped and not one.many:
                said.append(f"{one.member} is mapped, but found in no record")
            elif one.mapped and one.many < self.records:
                said.append(f"{one.member} is found in {one.many} of {self.records} records")
        lacking = [one.member for one in self.found if not one.mapped and not one.many]
        if lacking:
            said.append(f"not mapped: {', '.join(lacking)}")
        return said


def preview(text: str, sample: bytes, *, rows: int = SHOWN) -> Preview:
    """What the first rows of a sample become. Raises MappingError and NotPossible."""
    made = mapping.of(text)
    try:
        body = bodies.decompress(sample[: LARGEST_SAMPLE + 1], limit=LARGEST_SAMPLE)
    except bodies.BodyRefused as problem:
        raise NotPossible(f"The sample {problem.reason}.") from None
    asked = Asked(source="sample", digest_key=settings.DIGEST_KEY)
    parsed = known.compiled(text).parse(body, asked)
    if not parsed.records and not parsed.rejects:
        raise NotPossible("The sample is empty: give a few records of the source.")
    return Preview(
        made.name,
        made.title,
        [_row(record) for record in parsed.records[: min(rows, MOST_SHOWN)]],
        len(parsed.records),
        parsed.rejects[:SHOWN],
        len(parsed.rejects),
        len(parsed.redactions),
        _found(made, parsed.records),
    )


def _found(made: Mapping, records: Sequence[Record]) -> list[Found]:
    rows = []
    for member, field in ASKED_FOR.items():
        many = sum(1 for record in records if getattr(record, field) not in (None, ""))
        if member == "outcome":
            # "unknown" is what stands where nothing is said.
            many = sum(1 for record in records if record.outcome)
        rows.append(Found(member, many, member in made.fills))
    return rows


def _row(record: Record) -> Row:
    at = "time of receipt"
    if record.at is not None:
        at = moment(record.at).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + " UTC"
    chain = [
        words
        for words in (
            _said(record.agent),
            _said(record.on_behalf) and f"for {_said(record.on_behalf)}",
        )
        if words
    ]
    if record.issued is not None:
        chain.append(f"issued {_said(record.issued.credential)}")
    return Row(
        record.position,
        at,
        _said(record.principal),
        _said(record.credential),
        record.conversation or "",
        ", ".join(chain),
        record.action,
        ACTIVITIES[record.activity],
        record.resource or "",
        OUTCOMES[record.outcome],
        record.address or "",
        record.request_id or "",
    )


def _said(name: ActorName | None) -> str:
    if name is None:
        return ""
    above = f" of {name.parent.value}" if name.parent is not None else ""
    return f"{name.kind} {name.value}{above} ({name.realm})"


def save(*, text: str, by: Reader, now: datetime) -> MappingVersion:
    """The next version of the mapping that this file names; the same text again is the same
    version. Raises MappingError and NotPossible."""
    permissions.require(by.why_not_administer)
    made = mapping.of(text)
    with transaction.atomic():
        newest = MappingVersion.objects.filter(name=made.name).order_by("-version").first()
        if newest is not None and newest.text == text:
            return newest
        for source in Source.objects.filter(format=f"{PREFIX}{made.name}"):
            second_person.require(source, by)
        number = 1 if newest is None else newest.version + 1
        row, first = MappingVersion.objects.get_or_create(
            name=made.name,
            version=number,
            defaults={
                "title": made.title,
                "plane": made.plane,
                "text": text,
                "made_at": now,
                "made_by": by.ref,
                "made_name": by.name,
            },
        )
        if not first:
            raise NotPossible("Somebody else saved this mapping just now; look at theirs first.")
        ledger.append(
            at=now,
            by=by.ref,
            by_name=by.name,
            act="mapping.saved",
            subject=f"mapping:{row.name}",
            words=f"mapping {row.name}, version {number}, is saved",
            data={"version": number, "text": text},
        )
    return row


def use(*, source: Source, name: str, by: Reader, now: datetime) -> Source:
    """Have a source read by this mapping from now on. What it sent before is read as it was."""
    permissions.require(by.why_not_administer)
    wanted = f"{PREFIX}{name.removeprefix(PREFIX)}"
    if known.plain(wanted) != wanted or known.find(wanted) is None:
        raise NotPossible(f"There is no mapping {name[:80]!r}; save it first.")
    second_person.require(source, by)
    with transaction.atomic():
        row = Source.objects.select_for_update().get(pk=source.pk)
        before = row.format
        if before != wanted:
            row.format = wanted
            row.save(update_fields=["format"])
            ledger.append(
                at=now,
                by=by.ref,
                by_name=by.name,
                act="source.format_changed",
                subject=f"source:{row.name}",
                words=f"source {row.name} is read by {wanted}, not by {before or 'recognition'}",
                data={"before": before, "after": wanted},
            )
    return row


class _Reading:
    """What a source's records are read by: a saved mapping, and its text."""

    @staticmethod
    def lines(document: Members[str, Any]) -> list[tuple[str, str]]:
        source, made = second_person.source_of(document), mapping.of(document["text"])
        digest = hashlib.sha256(document["text"].encode()).hexdigest()
        was = source.format or "recognition"
        words = f"is read by {PREFIX}{made.name}, text of SHA-256 {digest}, not by {was}"
        return [(f"source {source.name}", words)]

    @staticmethod
    def apply(document: Members[str, Any], *, by: Reader, now: datetime) -> None:
        row = save(text=document["text"], by=by, now=now)
        use(source=second_person.source_of(document), name=row.name, by=by, now=now)


second_person.ACTS["mapping"] = _Reading()


def waiting(text: str, source: Source | None, by: Reader) -> Source | None:
    """The source for which saving this text, or using it for `source`, takes a second person."""
    name = f"{PREFIX}{mapping.of(text).name}"
    using = [] if source is None else [source]
    if not MappingVersion.objects.filter(name=name.removeprefix(PREFIX), text=text).exists():
        using += Source.objects.filter(format=name).order_by("name")
    return next((one for one in using if second_person.waits(one, by)), None)


def propose(*, text: str, source: Source, by: Reader, now: datetime, reason: str) -> str:
    """Ask a second person to have a source read by this text; the key of the proposal."""
    permissions.require(by.why_not_administer)
    said = {"text": text}
    return second_person.propose("mapping", source.name, said, by=by, now=now, reason=reason)


def problems_of(problem: MappingError) -> list[dict[str, Any]]:
    """What is wrong in a file, as rows of a page or a document."""
    return [one._asdict() for one in problem.problems]


__all__ = [
    "MappingError",
    "Preview",
    "Problem",
    "preview",
    "problems_of",
    "propose",
    "save",
    "use",
    "waiting",
]
