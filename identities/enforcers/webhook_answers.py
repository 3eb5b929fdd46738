"""What a receiver says became of a step: read, put into words, read back from them, and weighed.

Owns the members of an answer, whether it is given by call-back or at a status address, and which of
several counts. Pure; must not know rows, signatures or addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .contract import plain

# `waiting` is an answer at a status address alone: there is nothing to say yet.
OUTCOMES = ("confirmed", "effective", "residual", "failed")
LONGEST_SAID = 200
MESSAGE = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_WORDS = re.compile(
    r"(?P<by>[a-z0-9-]+) says (?P<outcome>[a-z]+) in (?P<message>\S+), seen (?P<seen>\S+)"
    r"(?:, until (?P<until>\S+))?: (?P<said>.*)"
)


class Unclear(Exception):
    """The answer does not say what became of it; the sentence names the member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One word of a receiver. `seen_at`: when it saw it so; `until`: how long the rest lives."""

    by: str
    outcome: str
    message: str
    seen_at: datetime
    until: datetime | None = None
    said: str = ""

    def words(self) -> str:
        """One line that a person can read, and `from_words` too."""
        until = f", until {self.until.isoformat()}" if self.until else ""
        seen = self.seen_at.isoformat()
        return f"{self.by} says {self.outcome} in {self.message}, seen {seen}{until}: {self.said}"


def from_words(words: str) -> Told | None:
    """The word that this line was made of."""
    found = _WORDS.fullmatch(words)
    if found is None:
        return None
    until = found["until"]
    return Told(
        by=found["by"],
        outcome=found["outcome"],
        message=found["message"],
        seen_at=datetime.fromisoformat(found["seen"]),
        until=datetime.fromisoformat(until) if until else None,
        said=found["said"],
    )


def read(data: Mapping[str, Any], *, by: str, message: str) -> Told:
    """The word in these members. Raises Unclear."""
    outcome, said = data.get("outcome"), data.get("reason", "")
    if not isinstance(outcome, str) or outcome not in OUTCOMES:
        raise Unclear(f"outcome is none of {', '.join(OUTCOMES)}")
    if not isinstance(said, str):
        raise Unclear("reason is no text")
    said = plain(said)[:LONGEST_SAID]
    if outcome == "failed" and not said:
        raise Unclear("reason is missing: say why it failed")
    until = _moment(data.get("until"), "until") if outcome == "residual" else None
    seen_at = _moment(data.get("seen_at"), "seen_at")
    return Told(by=by, outcome=outcome, message=message, seen_at=seen_at, until=until, said=said)


def _moment(value: Any, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        utc = found.astimezone(UTC) if found is not None and found.tzinfo is not None else None
    except (ValueError, OverflowError):
        utc = None
    if utc is None:
        raise Unclear(f"{name} is no time with its zone (RFC 3339)")
    return utc


def counts(told: Iterable[Told]) -> Told | None:
    """The word that counts: the one that was seen last, whatever order they came in. That the target
    shows it does not take back what was seen of its effect before."""
    found: Told | None = None
    for one in sorted(told, key=lambda one: one.seen_at):
        if one.outcome == "confirmed" and found is not None and found.outcome != "failed":
            continue
        found = one
    return found
