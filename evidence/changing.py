"""Changes of a source as one person makes them: at once, or proposed where it takes a second one.

Owns that choice, for pages and the API alike. What each change is, and who may make it: the modules
that it calls.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from evidence import actions, connecting, custody, keeping, mappings, second_person
from evidence.models import LegalHold, MappingVersion, Source
from evidence.permissions import Reader


class Token(NamedTuple):
    """A token that nobody can see again, and the proposal that it waits for; "": it works now."""

    source: Source
    token: str
    waits: str = ""


def add(said: Mapping[str, Any], *, by: Reader, now: datetime) -> Token:
    """A new source with its token; `said`: what `actions.add_source` takes."""
    if second_person.adding_waits(by):
        reason = f"the new source {said['name']}"
        key, token = actions.propose_source(**said, by=by, now=now, reason=reason)
        return Token(Source(name=said["name"], title=said["title"]), token, key)
    source = actions.add_source(**said, by=by, now=now)
    return Token(*actions.new_token(source=source, by=by, now=now))


def give_token(*, source: Source, by: Reader, now: datetime) -> Token:
    """Another token; the one before it ends when this one works."""
    if second_person.waits(source, by):
        reason = f"a new token of {source.name}"
        key, token = actions.propose_token(source=source, by=by, now=now, reason=reason)
        return Token(source, token, key)
    return Token(*actions.new_token(source=source, by=by, now=now))


def connect(*, source: Source, by: Reader, now: datetime, reason: str = "", **said: Any) -> str:
    """Have a source pulled so; the key of the proposal, "" where it is done."""
    if second_person.waits(source, by):
        reason = reason or f"the connection of {source.name}"
        return connecting.propose(source=source, by=by, now=now, reason=reason, **said)
    connecting.connect(source=source, by=by, now=now, **said)
    return ""


def pause(*, source: Source, paused: bool, reason: str, by: Reader, now: datetime) -> str:
    """Stop pulling a source, or go on; the key of the proposal, "" where it is done."""
    if paused and second_person.waits(source, by):
        return connecting.put_off(source=source, by=by, now=now, reason=reason)
    connecting.pause(source=source, paused=paused, by=by, now=now)
    return ""


def keep(*, source: Source, text: str, by: Reader, now: datetime, reason: str = "") -> str:
    """Give a source this keep-filter; the key of the proposal, "" where it is done."""
    if second_person.waits(source, by):
        reason = reason or f"the keep-filter of {source.name}"
        return keeping.propose(source=source, text=text, by=by, now=now, reason=reason)
    keeping.change(source=source, text=text, by=by, now=now)
    return ""


def keep_for(*, source: Source, days: int, reason: str, by: Reader, now: datetime) -> str:
    """Keep a source's evidence for so long; the key of the proposal, "" where it is done."""
    if 0 < days < source.retention_days and second_person.waits(source, by):
        return custody.propose_shorter(source=source, days=days, reason=reason, by=by, now=now)
    custody.set_retention(source=source, days=days, reason=reason, by=by, now=now)
    return ""


def release(*, hold: LegalHold, reason: str, by: Reader, now: datetime) -> str:
    """End a legal hold; the key of the proposal, "" where it is done."""
    if second_person.is_alone(by):
        return custody.propose_release(hold=hold, reason=reason, by=by, now=now)
    custody.release_hold(hold=hold, reason=reason, by=by, now=now)
    return ""


def map_by(
    text: str, source: Source | None, *, by: Reader, now: datetime
) -> tuple[MappingVersion | None, str]:
    """Save a mapping and have `source` read by it: what is saved, or the key of the proposal.
    Raises MappingError."""
    waits = mappings.waiting(text, source, by)
    if waits is not None:
        reason = "the mapping as it was tried"
        return None, mappings.propose(text=text, source=waits, by=by, now=now, reason=reason)
    row = mappings.save(text=text, by=by, now=now)
    if source is not None:
        mappings.use(source=source, name=row.name, by=by, now=now)
    return row, ""
