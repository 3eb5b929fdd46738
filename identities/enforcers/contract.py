"""What every enforcer promises, in words all systems share.

Owns targets, steps, results and the two kinds of failure. Must not know any one system.

All steps are idempotent: doing one twice leaves the target as doing it once, and "already gone"
is success. Each step takes an idempotency key, which the enforcer leaves in the target's own
record as far as the target has room for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

Step = Literal["hold", "release", "narrow", "suspend", "resume", "revoke", "verify", "residual"]
State = Literal["active", "held", "gone", "denied", "unknown"]

# Failure texts come from outside systems, where an attacker may have named things.
LONGEST_TEXT = 500


def plain(text: str) -> str:
    """Text of an outside system, made safe to keep: one line, printable, of bounded size."""
    shown = "".join(c if c.isprintable() else " " for c in text[: LONGEST_TEXT * 4])
    shown = " ".join(shown.split())
    return shown if len(shown) <= LONGEST_TEXT else shown[: LONGEST_TEXT - 1] + "…"


@dataclass(frozen=True, slots=True)
class Target:
    """One thing in one outside system.

    `kind` is a word of the enforcer (for AWS: access_key, user, role, role_sessions, and
    user_entitlement, role_entitlement for what one is allowed), `name` is its name there, `extra`
    holds what else the enforcer needs to find it (for an access key: `user`; for an entitlement:
    `hold`, the key of the hold that is put on or taken off).
    """

    system: str
    account: str
    kind: str
    name: str
    extra: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        return {
            "system": self.system,
            "account": self.account,
            "kind": self.kind,
            "name": self.name,
            "extra": dict(self.extra),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Target:
        """The target a stored row names; a row that names none is a permanent failure."""
        words = {key: data.get(key) for key in ("system", "account", "kind", "name")}
        extra = data.get("extra") or {}
        if not isinstance(extra, Mapping) or not all(
            isinstance(word, str) and word for word in words.values()
        ):
            raise PermanentFailure(
                "The stored target does not say system, account, kind and name.",
                who_must_act="the administrator of Countersign",
            )
        return cls(
            system=str(words["system"]),
            account=str(words["account"]),
            kind=str(words["kind"]),
            name=str(words["name"]),
            extra={str(key): str(value) for key, value in extra.items()},
        )


@dataclass(frozen=True, slots=True)
class Permission:
    """Actions on resources, as patterns with `*` and `?`: what a delegation leaves."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """The target took the change. `reference` is the target's own name of the last call."""

    reference: str
    detail: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What the target shows when looked at, which is not what it answered when asked to change."""

    state: State
    detail: str
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Residual:
    """What lives on after a step, and until when at the latest; None is "no end is known"."""

    what: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class KnownSession:
    """A session that evidence shows, given to `residual` so that it can be named."""

    name: str
    issued_at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MissingRight:
    """Something this enforcer may not do, with the sentence of what to add."""

    permission: str
    resource: str
    sentence: str


class TemporaryFailure(Exception):
    """Try again, not before `retry_after` seconds."""

    def __init__(self, reason: str, *, retry_after: float) -> None:
        super().__init__(plain(reason))
        self.reason = plain(reason)
        self.retry_after = retry_after


class PermanentFailure(Exception):
    """Trying again changes nothing: a person must act, and this says which one."""

    def __init__(self, reason: str, *, who_must_act: str) -> None:
        super().__init__(plain(reason))
        self.reason = plain(reason)
        self.who_must_act = plain(who_must_act)


class NotSetUp(PermanentFailure):
    """Nobody has given this enforcer what it needs to begin with."""


# Which look at the target confirms which step. A key that policy keeps held instead of deleting
# it is confirmed as revoked when it is held.
_CONFIRMED_BY: dict[str, frozenset[State]] = {
    "hold": frozenset({"held", "denied", "gone"}),
    "suspend": frozenset({"denied", "gone"}),
    "narrow": frozenset({"denied", "gone"}),
    "release": frozenset({"active"}),
    "resume": frozenset({"active"}),
    "revoke": frozenset({"denied", "gone"}),
}


def confirms(seen: Seen, *, step: Step, delete: bool = True) -> bool:
    """Whether what was seen is what the step wanted."""
    wanted = _CONFIRMED_BY.get(step, frozenset())
    return seen.state in wanted or (step == "revoke" and not delete and seen.state == "held")


class Enforcer(Protocol):
    """The adapter with write access to one account of one system."""

    @property
    def system(self) -> str: ...

    def hold(
        self,
        target: Target,
        *,
        key: str,
        now: datetime,
        permissions: Sequence[Permission] = (),
    ) -> Sent: ...

    def release(
        self, target: Target, *, key: str, now: datetime, allowed: Mapping[str, str] | None = None
    ) -> Sent: ...

    def allowed(self, target: Target, *, now: datetime) -> dict[str, str]: ...

    def narrow(
        self, target: Target, *, permissions: Sequence[Permission], key: str, now: datetime
    ) -> Sent: ...

    def suspend(self, target: Target, *, key: str, now: datetime) -> Sent: ...

    def resume(self, target: Target, *, key: str, now: datetime) -> Sent: ...

    def revoke(self, target: Target, *, key: str, now: datetime, delete: bool = True) -> Sent: ...

    def verify(
        self,
        target: Target,
        *,
        step: Step,
        now: datetime,
        since: datetime | None = None,
        permissions: Sequence[Permission] = (),
    ) -> Seen: ...

    def residual(
        self,
        target: Target,
        *,
        since: datetime,
        now: datetime,
        sessions: Iterable[KnownSession] = (),
    ) -> list[Residual]: ...

    def own_rights(self, targets: Sequence[Target] = ()) -> list[MissingRight]: ...
