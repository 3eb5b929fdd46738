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
from evidence.formats.lines import Seams
from evidence.formats.paths import Sign
from evidence.formats.record import ActorName, Issued
from evidence.formats.written import Of, Way, Writing
from evidence.vocabulary import OUTCOME_FAILED, OUTCOME_UNKNOWN, PLANE_IDENTITY

type Row = dict[str, Any]
# A path, or a function of the record; several: the first that says something.
type From = Way
type Froms = From | tuple[From, ...]
type Names = Callable[[Row, str], ActorName | None]
type Together = Callable[[Row, str], tuple[ActorName | None, ...]]

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


class Shared(NamedTuple):
    """One of several actors that one function finds together, called once for a record.

    It stands first among the ways of its field. `find`: the function for records as they are
    written, and the one for records whose member names are in lower case.
    """

    find: tuple[Together, Together]
    place: int


# One way of finding an actor.
type Actor = Name | Names | Shared | Of


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
    # Where a large one may be cut, by its beginning; None: nowhere.
    seams: Callable[[bytes], Seams | None] = lambda _: None


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
    principal: tuple[Actor, ...] = ()
    credential: tuple[Actor, ...] = ()
    agent: tuple[Actor, ...] = ()
    on_behalf: tuple[Actor, ...] = ()
    session: Froms = ()  # kept as the event's conversation
    resource: Froms = ()
    outcome: Said | Callable[[Row], int] = Said((), {}, absent=OUTCOME_UNKNOWN)
    # What the record says beyond its action; else by action, exact; then by pattern (matched from
    # the beginning); else USE.
    activity: Callable[[Row, str], int | None] | None = None
    activities: Mapping[str, int] = {}
    patterns: tuple[tuple[str, int], ...] = ()
    issues: tuple[Issues, ...] = ()
    issued: Callable[[Row, str, ActorName | None], Issued | None] | Of | None = None
    address: Froms = ()
    user_agent: Froms = ()
    request_id: Froms = ()
    trace_id: Froms = ()
    span_id: Froms = ()
    error: Froms = ()
    # What stands there tells of a failure only where one is stated.
    error_of_failures: bool = False
    task: Froms = ()
    release: Froms = ()
    # Places of content that is dropped at the door, and of statements that keep only their form.
    content: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    # Fields the vendor does not give, with why; the documentation's table says it.
    lacks: Mapping[str, str] = {}
    version: int = 3  # see record.Format; 3: records without a realm are their source's

    def seams(self, head: bytes) -> Seams | None:
        """Where a large body with this beginning may be cut; None where it is no text of lines."""
        return self.text.seams(head) if self.text is not None and self.text.looks(head) else None


class Unreadable(Exception):
    """Why a record cannot be read, in words for the person who sent it."""


@lru_cache(maxsize=65_536)
def actor(realm: str, kind: str, value: str, parent: ActorName | None = None) -> ActorName:
    """An actor's name, cut to what may be kept."""
    return ActorName(realm_named(realm), kind, aws.bounded(value), parent)


@lru_cache(maxsize=16_384)
def realm_named(text: str) -> str:
    """A realm as it is kept: ids in lower case, because vendors write the same one both ways."""
    return text[:200].lower()


def getter(froms: Froms, *, folded: bool = False) -> Callable[[Row], str | None]:
    """The text that the first of these paths and functions finds; NULs removed, bounded."""
    return written.first_text(froms if isinstance(froms, tuple) else (froms,), folded=folded)


def template(said: str | Callable[[Row], str], *, folded: bool = False) -> Callable[[Row], str]:
    """``okta:{org|tenant}`` as a function: a part that finds nothing leaves what stands before
    its colon."""
    if callable(said):
        return said
    writing = Writing("def written(record):", folded=folded)
    write_template(writing, "made", said)
    writing.say("return made")
    return writing.compiled()


def write_template(
    writing: Writing, into: str, said: str | Callable[[Row], str], *, deep: int = 0
) -> None:
    """Set a variable to what a template makes of the record."""
    if callable(said):
        of = isinstance(said, Of)
        made = writing.found(said, deep=deep) if of else writing.once(said, deep=deep)
        writing.say(f"{into} = {made}", deep=deep)
        return
    first, *rest = _PART.split(said)
    writing.say(f"{into} = {first!r}", deep=deep)
    for part, after in zip(rest[::2], rest[1::2], strict=True):
        writing.text("part", part.split("|"), deep=deep)
        writing.say(f"if part is None: {into} = {into}.rstrip(':/')", "else:", deep=deep)
        deep += 1
        writing.say(f"{into} += part + {after!r}" if after else f"{into} += part", deep=deep)


def names(ways: tuple[Actor, ...], *, folded: bool = False) -> Names:
    """The first actor that one of these ways finds."""
    writing = Writing("def written(record, realm):", folded=folded)
    write_names(writing, "found", ways)
    writing.say("return found")
    return writing.compiled()


def write_names(writing: Writing, into: str, ways: tuple[Actor, ...]) -> None:
    """Set a variable to the first actor that one of these ways finds, or to None."""
    if not ways:
        writing.say(f"{into} = None")
    for deep, way in enumerate(ways):
        if deep:
            writing.say(f"if {into} is None:", deep=deep - 1)
        if isinstance(way, Shared):
            find = way.find[writing.folded]
            if find not in writing.objects.values():
                writing.say(f"together = {writing.named(find)}(record, realm)", deep=deep)
            writing.say(f"{into} = together[{way.place}]", deep=deep)
        elif isinstance(way, Of):
            writing.say(f"{into} = {writing.found(way, deep=deep)}", deep=deep)
        elif callable(way):
            writing.say(f"{into} = {writing.named(way)}(record, realm)", deep=deep)
        else:
            _write_name(writing, into, way, deep)


def _write_name(writing: Writing, into: str, way: Name, deep: int) -> None:
    if way.when:
        writing.say(f"{into} = None", f"if {writing.sign(Sign.of(way.when))}:", deep=deep)
        deep += 1
    value = f"{into}_is"
    writing.text(value, way.value if isinstance(way.value, tuple) else (way.value,), deep=deep)
    writing.say(f"if {value} is None: {into} = None", "else:", deep=deep)
    deep += 1
    realm, above = "realm", "None"
    if way.parent is not None:
        above = f"{into}_of"
        _write_name(writing, above, way.parent, deep)
    if way.realm:
        realm = f"{into}_in"
        write_template(writing, realm, way.realm, deep=deep)
    shown = f"{value}.lower()" if way.fold else value
    writing.say(
        f"{into} = {writing.named(actor)}({realm}, {way.kind!r}, {shown}, {above})", deep=deep
    )
