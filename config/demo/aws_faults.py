"""What the proxy counted and what it was asked to do wrong. Pure."""

from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it arrived, and what became of it."""

    action: str
    access_key_id: str
    user_agent: str
    status: int
    passed_on: bool


@dataclass(slots=True)
class Fault:
    """Something to do wrong: `kind` is throttle, lie or lose, for the next `times` calls."""

    kind: str
    action: str
    times: int
    retry_after: int = 0


@dataclass(slots=True)
class Book:
    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=10_000))
    faults: list[Fault] = field(default_factory=list)
    lag: timedelta = timedelta(0)
    ahead: timedelta = timedelta(0)
