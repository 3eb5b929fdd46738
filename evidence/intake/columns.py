"""Event rows as the text of COPY, made column by column.

Owns how each column is written. What no row has is left out, and what all rows have alike is
written once and repeated, which is most of a row. Must not know tables, clashes or transactions.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import repeat
from typing import Any

from evidence.formats.record import ActorName
from evidence.intake.admitting import Admitted, moment
from evidence.models import Term
from evidence.names import TermName
from evidence.vocabulary import TIME_RECEIVED, TIME_STATED

# Version of the formats' reading, kept on each event (decisions 4).
READING = 1
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
NULL = "\\N"

type Key = tuple[int, int]  # time in microseconds, id


def text_of(
    keys: Sequence[Key],
    admitted: Admitted,
    *,
    actors: dict[ActorName, int],
    terms: dict[TermName, int],
    source: int,
    deposit: int,
    now: datetime,
) -> tuple[str, bytes]:
    """(names of the columns, rows) for COPY, in the order of the keys."""
    of = admitted.fields
    actor: dict[ActorName | None, str] = {None: NULL}
    actor.update((name, str(number)) for name, number in actors.items())
    term: dict[int, dict[str | None, str]] = {kind: {None: NULL} for kind, _, _ in TERMS}
    for (kind, value), number in terms.items():
        term[kind][value] = str(number)
    times = {at: str(moment(at)) for at in {at for at, _ in keys}}
    columns: list[tuple[str, Sequence[Any], Callable[[Any], str]]] = [
        ("at", [at for at, _ in keys], times.__getitem__),
        ("id", [number for _, number in keys], str),
        *((f"{field}_id", of[field], actor.__getitem__) for field in ACTORS),
        *((column, of[field], term[kind].__getitem__) for kind, field, column in TERMS),
        ("span", of["span_id"], _signed),
        ("parent_span", of["parent_span_id"], _signed),
        ("duration", of["duration"], _number),
        ("ordinal", admitted.ordinals, str),
        ("plane", of["plane"], str),
        ("activity", of["activity"], str),
        ("outcome", of["outcome"], str),
        ("time_basis", [TIME_RECEIVED if at is None else TIME_STATED for at in of["at"]], str),
        ("digest", of["digest"], bytes.hex),
        ("trace", of["trace_id"], _hex),
        ("request_id", of["request_id"], _escaped),
    ]
    alike = {
        "received_at": now.isoformat(),
        "deposit_id": str(deposit),
        "source_id": str(source),
        "reading": str(READING),
    }
    names: list[str] = []
    varying: list[Iterable[str]] = []
    for name, values, written in columns:
        first = values[0]
        if values.count(first) < len(values):
            names.append(name)
            varying.append(map(written, values))
        elif first is not None:
            alike[name] = written(first)
    lines = map("\t".join, zip(*varying, repeat("\t".join(alike.values()), len(keys)), strict=True))
    ordered = [line for _, line in sorted(zip(keys, lines, strict=True))]
    return ", ".join([*names, *alike]), "\n".join([*ordered, ""]).encode("utf-8", "replace")


def _signed(span: bytes | None) -> str:
    return NULL if span is None else str(int.from_bytes(span, signed=True))


def _number(value: int | None) -> str:
    return NULL if value is None else str(value)


def _hex(value: bytes | None) -> str:
    return NULL if value is None else value.hex()


def _escaped(text: str | None) -> str:
    if text is None:
        return NULL
    if text.isalnum() and len(text) <= MOST_REQUEST_ID:
        return text
    return (
        text[:MOST_REQUEST_ID]
        .replace("\0", "�")
        .replace("\\", "\\\\")
        .replace("\t", "\\t")
        .replace("\n", "\\n")
        .replace("\r", "\\r")
    )
