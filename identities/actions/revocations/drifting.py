"""What was taken out of a file and is written in again re-opens its revocation.

Owns the look at files after a revocation by pull request was effective: a file is changed by people
and generators that know nothing of it. Must not judge: the file names it, or does not. Use in evidence
re-opens by reopening.py.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Max, Q

from evidence import ledger, nudge
from identities.acting import COUNTERSIGN
from identities.enforcers.contract import PermanentFailure, Target, TemporaryFailure
from identities.models import Revocation, RevocationTry

from . import of_pull_request

LOOKED = "drift"
EVERY, LONGEST = timedelta(hours=20), timedelta(days=365)
MOST = 200


def reopen_drifted(*, now: datetime, enough: Callable[[], bool] = lambda: False) -> int:
    """Look at the files of what was effective within a year, each once a day, the longest not looked
    at first, until it is `enough` for now; how many were opened again. What cannot be looked at is
    looked at the next day. Two at once look twice, and open once."""
    rows = (
        Revocation.objects.filter(
            system=of_pull_request.NAME, state="effective", effective_at__gte=now - LONGEST
        )
        .annotate(looked=Max("tries__at", filter=Q(tries__did=LOOKED)))
        .filter(Q(looked__isnull=True) | Q(looked__lt=now - EVERY))
        .filter(effective_at__lt=now)
        .order_by(F("looked").asc(nulls_first=True), "number")[:MOST]
    )
    opened = 0
    for row in rows:
        if enough():
            break
        result, said = _look(row)
        with transaction.atomic():
            held = (
                Revocation.objects.select_for_update(of=("self",))
                .select_related("identity")
                .get(pk=row.pk)
            )
            if held.state != "effective" or held.effective_at != row.effective_at:
                continue
            RevocationTry.objects.create(
                revocation=held, at=now, did=LOOKED, result=result, detail=said
            )
            if result == "active":
                _reopen(held, said, now)
                opened += 1
    return opened


def _look(row: Revocation) -> tuple[str, str]:
    try:
        target = Target.from_json(row.target)
        if of_pull_request.enforcer(target.account).names(target):
            return "active", f"{target.account} names {target.name} again"
    except TemporaryFailure as problem:
        return "temporary", problem.reason
    except PermanentFailure as problem:
        return "permanent", f"{problem.reason} {problem.who_must_act} must act."
    return "gone", f"{target.account} does not name {target.name}"


def _reopen(row: Revocation, said: str, now: datetime) -> None:
    """It goes out again: the look before it finds that there is something to take out."""
    seen = f"{said}, seen {now:%Y-%m-%d %H:%M} UTC"
    row.state, row.effective_at, row.not_before = "sending", None, now
    row.attempts, row.leased_until = 0, None
    row.reopened = [*row.reopened, seen]
    row.save(
        update_fields=[
            "state", "effective_at", "not_before", "attempts", "leased_until", "reopened",
        ]
    )  # fmt: skip
    ledger.append(
        at=now,
        by=COUNTERSIGN.ref,
        by_name=COUNTERSIGN.name,
        act="revocation.reopened",
        subject=row.identity.key,
        words=f"{row.key}: {row.words}: not effective: {seen}",
        data={"revocation": row.key},
    )
    nudge.after_commit("revocation.requested")
