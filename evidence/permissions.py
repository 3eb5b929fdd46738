"""Who looks at or changes evidence, as the apps above know it.

Evidence knows no people and no identities: everything that depends on them arrives here as plain
values (decisions 2). `lookup` is set when the app starts, by who knows; without it nobody sees
anything.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID


class NotAllowed(Exception):
    """This person may not do this: the sentence says why (HTTP 403)."""


class NotPossible(Exception):
    """It cannot be done now, whoever asks: the sentence says why (HTTP 409)."""


type Scope = frozenset[int] | None
"""The actors whose events may be seen; None: every event."""


class Reader(NamedTuple):
    """Somebody at evidence: how the ledger names them, what they see and may do."""

    ref: str  # "user:<uuid>", "command"
    name: str
    scope: Scope = frozenset()
    # Sealed cases this reader may not see: their ledger rows are shown as commitments.
    sealed: frozenset[UUID] = frozenset()
    why_not_send: str | None = "You may not send evidence."
    why_not_administer: str | None = "You may not administer sources."
    # The person behind this login, as plain text; empty: nobody's. Two logins may be one person.
    person: str = ""
    # The keys of those cases: what was written before they were sealed names them so.
    sealed_keys: frozenset[str] = frozenset()
    # And the numbers of rows that were found to be theirs then.
    sealed_rows: frozenset[int] = frozenset()
    # What is done was signed by two people: `name` holds both.
    signed_by_two: bool = False
    why_not_pause: str | None = "You may not pause sources."


# Whoever can run manage.py on the server has the database anyway; the ledger says so.
COMMAND = Reader("command", "command line", None, frozenset(), None, None)

lookup: Callable[[Any, datetime], Reader] | None = None


def reader(user: Any, *, now: datetime) -> Reader:
    """The reader that a signed-in user is."""
    if lookup is None:
        raise NotAllowed("Nobody has said yet who may see evidence.")
    return lookup(user, now)


def require(why: str | None) -> None:
    """Raise the reason, when there is one."""
    if why is not None:
        raise NotAllowed(why)


def require_all(by: Reader) -> None:
    """For what shows everybody's evidence at once: bodies, the ledger."""
    if by.scope is not None:
        raise NotAllowed(
            "This shows evidence of every identity: a reviewer, responder or auditor may see it."
        )
