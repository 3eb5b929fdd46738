"""What is asked of a target for one claimed row: the calls alone, which may run in a thread.

Owns their order: what may have gone out is looked at before it goes again, and what goes out is
looked at at once. Must not touch rows; what the answers make of them is carrying.py's.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

from identities.enforcers.contract import (
    Enforcer,
    PermanentFailure,
    Permission,
    Seen,
    Sent,
    Step,
    Target,
    TemporaryFailure,
    confirms,
)
from identities.models import Revocation


@dataclass(slots=True)
class Work:
    """One claimed row with its lease, and what is needed to move it."""

    row: Revocation
    lease: datetime
    target: Target
    enforcer: Enforcer
    now: datetime
    # When the clock that only goes forward showed `now`.
    began: float
    # Where it stood when it was claimed.
    stood: str = "requested"
    # Whether its account failed to answer before.
    failed_before: bool = False
    # What the release of an entitlement may let come into force.
    allowed: dict[str, str] | None = None

    def clock(self) -> datetime:
        """What time it is by now."""
        return self.now + timedelta(seconds=monotonic() - self.began)

    @property
    def step(self) -> Step:
        step: Step = self.row.step  # type: ignore[assignment]  # a constraint keeps it to these
        return step

    @property
    def delete(self) -> bool:
        return bool(self.row.target.get("delete", True))

    @property
    def left(self) -> list[Permission]:
        return [
            Permission(tuple(item["actions"]), tuple(item["resources"]))
            for item in self.row.target.get("permissions", [])
        ]


@dataclass(slots=True)
class Answer:
    """What a target said of one row, as far as it came."""

    work: Work
    before: Seen | None = None  # where it may have gone out before
    sent: Sent | None = None
    sent_at: datetime | None = None
    seen: Seen | None = None
    problem: TemporaryFailure | PermanentFailure | None = None

    @property
    def shown(self) -> Seen | None:
        """What shows that it is done, where anything does."""
        for seen in (self.before, self.seen):
            if seen is not None and shows(self.work, seen):
                return seen
        return None


def ask(work: Work) -> Answer:
    """Send it unless it was sent, and look; what the target refuses is in the answer."""
    answer = Answer(work)
    try:
        if work.stood == "sending":
            answer.before = _look(work)
            if shows(work, answer.before):
                return answer
        if work.stood != "sent":
            answer.sent, answer.sent_at = _send(work), work.clock()
        answer.seen = _look(work)
    except (TemporaryFailure, PermanentFailure) as problem:
        answer.problem = problem
    return answer


def shows(work: Work, seen: Seen) -> bool:
    """Whether this is what the step makes of its target."""
    return confirms(seen, step=work.step, delete=work.delete)


def _look(work: Work) -> Seen:
    return work.enforcer.verify(work.target, step=work.step, now=work.now, permissions=work.left)


def _send(work: Work) -> Sent:
    call, target, key, now = work.enforcer, work.target, work.row.key, work.now
    match work.step:
        case "hold":
            return call.hold(target, key=key, now=now, permissions=work.left)
        case "release":
            return call.release(target, key=key, now=now, allowed=work.allowed)
        case "suspend":
            return call.suspend(target, key=key, now=now)
        case "resume":
            return call.resume(target, key=key, now=now)
        case "narrow":
            return call.narrow(target, permissions=work.left, key=key, now=now)
        case _:
            return call.revoke(target, key=key, now=now, delete=work.delete)
