"""What goes into the compiler and what comes out of the judge. Plain values only.

Owns the shapes, their limits and the errors that say what to write instead. Must not know of
Cedar: these are the words of the product, not of the engine.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A request's text longer than this matches nothing; a grant's is refused. Matching takes time
# in proportion to the product of both lengths, and the request's is written by anybody.
LONGEST_ASKED = 2_048
LONGEST_WRITTEN = 1_024
# More patterns than this in one grant are refused: nobody has read them before signing.
MOST_PATTERNS = 500
# A detail shows no more than this of a name that somebody else wrote.
LONGEST_SHOWN = 120

INSIDE = "inside"
EXPIRED, NOT_YET, REVOKED, HELD = "expired", "not_yet", "revoked", "held"
WRONG_RESOURCE, WRONG_ACTION, NONE = "wrong_resource", "wrong_action", "none"
TASK_NOT_COVERED, CONDITION = "task_not_covered", "condition"
# Why a question that the judge would allow is not answered with yes (asking.py).
UNCLEAR_RESOURCE, WRONG_TYPE, NOT_STATED = "unclear_resource", "wrong_type", "not_stated"
REASONS = (
    INSIDE,
    HELD,
    EXPIRED,
    NOT_YET,
    REVOKED,
    CONDITION,
    TASK_NOT_COVERED,
    WRONG_RESOURCE,
    WRONG_ACTION,
    NONE,
)


class AuthorityError(ValueError):
    """A grant that cannot be compiled: which field, and what to write instead."""

    def __init__(self, field: str, what: str) -> None:
        self.field = field
        self.what = what
        super().__init__(f"{field}: {what}")


class Grant(NamedTuple):
    """One version of a delegation, as the compiler takes it.

    `actions`: patterns as AWS writes them (``s3:GetObject``, ``s3:*``), in any case.
    `resources`: patterns; ``*`` is the only wildcard and stands for any text, ``/`` included. An
    S3 ARN means the same as ``bucket/key``; a secret's ARN also means its name, with or without
    the six characters that AWS appends.
    `conditions`: ``address`` (list of networks) and ``mfa`` (true).
    It is in force from `starts_at` until before the earlier of `ends_at` and `revoked_at`.
    """

    key: str
    version: int
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    task: str | None = None
    on_behalf: str | None = None
    conditions: Mapping[str, Any] = {}
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    revoked_at: datetime | None = None
    signed: bool = True

    @property
    def over_at(self) -> datetime | None:
        """The first moment at which it no longer counts; None when it has no end."""
        ends = [moment for moment in (self.ends_at, self.revoked_at) if moment is not None]
        return min(ends, default=None)


class Forbid(NamedTuple):
    """A stop that no grant overrides: a hold, a suspension, a switch-off. Reason ``held``.

    `because` is the end of the sentence "held: …" that people read.
    """

    key: str
    because: str = ""
    actions: tuple[str, ...] = ("*",)
    resources: tuple[str, ...] = ("*",)
    starts_at: datetime | None = None
    ends_at: datetime | None = None


class Request(NamedTuple):
    """What is asked, or what was done. None means "not stated".

    `at` is the event's time when behaviour is judged afterwards. At run time leave it out or
    give the moment of asking: never a time that the asker wrote.
    """

    action: str
    resource: str = ""
    task: str | None = None
    on_behalf: str | None = None
    address: str | None = None
    at: datetime | None = None
    mfa: bool | None = None


class Verdict(NamedTuple):
    """The answer and its reason.

    `policies`: keys of the delegations (or stops) that decided. `detail`: one plain sentence.
    `unstated`: what those ask about and the request does not say (task, on_behalf, address,
    mfa): evidence that leaves something out must not acquit or accuse by itself, so a caller
    that judges afterwards shows a ``condition`` with something here as "cannot be told".
    `signed`: false when everything that decided is imported and unsigned.
    """

    allowed: bool
    reason: str
    policies: tuple[str, ...]
    detail: str
    unstated: tuple[str, ...] = ()
    signed: bool = True


def micros(moment: datetime, field: str) -> int:
    """Microseconds since 1970, UTC: what Cedar compares."""
    if moment.tzinfo is None:
        raise AuthorityError(field, f"{moment.isoformat()} has no time zone; write it in UTC")
    return (moment - EPOCH) // timedelta(microseconds=1)


def written(moment: datetime) -> str:
    """A moment as sentences write it: 24 Nov 2026 09:00 UTC."""
    utc = moment.astimezone(UTC)
    return f"{utc.day} {utc:%b %Y %H:%M} UTC"


def shown(text: str) -> str:
    """Somebody else's text inside our sentence: short, and nothing that is not seen."""
    clean = "".join(char if char.isprintable() else "�" for char in text[:LONGEST_SHOWN])
    return clean if len(text) <= LONGEST_SHOWN else f"{clean}…"
