"""What becomes of a body: taken, taken before, or refused as a whole.

Owns the answer's shape and how an earlier answer is found again. Must not know how rows go in.
"""

from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches

from evidence import known
from evidence.formats import resembles, unreadable
from evidence.formats.record import Format, Rejected
from evidence.intake.admitting import micros
from evidence.models import Deposit, Reject, Source
from evidence.words import listed

MOST_REJECTS_ANSWERED = 100
_DESCRIBE_IT = "describe it by a mapping (docs/mapping.md); docs/formats.md lists the formats"
_NAME_IT = f"name the one that it is in where you send it, or {_DESCRIBE_IT}"


class NotTaken(Exception):
    """The body as a whole cannot be taken: the sentence says why and what to do."""


@dataclass(slots=True)
class Taken:
    """What became of one body."""

    deposit: int
    format: str
    repeat: bool = False
    since: datetime | None = None  # of a repeat: when it came first
    records: int = 0
    events: int = 0
    duplicates: int = 0
    rejects: int = 0
    old: int = 0  # older than what is read of the source: kept, and no events
    reasons: list[Rejected] = field(default_factory=list)  # of rejects and of what is old

    @property
    def new(self) -> int:
        """The events that this body brought: a repeat brings none."""
        return 0 if self.repeat else self.events

    @property
    def known(self) -> int:
        """The records that were here before: of a repeat, all that were read."""
        return self.records - self.rejects - self.old if self.repeat else self.duplicates


def unknown_format(chosen: str, head: bytes | None = None) -> str:
    """The sentence for a body that no format reads; `head`: its beginning, where there is one."""
    wrong = unreadable.why(head) if head is not None and not chosen else ""
    if wrong:
        return f"no format recognises this: it is {wrong}"
    if chosen:
        said = f"the format {chosen[:40]!r} is not known"
        near = get_close_matches(chosen[:40].lower(), known.names(), 3)
    else:
        looks, near = resembles(head or b"")
        said = f"no format recognises this: it looks like {looks}"
    if near:
        return f"{said}; nearest {'is' if len(near) == 1 else 'are'} {listed(near)}: {_NAME_IT}"
    return f"{said}, and none is near it: {_DESCRIBE_IT}"


def require_text(head: bytes, reader: Format) -> None:
    """Raises NotTaken for what is no text, whatever its sender calls it: nothing of it could be
    kept as the records that it has."""
    wrong = unreadable.no_text(head)
    if wrong and not reader.recognise(head):
        raise NotTaken(f"this is {wrong}")


def earlier(source: Source, digest: bytes) -> Taken | None:
    """The result of the same bytes, when they came before."""
    row = Deposit.objects.filter(source=source, received_digest=digest).first()
    if row is None:
        return None
    reasons = []
    if row.rejects or row.old:
        rows = row.reject_rows.order_by("id")[:MOST_REJECTS_ANSWERED]
        reasons = [as_told(one) for one in rows]
    return Taken(
        deposit=row.pk,
        format=row.format,
        repeat=True,
        since=row.received_at,
        records=row.records,
        events=row.events,
        duplicates=row.duplicates,
        rejects=row.rejects,
        old=row.old,
        reasons=reasons,
    )


def as_told(row: Reject) -> Rejected:
    """A reject as its format told it."""
    old = None if row.old_at is None else micros(row.old_at)
    return Rejected(row.position, row.reason, row.excerpt, old)
