"""What is to be carried out, and what came of it: the shapes that all acts of decided items share.

An act takes many items of one kind and answers for each of them, in their order. Which act is
whose is consequences.py.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from identities.acting import By
from identities.models import Identity, Revocation
from identities.permissions import NotAllowed, NotPossible
from reviews.models import Case, Decision, Item


class Due(NamedTuple):
    """An item of a locked case, and the answer that is carried out of it."""

    case: Case
    item: Item
    does: str


class Waits(NamedTuple):
    """Nothing to do before a date, in words."""

    words: str
    until: datetime


# A sentence of what was done, a date, or why it waits for a person.
type Came = str | Waits | NotPossible | NotAllowed


class Act(Protocol):
    """Do it in all of these, with as many statements as in one; what cannot be done in one keeps
    nothing from being done in the others."""

    def __call__(self, those: Sequence[Due], *, by: By, now: datetime) -> list[Came]: ...


def plan_of(answered: Sequence[Decision]) -> datetime | None:
    """The date that the answers which stand on an item name for its replacement: the earliest."""
    dates = [
        datetime.fromisoformat(row.proposal["by"])
        for row in answered
        if row.answer == "replace" and "by" in row.proposal
    ]
    return min(dates, default=None)


def identity_of(case: Case) -> Identity:
    """Whom the case is about; NotPossible where it names nobody."""
    if case.identity is None:
        raise NotPossible(f"{case.key} names no identity.")
    return case.identity


def in_words(rows: Sequence[Revocation]) -> str:
    """The changes that were asked for."""
    return ", ".join(f"{row.key}: {row.words}" for row in rows)
