"""What every target of grants promises: to give something until a moment, and to take it away.

Owns what is given, what is handed out of it and the promises. Must not know any one system, nor
rows. Failures, targets and looks are contract.py's.

Every step is idempotent by its grant's key: giving twice leaves the target as giving once, also with
another end, and "already gone" is success.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from .contract import MissingRight, Permission, Residual, Seen, Sent, Target

# Where the target cannot end it by itself, it ends only while Countersign runs: given for less.
SHORTER = timedelta(hours=4)


class Handed(NamedTuple):
    """A session that was handed out: its names at the target, and until when that takes it."""

    name: str
    credential: str
    lives_until: datetime


@dataclass(frozen=True, slots=True)
class Given:
    """What is given where, until when. `key`: the grant's own, which the target keeps ("GRT-12")."""

    key: str
    target: Target
    permissions: tuple[Permission, ...]
    starts_at: datetime
    ends_at: datetime
    handed: tuple[Handed, ...] = ()


@dataclass(frozen=True, slots=True)
class Minted:
    """A short-lived credential for the holder. `document` is what the holder's own client takes;
    the secret stands nowhere else and is never printed."""

    handed: Handed
    expires_at: datetime  # as the holder is told: never after the grant's end
    document: Mapping[str, Any] = field(repr=False)


class Kind(NamedTuple):
    """One kind of thing that can be given in a system, in the words of its table.

    `needs`: what `extra` has to say, `may`: what it may. `ends_itself`: the target ends it at the deadline, whether
    Countersign runs or not. `mints`: what is handed to the person, "" for nothing, and
    `lives`: how long that lives at most.
    """

    words: str
    name: str  # what `name` is there: "the role's name"
    needs: Mapping[str, str] = {}
    may: Mapping[str, str] = {}
    ends_itself: bool = True
    longest: timedelta | None = None
    mints: str = ""
    lives: timedelta = timedelta(hours=1)
    takes_permissions: bool = False


class Granter(Protocol):
    """The adapter that gives and takes in one account of one system."""

    def why_not(self, given: Given) -> str:
        """Why this cannot be given there, in a sentence; "" where it can. Asks nobody."""
        ...

    def grant(self, given: Given, *, now: datetime) -> Sent: ...

    def granted(self, given: Given, *, now: datetime) -> Seen:
        """ "active": there, as it is given and with its end; anything else is not yet so."""
        ...

    def end(self, given: Given, *, now: datetime) -> Sent: ...

    def ended(self, given: Given, *, now: datetime) -> Seen:
        """ "gone" or "denied": nothing of it can be used any more."""
        ...

    def residual(self, given: Given, *, since: datetime, now: datetime) -> Sequence[Residual]:
        """What lives on after its end, and until when."""
        ...

    def mint(self, given: Given, *, person: str, now: datetime) -> Minted:
        """A credential for the holder. PermanentFailure where this kind hands nothing out."""
        ...

    def own_rights(self, given: Sequence[Given]) -> list[MissingRight]:
        """What it could not give or take away today, of these. Changes nothing."""
        ...
