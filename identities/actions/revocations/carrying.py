"""Carrying revocations out: one claimed row, one step towards effective, at a time.

`sending` is committed before the call; whatever happens then, the next look at the target
settles it (decisions 19). Every write after a claim names the lease it was made under, so a
worker that was thought dead and comes back changes nothing.
"""

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic

from django.db import transaction
from django.db.models import QuerySet

from identities.enforcers.contract import (
    Enforcer,
    PermanentFailure,
    Permission,
    Residual,
    Seen,
    Step,
    Target,
    TemporaryFailure,
    confirms,
)
from identities.models import Revocation

from . import circuits, claiming, marking, reach, remains, tries

LONGEST_WAIT = timedelta(minutes=15)
# Looks that do not show the change before a person is asked: about four minutes. After so many, it
# goes out once more.
MOST_LOOKS, SENT_AGAIN = 8, 4


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

    def clock(self) -> datetime:
        """What time it is by now."""
        return self.now + timedelta(seconds=monotonic() - self.began)

    @property
    def step(self) -> Step:
        step: Step = self.row.step  # type: ignore[assignment]  # a constraint keeps it to these
        return step

    @property
    def left(self) -> list[Permission]:
        return [
            Permission(tuple(item["actions"]), tuple(item["resources"]))
            for item in self.row.target.get("permissions", [])
        ]


def enforce_next(*, now: datetime) -> bool:
    """Claim what is due and move it as far as it goes now; False when nothing is due."""
    began = monotonic()
    found = claiming.claim(now=now)
    if found is None:
        return False
    row, stood, lease, failed_before = found
    try:
        target = Target.from_json(row.target)
        if row.step == "hold":
            target = replace(target, extra={"hold": row.key, **target.extra})
        work = Work(row, lease, target, reach.enforcer(row.system, target.account), now, began)
        match stood:
            case "requested":
                _send(work)
            case "sending":
                _settle(work)
            case "sent":
                _look(work)
            case _:
                _outlast(work)
        if failed_before:
            circuits.answered(row.system, target.account)
    except TemporaryFailure as problem:
        pause = timedelta(seconds=problem.retry_after)
        circuits.failed(
            row.system, claiming.account_of(row), why=problem.reason, now=now, wait=pause
        )
        wait = max(pause, _back_off(row.attempts))
        _later(row, lease, now=now, wait=wait, why=problem.reason)
    except PermanentFailure as problem:
        circuits.tried(row.system, claiming.account_of(row))
        _fail(row, lease, now=now, why=problem.reason, who=problem.who_must_act)
    return True


def _send(work: Work) -> None:
    """Commit that it goes out, call, and look: what is answered is not yet what is so."""
    row, now = work.row, work.now
    if row.step == "hold" and row.entitlement is not None and "allowed" not in row.target:
        # Before it goes out, so that a crash loses nothing: its release is compared with it.
        row.target["allowed"] = work.enforcer.allowed(work.target, now=now)
    # Most are `sending` since their claim.
    if row.state == "requested" or row.entitlement is not None:
        if not _save(work, state="sending", sending_at=now, target=row.target):
            return
        row.state = "sending"
    match row.step:
        case "hold" if work.target.kind == "role_sessions":
            sent = work.enforcer.revoke(work.target, key=row.key, now=now)
        case "hold":
            sent = work.enforcer.hold(work.target, key=row.key, now=now, permissions=work.left)
        case "release":
            sent = work.enforcer.release(
                work.target, key=row.key, now=now, allowed=_may_be_allowed(row)
            )
        case "suspend":
            sent = work.enforcer.suspend(work.target, key=row.key, now=now)
        case "resume":
            sent = work.enforcer.resume(work.target, key=row.key, now=now)
        case "narrow":
            sent = work.enforcer.narrow(work.target, permissions=work.left, key=row.key, now=now)
        case _:
            sent = work.enforcer.revoke(
                work.target, key=row.key, now=now, delete=bool(row.target.get("delete", True))
            )
    detail = f"{sent.detail} {sent.reference}".strip()
    out = tries.Done("send", "ok", detail, "revocation.sent", "sent to the target", work.clock())
    try:
        seen = _verify(work)
    except (TemporaryFailure, PermanentFailure):
        _sent(work, out)
        raise
    if _shows(work, seen):
        _confirmed(work, seen, out)
    elif _sent(work, out):
        _not_shown(work, seen)


def _sent(work: Work, out: tries.Done) -> bool:
    """It went out, and is looked at; False where the row is not ours any more."""
    with transaction.atomic():
        if not _save(work, state="sent", sent_at=out.at, attempts=1, failed_why=""):
            return False
        tries.write(work.row, out)
        _ends_hold(work.row)
    work.row.state, work.row.attempts = "sent", 1
    return True


def _ends_hold(row: Revocation) -> None:
    """The hold that this one ends, should that have been on its way, waits for nothing."""
    if row.entitlement is not None and row.step != "hold":
        held = _hold_of(row).filter(state__in=["sent", "confirmed"])
        held.update(state="undone", failed_why="", leased_until=None)


def _hold_of(row: Revocation) -> QuerySet[Revocation]:
    """The hold that a release or narrowing of an entitlement ends."""
    number = int(row.target["extra"].get("hold", "REV-0").removeprefix("REV-"))
    return Revocation.objects.filter(identity=row.identity_id, number=number, step="hold")


def _may_be_allowed(row: Revocation) -> dict[str, str] | None:
    """What the release of an entitlement may let come into force: what was signed, or was held."""
    found: dict[str, str] | None = row.target.get("allowed")
    if row.entitlement is not None and found is None:
        found = (_hold_of(row).values_list("target", flat=True).first() or {}).get("allowed")
    return found


def _settle(work: Work) -> None:
    """Maybe sent: the target knows. If it shows the change it went out; else it goes again."""
    seen = _verify(work)
    if not _shows(work, seen):
        tries.note(work.row, work.now, "verify", seen.state, seen.detail)
        _send(work)
        return
    words = "had been sent before a crash"
    detail = f"it had gone out: {seen.detail}"
    _confirmed(
        work, seen, tries.Done("verify", seen.state, detail, "revocation.sent", words, work.now)
    )


def _look(work: Work) -> None:
    """Does the target show it? A target that answered ok and did nothing is found here."""
    seen = _verify(work)
    if _shows(work, seen):
        _confirmed(work, seen)
    else:
        _not_shown(work, seen)


def _shows(work: Work, seen: Seen) -> bool:
    return confirms(seen, step=work.step, delete=bool(work.row.target.get("delete", True)))


def _confirmed(work: Work, seen: Seen, out: tries.Done | None = None) -> None:
    """The target shows it; `out`: that it went out, where that is not written yet."""
    row, now = work.row, work.clock()
    sent = {"sent_at": out.at} if out is not None else {}
    with transaction.atomic():
        if not _save(
            work,
            state="confirmed",
            confirmed_at=now,
            attempts=0,
            not_before=work.now,
            leased_until=None,
            failed_why="",
            **sent,
        ):
            return
        done = [out] if out is not None else []
        row.sent_at = out.at if out is not None else row.sent_at
        words = "the target shows it"
        seen_now = tries.Done("verify", seen.state, seen.detail, "revocation.confirmed", words, now)
        tries.write(row, *done, seen_now)
        if out is not None:
            _ends_hold(row)
        marking.mark(row, work.target, now=now)


def _not_shown(work: Work, seen: Seen) -> None:
    """It went out and the target does not show it: looked at again, some day by a person."""
    row, now = work.row, work.now
    tries.note(row, now, "verify", seen.state, seen.detail)
    if row.attempts >= SENT_AGAIN and not row.tries.filter(did="again").exists():
        # What answered may not have been the target: a proxy answers for it, or it forgot.
        tries.note(row, now, "again", seen.state, "it goes out once more")
        Revocation.objects.filter(pk=row.pk, leased_until=work.lease).update(
            state="sending", leased_until=None, not_before=now, failed_why=seen.detail
        )
    elif row.attempts >= MOST_LOOKS:
        why = f"The target took the change but does not show it: {seen.detail}"
        _fail(row, work.lease, now=now, why=why, who=reach.ADMINISTRATOR)
    else:
        _later(row, work.lease, now=now, wait=_back_off(row.attempts), why=seen.detail)


def _outlast(work: Work) -> None:
    """What still lives, and until when; effective when that is nothing."""
    row, now = work.row, work.now
    if row.step in ("release", "resume", "narrow") or row.entitlement is not None:
        _effective(work, "nothing is left to wait for")
        return
    since = row.sent_at or row.requested_at
    sessions = remains.sessions(row, since=since, now=now)
    seen = reach.probe(work.target, now=now)
    if seen is not None:
        tries.note(row, now, "probe", seen.state, seen.detail)
        if seen.state != "denied":
            why = f"The target shows it, but a real use was answered: {seen.detail}"
            _fail(row, work.lease, now=now, why=why, who=reach.ADMINISTRATOR)
            return
        if not sessions:
            _effective(work, "a real use was refused, and no session of it is known")
            return
    elif work.target.kind == "access_key" and not sessions and remains.complete(row, since):
        _effective(work, "its log is complete and shows no session that lives")
        return
    lives = work.enforcer.residual(work.target, since=since, now=now, sessions=sessions)
    if not lives:
        _effective(work, "nothing of it lives on")
        return
    ends = [item.until for item in lives]
    until = None if None in ends else max(end for end in ends if end is not None)
    # Looked at again sooner than the bound: complete logs may show that nothing was opened.
    again = now + LONGEST_WAIT if until is None else min(until, now + LONGEST_WAIT)
    _save(
        work,
        residual=[_as_json(item) for item in lives],
        residual_until=until,
        not_before=again,
        leased_until=None,
        attempts=0,
        failed_why="",
    )


def record_probe(*, revocation: Revocation, seen: Seen, now: datetime) -> bool:
    """A real use that somebody tried and its answer; True when it makes the row effective."""
    with transaction.atomic():
        row = Revocation.objects.select_for_update().get(pk=revocation.pk)
        tries.note(row, now, "probe", seen.state, seen.detail)
        since = row.sent_at or row.requested_at
        if row.state != "confirmed" or seen.state != "denied":
            return False
        if remains.sessions(row, since=since, now=now):
            return False
        Revocation.objects.filter(pk=row.pk).update(
            state="effective",
            effective_at=now,
            residual=[],
            residual_until=None,
            leased_until=None,
        )
        tries.record(row, now, "revocation.effective", "effective: a real use was refused")
    return True


def _verify(work: Work) -> Seen:
    return work.enforcer.verify(work.target, step=work.step, now=work.now, permissions=work.left)


def _effective(work: Work, why: str) -> None:
    with transaction.atomic():
        if _save(
            work,
            state="effective",
            effective_at=work.now,
            residual=[],
            residual_until=None,
            leased_until=None,
            failed_why="",
        ):
            tries.record(work.row, work.now, "revocation.effective", f"effective: {why}")


def _save(work: Work, **fields: object) -> bool:
    """Write only while the lease is ours and the row is where we left it."""
    return bool(
        Revocation.objects.filter(
            pk=work.row.pk, leased_until=work.lease, state=work.row.state
        ).update(**fields)
    )


def _later(row: Revocation, lease: datetime, *, now: datetime, wait: timedelta, why: str) -> None:
    """Try again after a wait; where it stands says whether it may have gone out."""
    Revocation.objects.filter(pk=row.pk, leased_until=lease).update(
        not_before=now + wait, leased_until=None, failed_why=why
    )
    did = "send" if row.state in ("requested", "sending") else "verify"
    tries.note(row, now, did, "temporary", why)


def _fail(row: Revocation, lease: datetime, *, now: datetime, why: str, who: str) -> None:
    with transaction.atomic():
        if Revocation.objects.filter(pk=row.pk, leased_until=lease).update(
            state="failed", failed_why=why, who_must_act=who, leased_until=None
        ):
            did = "send" if row.state in ("requested", "sending") else "verify"
            tries.note(row, now, did, "permanent", why)
            tries.record(row, now, "revocation.failed", f"failed: {why} {who} must act.")


def _back_off(attempts: int) -> timedelta:
    """2, 4, 8 … seconds and up to half as much again, so that many rows do not come at once."""
    seconds = min(2.0 ** min(attempts, 10), LONGEST_WAIT.total_seconds())
    return timedelta(seconds=seconds * (1 + secrets.randbelow(500) / 1000))


def _as_json(item: Residual) -> dict[str, str | None]:
    return {"what": item.what, "until": None if item.until is None else item.until.isoformat()}
