"""Carrying revocations out: what is claimed, one step towards effective.

`sending` is committed before the call; whatever happens then, the next look at the target
settles it (decisions 19). Every write after a claim names the lease it was made under, so a
worker that was thought dead and comes back changes nothing. Keys that are claimed together are
asked about at the same time, and what has been answered is written together (decisions 65).
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet

from identities.actions import credentials
from identities.enforcers.contract import (
    PermanentFailure,
    Seen,
    Target,
    TemporaryFailure,
)
from identities.models import Revocation

from . import calling, circuits, claiming, leasing, marking, reach, tries
from .calling import Answer, Work
from .outlasting import outlast
from .stepping import back_off, fail, later, save

# Looks that do not show the change before a person is asked: about four minutes. After so many, it
# goes out once more.
MOST_LOOKS, SENT_AGAIN = 8, 4
# Seconds within which answers are written together: a commit costs about as much as a call.
TOGETHER = 0.1

# What the target shows, of rows that are still ours and where we left them.
CONFIRMED = """
UPDATE identities_revocation r SET state = 'confirmed', sent_at = coalesce(n.sent_at, r.sent_at),
    confirmed_at = %(at)s, not_before = %(now)s, attempts = 0, leased_until = NULL, failed_why = ''
FROM unnest(%(keys)s::uuid[], %(states)s::text[], %(sent)s::timestamptz[])
    AS n(id, state, sent_at)
WHERE r.id = n.id AND r.state = n.state AND r.leased_until = %(lease)s
RETURNING r.id
"""


def enforce_next(*, now: datetime) -> bool:
    """Claim what is due and move it as far as it goes now; False when nothing is due."""
    began = monotonic()
    claimed = claiming.claim(now=now)
    works = []
    for one in claimed:
        try:
            work = _work(one, now, began)
            if one.stood == "confirmed":
                outlast(work)
                _went_well(work)
            elif _begins(work):
                works.append(work)
        except (TemporaryFailure, PermanentFailure) as problem:
            _refused(one.row, one.lease, problem, now=now)
    if works:
        keys = [work.row.pk for work in works]
        with leasing.kept(leasing.REVOCATIONS, keys, works[0].lease):
            if len(works) == 1:
                _record([calling.ask(works[0])])
            else:
                _at_once(works)
    return bool(claimed)


def _work(claimed: claiming.Claimed, now: datetime, began: float) -> Work:
    row = claimed.row
    target = Target.from_json(row.target)
    if row.step == "hold":
        target = replace(target, extra={"hold": row.key, **target.extra})
    enforcer = reach.enforcer(row.system, target.account)
    return Work(
        row, claimed.lease, target, enforcer, now, began, claimed.stood, claimed.failed_before
    )


def _begins(work: Work) -> bool:
    """Commit that it goes out, where its claim has not; False where the row is not ours any more."""
    row = work.row
    if row.step == "release" and row.entitlement is not None:
        work.allowed = _may_be_allowed(row)
    if row.state != "requested":
        return True
    if row.step == "hold" and row.entitlement is not None and "allowed" not in row.target:
        # Before it goes out, so that a crash loses nothing: its release is compared with it.
        row.target["allowed"] = work.enforcer.allowed(work.target, now=work.now)
    if not save(work, state="sending", sending_at=work.now, target=row.target):
        return False
    row.state = "sending"
    return True


def _at_once(works: Sequence[Work]) -> None:
    """Ask about all of these at the same time, and write what is answered as it comes.

    Their calls wait for one account and touch no row. What breaks one leaves the others as they are.
    """
    broke: BaseException | None = None
    with ThreadPoolExecutor(len(works)) as pool:
        asked: set[Future[Answer]] = {pool.submit(calling.ask, work) for work in works}
        while asked:
            done, asked = wait(asked, timeout=TOGETHER)
            answers = []
            for one in done:
                if (problem := one.exception()) is None:
                    answers.append(one.result())
                else:
                    broke = problem
            _record(answers)
    if broke is not None:
        raise broke


def _record(answers: Sequence[Answer]) -> None:
    """What these answers make of their rows: keys that are done together, the rest one by one."""
    keys = [one for one in answers if one.shown is not None and marking.is_of_one(one.work.row)]
    if keys:
        _confirmed(keys)
    for one in answers:
        if one not in keys:
            _record_one(one)


def _record_one(answer: Answer) -> None:
    work = answer.work
    if answer.shown is not None:
        _confirmed([answer])
        return
    if answer.before is not None:
        tries.note(work.row, work.now, "verify", answer.before.state, answer.before.detail)
    if (out := _out(answer)) is not None and not _sent(work, out):
        return
    if answer.problem is not None:
        _refused(work.row, work.lease, answer.problem, now=work.now)
    elif answer.seen is not None:
        _went_well(work)
        _not_shown(work, answer.seen)


def _out(answer: Answer) -> tries.Done | None:
    """That it went out, where that is not written yet."""
    if answer.sent is not None and answer.sent_at is not None:
        detail = f"{answer.sent.detail} {answer.sent.reference}".strip()
        return tries.Done(
            "send", "ok", detail, "revocation.sent", "sent to the target", answer.sent_at
        )
    if answer.shown is not None and answer.shown is answer.before:
        seen, words = answer.before, "had been sent before a crash"
        detail = f"it had gone out: {seen.detail}"
        return tries.Done("verify", seen.state, detail, "revocation.sent", words, answer.work.now)
    return None


def _sent(work: Work, out: tries.Done) -> bool:
    """It went out, and is looked at; False where the row is not ours any more."""
    with transaction.atomic():
        if not save(work, state="sent", sent_at=out.at, attempts=1, failed_why=""):
            return False
        tries.write([(work.row, out)])
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
    if found is None:
        found = (_hold_of(row).values_list("target", flat=True).first() or {}).get("allowed")
    return found


def _confirmed(answers: Sequence[Answer]) -> None:
    """The target shows these, which were claimed together: in as many statements as one of them."""
    work, now = answers[0].work, answers[0].work.clock()
    with transaction.atomic():
        # Before their revocations, in the order of whoever asks for something of them.
        keys = (one.work.row.credential_id for one in answers)
        credentials.lock({pk for pk in keys if pk is not None})
        ours = _ours(answers, work, now)
        done, rows = [], []
        for one in answers:
            row, seen, out = one.work.row, one.shown, _out(one)
            if seen is None or row.pk not in ours:
                continue
            if out is not None:
                row.sent_at = out.at
                done.append((row, out))
                _ends_hold(row)
            words = "the target shows it"
            done.append(
                (
                    row,
                    tries.Done(
                        "verify", seen.state, seen.detail, "revocation.confirmed", words, now
                    ),
                )
            )
            rows.append(row)
        tries.write(done)
        marking.mark_all(rows, now=now)
    for one in answers:
        _went_well(one.work)


def _ours(answers: Sequence[Answer], work: Work, now: datetime) -> set[UUID]:
    """Say of these rows that the target shows it; which of them were still ours to say it of."""
    outs = [_out(one) for one in answers]
    facts: dict[str, Any] = {
        "keys": [one.work.row.pk for one in answers],
        "states": [one.work.row.state for one in answers],
        "sent": [None if out is None else out.at for out in outs],
        "at": now,
        "now": work.now,
        "lease": work.lease,
    }
    with connection.cursor() as cursor:
        cursor.execute(CONFIRMED, facts)
        return {row[0] for row in cursor.fetchall()}


def _went_well(work: Work) -> None:
    """Its account answered, whatever it said."""
    if work.failed_before:
        circuits.answered(work.row.system, work.target.account)


def _refused(
    row: Revocation,
    lease: datetime,
    problem: TemporaryFailure | PermanentFailure,
    *,
    now: datetime,
) -> None:
    """It goes again later, or waits for a person."""
    account = claiming.account_of(row)
    if isinstance(problem, PermanentFailure):
        circuits.tried(row.system, account)
        fail(row, lease, now=now, why=problem.reason, who=problem.who_must_act)
        return
    pause = timedelta(seconds=problem.retry_after)
    circuits.failed(row.system, account, why=problem.reason, now=now, wait=pause)
    wait = max(pause, back_off(row.attempts))
    later(row, lease, now=now, wait=wait, why=problem.reason)


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
        fail(row, work.lease, now=now, why=why, who=reach.ADMINISTRATOR)
    else:
        later(row, work.lease, now=now, wait=back_off(row.attempts), why=seen.detail)
