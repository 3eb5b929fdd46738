"""Carrying grants out: one claimed row, given or taken away, and looked at.

`granting` and `ending` are committed before the call (claiming.py); whatever happens then, the next
claim of the row asks the target again, and giving or taking twice is doing it once. Every write after
a claim names the lease and the state it was made under: a worker that was thought dead and comes
back, or one that gives what somebody ends meanwhile, changes nothing, and what follows is asked anew.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.db import transaction

from evidence import ledger
from identities.actions.revocations import circuits, leasing
from identities.actions.revocations.systems import ADMINISTRATOR
from identities.enforcers.contract import (
    PermanentFailure,
    Permission,
    Residual,
    Seen,
    Target,
    TemporaryFailure,
)
from identities.enforcers.grants import Given, Granter, Handed
from identities.models import Grant, GrantTry

from . import claiming, systems
from .asking import entry

LONGEST_WAIT = timedelta(minutes=15)
# Looks that do not show it before a person is asked: about four minutes.
MOST_LOOKS = 8
# So long after its time a removal that is not shown names who must act, and goes on.
PATIENCE = timedelta(minutes=5)
GONE = frozenset({"gone", "denied"})


@dataclass(slots=True)
class Work:
    """One claimed row with its lease, and what is needed to move it."""

    row: Grant
    stood: str  # its state before the claim
    lease: datetime
    given: Given
    now: datetime
    # When the clock that only goes forward showed `now`.
    began: float

    def clock(self) -> datetime:
        """What time it is by now."""
        return self.now + timedelta(seconds=monotonic() - self.began)


def given_of(row: Grant) -> Given:
    """What the row says is given, with every session that was handed out of it."""
    return Given(
        row.key,
        Target(row.system, row.account, row.kind, row.name, row.extra),
        tuple(
            Permission(tuple(one["actions"]), tuple(one["resources"])) for one in row.permissions
        ),
        row.starts_at,
        row.ends_at,
        tuple(
            Handed(one.name, one.credential, one.lives_until)
            for one in row.sessions.order_by("minted_at", "pk")
        ),
    )


def grant_next(*, now: datetime) -> bool:
    """Claim what is due and move it as far as it goes now; False when nothing is due."""
    began = monotonic()
    found = claiming.claim(now=now)
    if found is None:
        return False
    row, stood, lease, failed_before = found
    work = Work(row, stood, lease, given_of(row), now, began)
    if row.state == "asked":
        _never_given(work)
        return True
    try:
        with leasing.kept(leasing.GRANTS, [row.pk], lease):
            _move(work, systems.granter(row.system, row.account))
        if failed_before:
            circuits.answered(row.system, row.account)
    except TemporaryFailure as problem:
        wait = timedelta(seconds=problem.retry_after)
        circuits.failed(row.system, row.account, why=problem.reason, now=now, wait=wait)
        _later(work, problem.reason, wait=max(wait, _back_off(row.attempts)), result="temporary")
    except PermanentFailure as problem:
        circuits.tried(row.system, row.account)
        _fail(work, problem.reason, problem.who_must_act)
    return True


def _move(work: Work, granter: Granter) -> None:
    row = work.row
    if row.state == "ending" or row.ending_at is not None:
        _take(work, granter)
    elif row.state == "usable" and (row.shown_until == row.ends_at or not row.target_ends_itself):
        # Of its end the target knows nothing, or knows it already.
        _save(work, shown_until=row.ends_at, not_before=row.ends_at, leased_until=None, attempts=0)
    else:
        _give(work, granter)


def _give(work: Work, granter: Granter) -> None:
    """Give it, or give it anew with its other end, and look. After a crash the target knows."""
    row, now = work.row, work.now
    sent = None
    seen = granter.granted(work.given, now=now) if row.attempts > 1 else None
    if seen is None or seen.state != "active":
        sent = granter.grant(work.given, now=now)
        seen = granter.granted(work.given, now=now)
    if seen.state != "active":
        _not_shown(work, seen, "The target took it but does not show it")
        return
    at = work.clock()
    reference = sent.reference if sent is not None else ""
    proof = row.proof | {"granted": _proof(seen, at, reference)}
    with transaction.atomic():
        if not _save(
            work,
            state="usable",
            usable_at=row.usable_at or at,
            shown_until=row.ends_at,
            proof=proof,
            not_before=row.ends_at,
            leased_until=None,
            attempts=0,
            failed_why="",
            who_must_act="",
        ):
            return
        done = [] if sent is None else [("grant", "ok", f"{sent.detail} {sent.reference}".strip())]
        _write(work, at, *done, ("verify", seen.state, seen.detail))
        words = f"the target shows it until {row.ends_at:%Y-%m-%d %H:%M:%S} UTC"
        ledger.append_all([entry(row, "grant.usable", words, by=None, now=at)])


def _take(work: Work, granter: Granter) -> None:
    """Take it away and look; done when nothing of it lives on."""
    row, now = work.row, work.now
    sent = granter.end(work.given, now=now)
    seen = granter.ended(work.given, now=now)
    if seen.state not in GONE:
        _not_shown(work, seen, "The target does not show that it is gone")
        return
    at = work.clock()
    lives = list(granter.residual(work.given, since=row.removed_at or at, now=at))
    fields: dict[str, Any] = {
        "leased_until": None,
        "attempts": 0,
        "failed_why": "",
        "who_must_act": "",
    }
    said = []
    if row.removed_at is None:
        fields |= {
            "removed_at": at,
            "proof": row.proof | {"removed": _proof(seen, at, sent.reference)},
        }
        said.append(
            entry(row, "grant.removed", "the target shows that it is gone", by=None, now=at)
        )
    if lives:
        fields |= _residual(lives, now)
    else:
        fields |= {"state": "ended", "ended_at": at, "residual": [], "residual_until": None}
        said.append(entry(row, "grant.ended", "ended: nothing of it lives on", by=None, now=at))
    with transaction.atomic():
        if _save(work, **({"state": "ending"} | fields)):
            detail = f"{sent.detail} {sent.reference}".strip()
            _write(work, at, ("end", "ok", detail), ("verify", seen.state, seen.detail))
            ledger.append_all(said)


def _residual(lives: list[Residual], now: datetime) -> dict[str, Any]:
    ends = [one.until for one in lives]
    until = None if None in ends else max(end for end in ends if end is not None)
    return {
        "residual": [
            {"what": one.what, "until": None if one.until is None else one.until.isoformat()}
            for one in lives
        ],
        "residual_until": until,
        "not_before": now + LONGEST_WAIT if until is None else min(until, now + LONGEST_WAIT),
    }


def _never_given(work: Work) -> None:
    """Its time was over before anything went out."""
    row, now = work.row, work.now
    why = row.failed_why or "its time was over before it could be given"
    with transaction.atomic():
        if _save(work, state="ended", ending_at=row.ends_at, ended_at=now, leased_until=None):
            ledger.append_all([entry(row, "grant.ended", f"never given: {why}", by=None, now=now)])


def _not_shown(work: Work, seen: Seen, why: str) -> None:
    if work.row.attempts >= MOST_LOOKS:
        _fail(work, f"{why}: {seen.detail}", ADMINISTRATOR)
    else:
        _later(work, seen.detail, wait=_back_off(work.row.attempts), result=seen.state)


def _later(work: Work, why: str, *, wait: timedelta, result: str) -> None:
    """Again after a wait. A removal that is late names who must act, and is tried on all the same."""
    row, now = work.row, work.now
    late = row.ending_at is not None and now - row.ending_at > PATIENCE and row.removed_at is None
    again = now + wait
    if row.ending_at is None and row.ends_at > now:
        again = min(again, row.ends_at)
    if _save(
        work,
        not_before=again,
        leased_until=None,
        failed_why=why,
        who_must_act=ADMINISTRATOR if late else row.who_must_act,
    ):
        _write(work, now, (_did(row), result, why))


def _fail(work: Work, why: str, who: str) -> None:
    """A person must act. What has to be taken away is tried again by itself meanwhile; what is
    usable with its earlier end stays so; what could not be given waits for its end."""
    row, now = work.row, work.now
    ending = row.ending_at is not None
    state = "usable" if row.usable_at is not None and not ending else "failed"
    again = now + LONGEST_WAIT if ending else row.ends_at
    with transaction.atomic():
        if _save(
            work,
            state=state,
            failed_why=why,
            who_must_act=who or ADMINISTRATOR,
            not_before=again,
            leased_until=None,
            attempts=0,
        ):
            _write(work, now, (_did(row), "permanent", why))
            if work.stood != "failed":
                said = f"failed: {why} {who} must act."
                ledger.append_all([entry(row, "grant.failed", said, by=None, now=now)])


def _did(row: Grant) -> str:
    return "grant" if row.ending_at is None else "end"


def _save(work: Work, **fields: object) -> bool:
    """Write only while the lease is ours and the row is where we left it; where somebody moved it
    on meanwhile, the lease is given back so that what they asked for follows at once."""
    ours = Grant.objects.filter(pk=work.row.pk, leased_until=work.lease)
    if ours.filter(state=work.row.state, ends_at=work.row.ends_at).update(**fields):
        return True
    ours.update(leased_until=None, not_before=work.now)
    return False


def _write(work: Work, at: datetime, *tries: tuple[str, str, str]) -> None:
    GrantTry.objects.bulk_create(
        GrantTry(grant=work.row, at=at, did=did, result=result, detail=detail[:500])
        for did, result, detail in tries
    )


def _proof(seen: Seen, at: datetime, reference: str) -> dict[str, str]:
    return {
        "at": at.isoformat(),
        "state": seen.state,
        "detail": seen.detail,
        "reference": reference,
    }


def _back_off(attempts: int) -> timedelta:
    """2, 4, 8 … seconds and up to half as much again, so that many rows do not come at once."""
    seconds = min(2.0 ** min(attempts, 10), LONGEST_WAIT.total_seconds())
    return timedelta(seconds=seconds * (1 + secrets.randbelow(500) / 1000))
