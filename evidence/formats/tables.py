"""A log format as a table: which path of a record says who, what, on what, when and how it ended.

Owns the shape of such a table, and how its paths become values, realms and actors. The reader of
a whole record is compiling.py's; what a vendor's records mean stands in the vendor's module (or in
a mapping file); how records travel inside a body is reading.py's. Pure. Where a table names a path, it may name a function of the record instead: the few things
that no path says stay beside the table they belong to.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from evidence.formats import aws, written
from evidence.formats.documents import Piece
from evidence.formats.record import ActorName, Issued
from evidence.vocabulary import OUTCOME_FAILED, OUTCOME_UNKNOWN, PLANE_IDENTITY

type Row = dict[str, Any]
# A path, or a function of the record; several: the first that says something.
type From = str | Callable[[Row], Any]
type Froms = From | tuple[From, ...]
type Names = Callable[[Row, str], ActorName | None]

NOT_STATED = "not stated"
_PART = re.compile(r"\{([^{}]+)\}")
# The fields of a record that a table fills; what a format lacks is said in `Table.lacks`.
FIELDS = (
    "at",
    "vendor_id",
    "principal",
    "credential",
    "session",
    "on_behalf",
    "agent",
    "action",
    "resource",
    "outcome",
    "address",
    "user_agent",
    "request_id",
)


class Name(NamedTuple):
    """One way of reading an actor; a table lists several, the first that finds a value wins.

    `realm`: a template such as ``okta:{org}``; empty: the record's own realm.
    `when`: a sign the record must have (see paths.Sign), such as ``actor.type=User``.
    `parent`: the longer-lived name that people bind instead.
    `fold`: the vendor reads these names without regard to case: they are kept in lower case.
    """

    kind: str
    value: Froms
    realm: str | Callable[[Row], str] = ""
    when: str = ""
    parent: "Name | None" = None
    fold: bool = False


class Said(NamedTuple):
    """How an outcome is written: the first path that says something, and what its words mean."""

    where: Froms
    words: Mapping[str, int]  # in lower case
    otherwise: int = OUTCOME_FAILED  # words that are not listed
    absent: int = OUTCOME_UNKNOWN


class Issues(NamedTuple):
    """Actions by which a credential comes into being."""

    actions: frozenset[str]
    credential: Name | tuple[Name, ...]  # several: the first that finds a value
    to: tuple[Name, ...] = ()  # none finds a value: the principal
    standing: bool = True
    expires: Froms = ()


class Text(NamedTuple):
    """Bodies that are no JSON: how to know the beginning of one, and the records inside."""

    looks: Callable[[bytes], bool]
    pieces: Callable[[bytes], Iterator[Piece]]


class Table(NamedTuple):
    """One format. Every member that takes paths takes functions of the record as well."""

    name: str
    title: str
    # A record is of this format when it has all signs of one group.
    signs: tuple[tuple[str, ...], ...]
    realm: str | Callable[[Row], str]  # a template
    action: Froms
    at: Froms = ()
    plane: int = PLANE_IDENTITY
    # Bytes of which every record holds at least one, for the recovery of damaged documents.
    mark: bytes = b""
    lists: tuple[str, ...] = ()  # members of a document that hold its records
    # The record inside a wrapping of the vendor's own, with what the wrapping says of it. Given
    # every record that has the signs; gives back what it does not know.
    opens: Callable[[Row], Row] | None = None
    # Where the vendor also writes lines that are no JSON: knows them, and finds their records.
    text: Text | None = None
    several: str = ""  # a member that lists events: a record is kept for each of them
    any_case: bool = False  # exports write the member names in lower case as well
    # The record as this table reads it: what exports nest or write as text, undone. Makes no change
    # to the record itself.
    view: Callable[[Row], Row] | None = None
    vendor_id: Froms = ()
    principal: tuple[Name | Names, ...] = ()
    credential: tuple[Name | Names, ...] = ()
    agent: tuple[Name | Names, ...] = ()
    on_behalf: tuple[Name | Names, ...] = ()
    session: Froms = ()  # kept as the event's conversation
    resource: Froms = ()
    outcome: Said | Callable[[Row], int] = Said((), {}, absent=OUTCOME_UNKNOWN)
    # What the record says beyond its action; else by action, exact; then by pattern (matched from
    # the beginning); else USE.
    activity: Callable[[Row, str], int | None] | None = None
    activities: Mapping[str, int] = {}
    patterns: tuple[tuple[str, int], ...] = ()
    issues: tuple[Issues, ...] = ()
    issued: Callable[[Row, str, ActorName | None], Issued | None] | None = None
    address: Froms = ()
    user_agent: Froms = ()
    request_id: Froms = ()
    trace_id: Froms = ()
    span_id: Froms = ()
    error: Froms = ()
    task: Froms = ()
    release: Froms = ()
    # Places of content that is dropped at the door, and of statements that keep only their form.
    content: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    # Fields the vendor does not give, with why; the documentation's table says it.
    lacks: Mapping[str, str] = {}
    version: int = 2  # see record.Format


class Unreadable(Exception):
    """Why a record cannot be read, in words for the person who sent it."""


@lru_cache(maxsize=65_536)
def actor(realm: str, kind: str, value: str, parent: ActorName | None = None) -> ActorName:
    """An actor's name, cut to what may be kept."""
    return ActorName(realm_named(realm), kind, aws.bounded(value.replace("\0", "")), parent)


@lru_cache(maxsize=16_384)
def realm_named(text: str) -> str:
    """A realm as it is kept: ids in lower case, because vendors write the same one both ways."""
    return text[:200].replace("\0", "").lower()


def getter(froms: Froms, *, folded: bool = False) -> Callable[[Row], str | None]:
    """The text that the first of these paths and functions finds; NULs removed, bounded."""
    ways = froms if isinstance(froms, tuple) else (froms,)
    return written.first_text(ways, folded=folded) if ways else lambda _: None


def template(written: str | Callable[[Row], str], *, folded: bool = False) -> Callable[[Row], str]:
    """``okta:{org|tenant}`` as a function: a part that finds nothing leaves what stands before
    its colon."""
    if callable(written):
        return written
    parts = _PART.split(written)
    if len(parts) == 1:
        return lambda _: written
    finds = [getter(tuple(part.split("|")), folded=folded) for part in parts[1::2]]
    fixed = parts[::2]

    def get(record: Row) -> str:
        made = fixed[0]
        for find, after in zip(finds, fixed[1:], strict=True):
            found = find(record)
            if found is None:
                return made.rstrip(":/")
            made += found + after
        return made

    return get


def names(ways: tuple[Name | Names, ...], *, folded: bool = False) -> Names:
    """The first actor that one of these ways finds."""
    compiled = [way if callable(way) else name(way, folded=folded) for way in ways]
    if not compiled:
        return lambda _, __: None
    if len(compiled) == 1:
        return compiled[0]

    def get(record: Row, realm: str) -> ActorName | None:
        for one in compiled:
            found = one(record, realm)
            if found is not None:
                return found
        return None

    return get


def name(way: Name, *, folded: bool) -> Names:
    value = getter(way.value, folded=folded)
    own = template(way.realm, folded=folded) if way.realm else None
    right = written.has_signs(((way.when,),), folded=folded) if way.when else None
    above = name(way.parent, folded=folded) if way.parent else None
    kind, fold = way.kind, way.fold

    def get(record: Row, realm: str) -> ActorName | None:
        if right is not None and not right(record):
            return None
        found = value(record)
        if found is None:
            return None
        return actor(
            realm if own is None else own(record),
            kind,
            found.lower() if fold else found,
            None if above is None else above(record, realm),
        )

    return get
