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

from evidence.pairs import Twice, once
from identities.findings import RULES as FOUND
from reviews import incident_hours
from reviews.attestation_bounds import FIELDS as ATTESTATION
from reviews.attestation_bounds import Attestation
from reviews.attestation_bounds import read as read_attestation
from reviews.ladder import TIERS, Ladder, LadderError
from reviews.ladder import parse as parse_ladder
from reviews.micro_reviews import POLICY as REVIEWS
from reviews.micro_reviews import MicroReviews
from reviews.micro_reviews import read as read_micro_reviews
from reviews.outcomes import DEFAULT_STRATEGY
from reviews.policy_consequences import API, Brake, brake, quarantine
from reviews.policy_reading import (
    Problem,
    list_of,
    members,
    names,
    one_of,
    shown,
    some_of,
    text,
    truth,
    whole,
)
from reviews.policy_stages import (
    ENDS,
    IF,
    NOT_OF_REQUESTS,
    STRATEGIES,
    Rules,
    cut_as_silence,
    default_word,
    not_here,
    outcomes_of,
    reader,
    with_defaults,
    with_ends,
)
from reviews.policy_stages import hours as stage_hours

# The same words as identities/models and reviews/actions/deadlines.py; a test compares them.
KINDS = ("agent", "service_account", "workload", "integration", "human")
MODES = ("observe", "ask", "enforce")
CRITICALITIES = ("low", "normal", "high", "critical")
RULES = tuple(FOUND)
SILENCE = {
    "escalate": "the case goes to the backups and the tie-breaker",
    "narrow": "what was not seen in evidence is narrowed away",
    "suspend": "the identity is suspended",
    "revoke": "what not every seat answered is revoked",
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
MOST_HOURS = 366 * 24
# Reminders are looked for 31 days ahead of a deadline (reviews/actions/deadlines.py).
MOST_BEFORE = 31 * 24
# Longer, and nobody remembers why nothing is cut; the database holds no longer one either.
LONGEST_FREEZE = 60  # days
OF_REVIEWS = ("api", "freeze_days", "incident_hours")
NOT_OF_OTHERS = f"It is asked of {REVIEWS} alone: write it there."
IDENTITY = re.compile(r"NHI-0*([1-9]\d{0,14})")


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
    grace_hours: int = 0
    stages: tuple[Rules, ...] = ()
    strategy: str = DEFAULT_STRATEGY
    keep_standing_at_most_days: int | None = None
    attestation: Attestation | None = None
    exemptions: tuple[Exemption, ...] = ()
    quarantine_days: int = 0
    brake: Brake | None = None
    freeze_days: int = LONGEST_FREEZE
    incident_hours: Mapping[str, int] = field(default_factory=lambda: incident_hours.HOURS)
    micro_reviews: MicroReviews = field(default_factory=dict)
    api: tuple[str, ...] = ()

    def exempt(self, today: date) -> tuple[Exemption, ...]:
        """The exemptions that have not ended by `today`, UTC."""
        return tuple(one for one in self.exemptions if one.until >= today)


SCOPE: dict[str, Callable[[Any], Any]] = {
    "kinds": some_of(KINDS),
    "modes": some_of(MODES),
    "criticality": some_of(CRITICALITIES),
    "services": names,
    "ai_system": truth,
    "sources": names,
    "expires_within_days": whole(0, 3_660),
    "findings": some_of(RULES),
    "orphaned": truth,
    "standing_credential": truth,
    "last_reviewed_before_days": whole(1, 3_660),
}


def _scope(value: Any) -> Scope:
    return Scope(**members(value, SCOPE))


def _sitting(seat: str) -> Callable[[Any], tuple[str, ...]]:
    words = SITTING[seat]

    def read(value: Any) -> str:
        said = text(value)
        if said in words or (said.startswith(TEAM) and said.removeprefix(TEAM).strip()):
            return said
        raise Problem(f"Write one of: {', '.join(words)}, or {TEAM} and the name of a team.")

    return lambda value: list_of(value, read, 8)


def _seats(value: Any) -> dict[str, tuple[str, ...]]:
    found = members(value, {seat: _sitting(seat) for seat in SITTING})
    if not found:
        raise Problem(f"Name a seat: {', '.join(SITTING)}; leave the field out for none.")
    return found


def _identity(value: Any) -> int:
    found = IDENTITY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Problem("Write the key of an identity, as NHI-0042.")
    return int(found.group(1))


def _day(value: Any) -> date:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise Problem("Write a day, as 2027-03-31.") from None


def _exemption(value: Any) -> Exemption:
    readers = {"identity": _identity, "until": _day, "reason": lambda said: text(said, 400)}
    found = members(value, readers)
    for name in readers:
        if name not in found:
            raise Problem("It is missing: an exemption says whom, until when and why.", f".{name}")
    return Exemption(found["identity"], found["until"], found["reason"])


def _exemptions(value: Any) -> tuple[Exemption, ...]:
    found = list_of(value, _exemption)
    numbers = [one.number for one in found]
    for place, number in enumerate(numbers):
        if number in numbers[:place]:
            raise Problem("This identity is exempt already, further up.", f"[{place}].identity")
    return found


def _reminders(value: Any) -> tuple[int, ...]:
    return tuple(sorted(list_of(value, whole(1, MOST_BEFORE), 10), reverse=True))


def _as_it_is(value: Any) -> Any:
    """The ladder is read by reviews/ladder.py, once it is known how long the seats have."""
    return value


# name: how it is read, whether access requests have it too, and what it says, for the form's help.
FIELDS: dict[str, tuple[Callable[[Any], Any], bool, str]] = {
    # In one hour no reminder and no escalation would lie between opening and deadline.
    "decide_within_hours": (whole(2, MOST_HOURS), True, "how long the seats have to decide"),
    "remind_before_hours": (_reminders, True, "when they are reminded, before the deadline"),
    "escalate_before_hours": (
        whole(1, MOST_BEFORE),
        True,
        "when the backups and the tie-breaker are told",
    ),
    "seats": (_seats, True, "who sits where, in order: owner, backup, sponsor, team:…"),
    "ladder": (_as_it_is, False, f"what silence does when, for {', '.join(TIERS)}"),
    "silence": (one_of(tuple(SILENCE)), False, f"what silence does: {', '.join(SILENCE)}"),
    "grace_hours": (whole(1, MOST_BEFORE), True, "how long answers count after the deadline"),
    "stages": (reader(_sitting), True, "who is asked after whom, and how answers add up"),
    "strategy": (one_of(STRATEGIES), True, f"how stages add up: {', '.join(STRATEGIES)}"),
    "stop_on": (outcomes_of, True, "outcomes of a stage that end them all; a stage may replace it"),
    "advance_on": (outcomes_of, True, "the only ones that do not; a stage may replace it"),
    **{
        name: (default_word, False, f"what counts where {when}; a stage may say otherwise")
        for name, when in zip(
            IF, ("nobody is there", "nobody answers", "nobody knows"), strict=True
        )
    },
    "keep_standing_at_most_days": (
        whole(1, 3_660),
        False,
        "how old a standing credential may be and still be kept as it is",
    ),
    "quarantine_days": (quarantine, False, "for how long what is revoked is held first"),
    "brake": (brake, False, "how many identities silence may cut within one hour"),
    "freeze_days": (
        whole(1, LONGEST_FREEZE),
        False,
        f"how long a change freeze may last; only in {REVIEWS}",
    ),
    "incident_hours": (incident_hours.read, False, f"time by severity; only in {REVIEWS}"),
    "api": (some_of(tuple(API)), False, f"for tokens: {', '.join(API)}; only in {REVIEWS}"),
    "scope": (_scope, False, f"which identities: {', '.join(SCOPE)}; {{}} for all"),
    "every_days": (whole(1, 3_660), False, "how often each is reviewed without a campaign"),
    "attestation": (read_attestation, False, f"of attestations: {', '.join(ATTESTATION)}"),
    "exemptions": (_exemptions, False, "who is left alone: identity, until, reason"),
    "micro_reviews": (
        read_micro_reviews,
        False,
        "what opens a review of one thing; else nothing does",
    ),
}


def parse(value: object, *, name: str) -> Document:
    """The document that this JSON value is, for the policy of this name; or DocumentError."""
    if not isinstance(value, dict):
        raise DocumentError([("document", "Write an object: { … }.")])
    problems: list[tuple[str, str]] = []
    found: dict[str, Any] = {}
    for key, one in value.items():
        if key not in FIELDS:
            problems.append((shown(key)[:80], f"It is not known. Known: {', '.join(FIELDS)}."))
        elif name == REQUESTS and not FIELDS[key][1]:
            problems.append((key, NOT_OF_REQUESTS))
        elif key in OF_REVIEWS and name != REVIEWS:
            problems.append((key, NOT_OF_OTHERS))
        else:
            try:
                found[key] = FIELDS[key][0](one)
            except Problem as problem:
                problems.append((f"{key}{problem.at}", str(problem)))
    within = found.get("decide_within_hours", Document().decide_within_hours)
    if "ladder" in found:
        try:
            found["ladder"] = parse_ladder(found["ladder"], decide_within_hours=within)
        except LadderError as problem:
            place, _, said = str(problem).partition(": ")
            problems.append((shown(place), f"It {said}"))
            del found["ladder"]
    defaults = {one: found.pop(one) for one in IF if one in found}
    stages = with_defaults(found.get("stages", ()), defaults, hours=within)
    ends = {one: found.pop(one) for one in ENDS if one in found}
    document = Document(**_fitting(found, within) | {"stages": with_ends(stages, ends)})
    problems += _together(document, found if name == REQUESTS else value)
    problems += cut_as_silence(found.get("stages", ()), defaults, document.silence)
    problems += not_here(stages, requests=name == REQUESTS)
    alone = not_here([Rules("", within, **ends)], requests=name == REQUESTS)
    problems += [(place.rpartition(".")[2], said) for place, said in alone]
    if "stages" not in value:
        problems += [(one, "It says what ends stages, and there are none.") for one in ends]
    if problems:
        raise DocumentError(problems)
    return document


def _fitting(found: Mapping[str, Any], within: int) -> dict[str, Any]:
    """The fields that are said, and of what is not said about the time before the deadline what
    fits into it: of four hours the last reminder is in the last."""
    plain = Document()
    reminders = [hours for hours in plain.remind_before_hours if hours < within]
    fitting: dict[str, Any] = {"remind_before_hours": tuple(reminders or [max(1, within // 2)])}
    fitting["escalate_before_hours"] = min(plain.escalate_before_hours, max(1, within // 4))
    return {**fitting, **found}


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
    if document.stages and stage_hours(document.stages) != within:
        together = stage_hours(document.stages)
        said = f"The stages have {together:,} h together: write {together:,}, not {within:,}."
        found.append(("decide_within_hours", said))
    if "strategy" in given and "stages" not in given:
        found.append(("strategy", "It says how stages add up, and there are none."))
    if "every_days" in given and "scope" not in given:
        found.append(("scope", "Say which identities are reviewed so often; {} for all of them."))
    return found


def read(text: str, *, name: str) -> tuple[dict[str, Any], Document]:
    """The JSON value of this text, and the document it is; or DocumentError with line and column."""
    value = value_of(text)
    return value, parse(value, name=name)


def value_of(text: str) -> Any:
    """The JSON value of this text; or DocumentError with line and column."""
    if len(text) > LONGEST_TEXT:
        raise DocumentError([("document", f"It is longer than {LONGEST_TEXT:,} characters.")])
    if "\0" in text or r"\u0000" in text:
        raise DocumentError([("document", "It holds a character that cannot be stored (NUL).")])
    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as problem:
        place = f"line {problem.lineno}, column {problem.colno}"
        raise DocumentError([(place, f"This is not JSON: {problem.msg}.")]) from None
    except Twice as problem:
        said = f"{shown(problem.name)[:80]!r} is written twice in one object."
        raise DocumentError([("document", said)]) from None
    except (ValueError, RecursionError):
        raise DocumentError([("document", "This is not JSON that is read.")]) from None
