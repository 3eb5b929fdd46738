"""Short pieces of erased content that the two people name: a person, a number, an address.

Owns what may be named, and that it stands in what is to go; how it is found in other texts is
evidence/quotes.py's. Nobody but people can say whether `Jane Doe` in a comment is a quotation: what
is shorter than six words is looked for when one person named it and another confirmed it, and at
no other time (docs/decisions/0033-short-pieces.md).
"""

from collections.abc import Iterable, Sequence
from itertools import chain

from evidence import known, unquoting
from evidence.formats.record import Asked
from evidence.formats.removing import NotFound, only
from evidence.models import Actor, Deposit, Erasure, Term, Tombstone
from evidence.permissions import NotPossible
from evidence.quotes import Column, Pieces, leaves, why_no_piece
from evidence.stores import bodies, objects

MOST, LONGEST = 20, 200


def named(lines: str) -> list[str]:
    """One in each line of a form."""
    return list(
        dict.fromkeys(" ".join(line.split()) for line in lines.splitlines() if line.strip())
    )


def require(row: Erasure) -> None:
    """Raise NotPossible when what the row names may not be named, or does not stand in its
    content; or when its reason says it again: tombstones keep that."""
    if not row.pieces:
        return
    if len(row.pieces) > MOST:
        raise NotPossible(f"Name at most {MOST} pieces; erase the rest by another request.")
    for number, piece in enumerate(row.pieces, 1):
        why = f"it has more than {LONGEST} characters" * (len(piece) > LONGEST)
        if why := why or why_no_piece(piece):
            raise NotPossible(f"Piece {number} cannot be looked for: {why}.")
    try:
        content = content_of(row)
    except NotFound:
        content = b""
    missing = _missing(row.pieces, chain(leaves(content), unquoting.said_by(row)))
    if missing:
        raise NotPossible(
            f"Piece {missing[0]} does not stand in what is to be erased: write it as it stands"
            " there."
        )
    if Pieces(row.pieces).spans(row.reason, Column.WRITTEN):
        raise NotPossible("The reason repeats what is to be erased, and is kept: say it without.")


def _missing(pieces: Sequence[str], texts: Iterable[str]) -> list[int]:
    waiting = {number: Pieces([piece]) for number, piece in enumerate(pieces, 1)}
    for text in texts:
        for number in [one for one, it in waiting.items() if it.spans(text, Column.WRITTEN)]:
            del waiting[number]
        if not waiting:
            break
    return sorted(waiting)


def to_go(row: Erasure) -> list[str]:
    """Those that no evidence says by a name of its own that is left."""
    left = {
        text
        for model in (Actor, Term)
        for text in model._default_manager.filter(value__in=row.pieces).values_list(
            "value", flat=True
        )
    }
    return [piece for piece in row.pieces if piece not in left]


def content_of(row: Erasure) -> bytes:
    """The bytes that are to go; empty when they went."""
    if Tombstone.objects.filter(deposit=row.deposit, ordinal=None).exists():
        return b""
    try:
        body = bodies.unpack(row.deposit)
    except objects.Away as problem:
        raise NotPossible(f"{problem}; what is to go is not known until it does.") from problem
    except FileNotFoundError:
        return b""
    if row.ordinal is None:
        return body
    if bodies.place_of(row.deposit, row.ordinal) is None:
        return b""
    return only(body, position_of(row.deposit, row.ordinal, body))


def position_of(deposit: Deposit, ordinal: int, body: bytes) -> str:
    """Where a record lies in what is kept now. Raises NotFound."""
    reader = known.find(deposit.format)
    if reader is None:
        raise NotFound(f"nothing reads the format {deposit.format!r}")
    source = deposit.source
    asked = Asked(source.name, b"", frozenset(source.realms), keep_content=True)
    place = bodies.place_of(deposit, ordinal)
    records = reader.parse(body, asked).records
    if place is None or place >= len(records):
        raise NotFound(f"record {ordinal} is not in what is kept")
    return records[place].position
