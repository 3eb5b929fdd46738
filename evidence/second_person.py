"""Changes of sources that hold evidence: one person proposes them, a second one signs.

Owns which acts those are, what each changes in words, and how it is applied. Evidence knows no
people: who may sign, and the proposal itself, are said from above (`ask`, set when the app starts).
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from evidence.models import Deposit, Source
from evidence.permissions import COMMAND, NotPossible, Reader

TAKES_TWO = (
    "{} holds evidence that people decide by: a second person signs this first. Propose it on the"
    " page of the source."
)


class Change(NamedTuple):
    """What is asked for, as it is applied later: plain values."""

    act: str  # a name in ACTS
    subject: str  # as the ledger names it: "source:prod"
    title: str
    document: dict[str, Any]
    lines: list[tuple[str, str]]


class Act(Protocol):
    """One act on a source: what it changes now, and doing it."""

    def lines(self, document: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What it changes, as things are now. NotPossible where it cannot be done."""

    def apply(self, document: Mapping[str, Any], *, by: Reader, now: datetime) -> object:
        """Do it, for two people who have signed it."""


ACTS: dict[str, Act] = {}
# Writes the proposal and gives its key ("CHG-3"); set from above.
ask: Callable[[Change, Reader, datetime, str], str] | None = None


def is_alone(by: Reader) -> bool:
    """Whether this is one person. The command line is not asked for a second one, as whoever has it
    has the database."""
    return by.ref != COMMAND.ref and not by.signed_by_two


def waits(source: Source, by: Reader) -> bool:
    """Whether one person alone may not change this source: it holds evidence."""
    return is_alone(by) and Deposit.objects.filter(source=source).exists()


def require(source: Source, by: Reader) -> None:
    """NotPossible where one person alone changes a source that holds evidence."""
    if waits(source, by):
        raise NotPossible(TAKES_TWO.format(source.name))


def adding_waits(by: Reader) -> bool:
    """Whether one person alone may not add a source: others hold evidence. The first ones of a new
    installation are one person's, as there may be no other yet."""
    return is_alone(by) and Deposit.objects.exists()


def sending_waits(source: Source, by: Reader) -> bool:
    """Whether what one person sends by hand to this source waits for a second one: it holds
    evidence, or others do."""
    return waits(source, by) or adding_waits(by)


def propose(
    act: str,
    name: str,
    said: Mapping[str, Any],
    *,
    by: Reader,
    now: datetime,
    reason: str,
    title: str = "",
) -> str:
    """Ask for a second person's signature of an act on the source of this name; the key of the
    proposal. It takes the place of what the same person proposed under the same title."""
    if ask is None:
        raise NotPossible("Nobody has said yet who signs changes of sources.")
    document = {"act": act, "source": name, **said}
    lines = ACTS[act].lines(document)
    change = Change(act, f"source:{name}", title or f"source {name}", document, lines)
    return ask(change, by, now, reason)


def source_of(document: Mapping[str, Any]) -> Source:
    """The source that a proposal names; NotPossible when there is none any more."""
    row = Source.objects.filter(name=document["source"]).first()
    if row is None:
        raise NotPossible(f"There is no source named {document['source']} any more.")
    return row
