"""What a review policy says, as one JSON document: read, checked, and put into words. Pure.

Owns which fields there are, what each may hold and what it means; every problem names its place.
A field that nothing acts on is refused with a sentence, so a signed policy does what it says.
Knows no rows: whether an identity, team, service or source of that name exists is asked by
reviews/actions/policy_versions.py.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from reviews.ladder import TIERS, Ladder, LadderError
from reviews.ladder import parse as parse_ladder

# The same words as identities/models and reviews/actions/deadlines.py; a test compares them.
KINDS = ("agent", "service_account", "workload", "integration", "human")
MODES = ("observe", "ask", "enforce")
CRITICALITIES = ("low", "normal", "high", "critical")
RULES = (
    "no_authority",
    "outside_resources",
    "after_expiry",
    "after_revocation",
    "shared_credential",
    "no_run",
    "left_task",
)
SILENCE = {
    "escalate": "the case goes to the backups and the tie-breaker",
    "narrow": "what was not seen in evidence is narrowed away",
    "suspend": "the identity is suspended",
    "revoke": "what nobody answered is revoked",
}
# Who may sit where, in the order in which they are asked. `owner` in the AI-system owner's seat
# is the AI system's, and so are its backup and sponsor.
SITTING = {
    "identity_owner": ("owner", "backup", "sponsor"),
    "ai_owner": ("owner", "backup", "sponsor"),
    "tie_breaker": ("sponsor", "backup"),
}
SEAT_WORDS = {
    "identity_owner": "identity owner",
    "ai_owner": "AI-system owner",
    "tie_breaker": "tie-breaker",
}
TEAM = "team:"
# The policy that access requests are opened under; every other one is of access reviews.
REQUESTS = "access request"

LONGEST_TEXT = 64 * 1024  # characters of JSON
LONGEST_LIST = 500
MOST_HOURS = 366 * 24
# Reminders are looked for 31 days ahead of a deadline (reviews/actions/deadlines.py).
MOST_BEFORE = 31 * 24
IDENTITY = re.compile(r"NHI-0*([1-9]\d{0,14})")

# Known words of the design that nothing acts on yet. They are refused until something does.
NOT_YET = {
    "stages": "Stages are not built yet: every seat is asked at once.",
    "grace_hours": "Grace is not built yet: give more hours in decide_within_hours.",
    "attestation": "Bounds of attestations are not built yet: an attestation states its own end.",
}


class DocumentError(ValueError):
    """What is wrong with a document: [(place, sentence)], all of it at once."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__(" ".join(f"{place}: {said}" for place, said in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Scope:
    """Which identities: all that is said must be true of them. What is not said asks nothing."""

    kinds: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    criticality: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    ai_system: bool | None = None
    sources: tuple[str, ...] = ()
    expires_within_days: int | None = None
    findings: tuple[str, ...] = ()
    orphaned: bool | None = None
    standing_credential: bool | None = None
    last_reviewed_before_days: int | None = None


@dataclass(frozen=True, slots=True)
class Exemption:
    """An identity that the policy leaves alone through the last moment of `until`, UTC."""

    number: int  # of NHI-0042: 42
    until: date
    reason: str

    @property
    def key(self) -> str:
        return f"NHI-{self.number:04d}"


@dataclass(frozen=True, slots=True)
class Document:
    """A review policy. Hours are of the clock that counts silence (reviews/policies.py)."""

    decide_within_hours: int = 168
    remind_before_hours: tuple[int, ...] = (48, 4)
    escalate_before_hours: int = 6
    silence: str = "escalate"
    scope: Scope | None = None
    every_days: int | None = None
    seats: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ladder: Ladder = field(default_factory=dict)
    exemptions: tuple[Exemption, ...] = ()

    def exempt(self, today: date) -> tuple[Exemption, ...]:
        """The exemptions that have not ended by `today`, UTC."""
        return tuple(one for one in self.exemptions if one.until >= today)


class _Problem(ValueError):
    """One problem, at this place inside the field that is being read."""

    def __init__(self, said: str, at: str = "") -> None:
        super().__init__(said)
        self.at = at


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise _Problem(f"Write a whole number from {least:,} to {most:,}.")
        return value

    return read


def _truth(value: Any) -> bool:
    if type(value) is not bool:
        raise _Problem("Write true or false.")
    return value


def _text(value: Any, longest: int = 200) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        raise _Problem(f"Write a text of 1 to {longest} characters.")
    if value != shown(value) or "\0" in value:
        raise _Problem("It holds a character that cannot be stored.")
    return value.strip()


def shown(text: str) -> str:
    """The text without halves of characters, which JSON can spell and nothing can store."""
    return text.encode("utf-8", "replace").decode()


def _list[T](value: Any, read: Callable[[Any], T], longest: int = LONGEST_LIST) -> tuple[T, ...]:
    if not isinstance(value, list) or not value or len(value) > longest:
        raise _Problem(f"Write a list of 1 to {longest}; leave the field out for none.")
    found: list[T] = []
    for place, one in enumerate(value):
        try:
            made = read(one)
        except _Problem as problem:
            raise _Problem(str(problem), f"[{place}]{problem.at}") from None
        if made in found:
            raise _Problem("It is in the list twice.", f"[{place}]")
        found.append(made)
    return tuple(found)


def _one_of(words: tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in words:
            raise _Problem(f"Write one of: {', '.join(words)}.")
        return str(value)

    return read


def _some_of(words: tuple[str, ...]) -> Callable[[Any], tuple[str, ...]]:
    return lambda value: _list(value, _one_of(words))


def _names(value: Any) -> tuple[str, ...]:
    return _list(value, _text)


def _members(value: Any, readers: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """The members of an object, each by its reader; an unknown one is refused by name."""
    if not isinstance(value, dict):
        raise _Problem("Write an object: { … }.")
    found = {}
    for name, one in value.items():
        if name not in readers:
            raise _Problem(f"It is not known. Known: {', '.join(readers)}.", f".{shown(name)[:80]}")
        try:
            found[name] = readers[name](one)
        except _Problem as problem:
            raise _Problem(str(problem), f".{name}{problem.at}") from None
    return found


SCOPE: dict[str, Callable[[Any], Any]] = {
    "kinds": _some_of(KINDS),
    "modes": _some_of(MODES),
    "criticality": _some_of(CRITICALITIES),
    "services": _names,
    "ai_system": _truth,
    "sources": _names,
    "expires_within_days": _whole(0, 3_660),
    "findings": _some_of(RULES),
    "orphaned": _truth,
    "standing_credential": _truth,
    "last_reviewed_before_days": _whole(1, 3_660),
}


def _scope(value: Any) -> Scope:
    return Scope(**_members(value, SCOPE))


def _sitting(seat: str) -> Callable[[Any], tuple[str, ...]]:
    words = SITTING[seat]

    def read(value: Any) -> str:
        said = _text(value)
        if said in words or (said.startswith(TEAM) and said.removeprefix(TEAM).strip()):
            return said
        raise _Problem(f"Write one of: {', '.join(words)}, or {TEAM} and the name of a team.")

    return lambda value: _list(value, read, 8)


def _seats(value: Any) -> dict[str, tuple[str, ...]]:
    found = _members(value, {seat: _sitting(seat) for seat in SITTING})
    if not found:
        raise _Problem(f"Name a seat: {', '.join(SITTING)}; leave the field out for none.")
    return found


def _identity(value: Any) -> int:
    found = IDENTITY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise _Problem("Write the key of an identity, as NHI-0042.")
    return int(found.group(1))


def _day(value: Any) -> date:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise _Problem("Write a day, as 2027-03-31.") from None


def _exemption(value: Any) -> Exemption:
    readers = {"identity": _identity, "until": _day, "reason": lambda said: _text(said, 400)}
    found = _members(value, readers)
    for name in readers:
        if name not in found:
            raise _Problem("It is missing: an exemption says whom, until when and why.", f".{name}")
    return Exemption(found["identity"], found["until"], found["reason"])


def _exemptions(value: Any) -> tuple[Exemption, ...]:
    found = _list(value, _exemption)
    numbers = [one.number for one in found]
    for place, number in enumerate(numbers):
        if number in numbers[:place]:
            raise _Problem("This identity is exempt already, further up.", f"[{place}].identity")
    return found


def _reminders(value: Any) -> tuple[int, ...]:
    return tuple(sorted(_list(value, _whole(1, MOST_BEFORE), 10), reverse=True))


def _as_it_is(value: Any) -> Any:
    """The ladder is read by reviews/ladder.py, once it is known how long the seats have."""
    return value


# name: how it is read, whether access requests have it too, and what it says, for the form's help.
FIELDS: dict[str, tuple[Callable[[Any], Any], bool, str]] = {
    "decide_within_hours": (_whole(1, MOST_HOURS), True, "how long the seats have to decide"),
    "remind_before_hours": (_reminders, True, "when they are reminded, before the deadline"),
    "escalate_before_hours": (
        _whole(1, MOST_BEFORE),
        True,
        "when the backups and the tie-breaker are told",
    ),
    "seats": (_seats, True, "who sits where, in order: owner, backup, sponsor, team:…"),
    "ladder": (_as_it_is, False, f"what silence does when, for {', '.join(TIERS)}"),
    "silence": (_one_of(tuple(SILENCE)), False, f"what silence does: {', '.join(SILENCE)}"),
    "scope": (_scope, False, f"which identities: {', '.join(SCOPE)}; {{}} for all"),
    "every_days": (_whole(1, 3_660), False, "how often each is reviewed without a campaign"),
    "exemptions": (_exemptions, False, "who is left alone: identity, until, reason"),
}


def parse(value: object, *, name: str) -> Document:
    """The document that this JSON value is, for the policy of this name; or DocumentError."""
    if not isinstance(value, dict):
        raise DocumentError([("document", "Write an object: { … }.")])
    problems: list[tuple[str, str]] = []
    found: dict[str, Any] = {}
    for key, one in value.items():
        if key in NOT_YET:
            problems.append((key, NOT_YET[key]))
        elif key not in FIELDS:
            problems.append((shown(key)[:80], f"It is not known. Known: {', '.join(FIELDS)}."))
        elif name == REQUESTS and not FIELDS[key][1]:
            problems.append(
                (key, "It does nothing for access requests: what nobody approves is denied.")
            )
        else:
            try:
                found[key] = FIELDS[key][0](one)
            except _Problem as problem:
                problems.append((f"{key}{problem.at}", str(problem)))
    if "ladder" in found:
        within = found.get("decide_within_hours", Document().decide_within_hours)
        try:
            found["ladder"] = parse_ladder(found["ladder"], decide_within_hours=within)
        except LadderError as problem:
            place, _, said = str(problem).partition(": ")
            problems.append((shown(place), f"It {said}"))
            del found["ladder"]
    document = Document(**found)
    problems += _together(document, {} if name == REQUESTS else value)
    if problems:
        raise DocumentError(problems)
    return document


def _together(document: Document, given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with fields beside each other."""
    found = []
    within = document.decide_within_hours
    for place, hours in (
        ("remind_before_hours", max(document.remind_before_hours)),
        ("escalate_before_hours", document.escalate_before_hours),
    ):
        if hours >= within:
            said = (
                f"{hours:,} h before the deadline is not after the opening: {within:,} h are given."
            )
            found.append((place, said))
    if "every_days" in given and "scope" not in given:
        found.append(("scope", "Say which identities are reviewed so often; {} for all of them."))
    return found


def read(text: str, *, name: str) -> tuple[dict[str, Any], Document]:
    """The JSON value of this text, and the document it is; or DocumentError with line and column."""
    if len(text) > LONGEST_TEXT:
        raise DocumentError([("document", f"It is longer than {LONGEST_TEXT:,} characters.")])
    if "\0" in text or r"\u0000" in text:
        raise DocumentError([("document", "It holds a character that cannot be stored (NUL).")])
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as problem:
        place = f"line {problem.lineno}, column {problem.colno}"
        raise DocumentError([(place, f"This is not JSON: {problem.msg}.")]) from None
    except (ValueError, RecursionError) as problem:
        said = str(problem) if isinstance(problem, _Problem) else "This is not JSON that is read."
        raise DocumentError([("document", said)]) from None
    return value, parse(value, name=name)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Problem(f"{shown(twice)[:80]!r} is written twice in one object.")
    return found
