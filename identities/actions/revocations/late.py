"""What a stopped credential issued and what lives of it: known when it was stopped, or only later.

Owns the rule that a stop is not effective while anything that its credential issued lives, and the
asking for what becomes known afterwards: when evidence arrives, and at each look at a stop that its
target shows. Every one of these may run twice. What goes along from the start is along.py's.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from evidence import ledger, nudge
from evidence.models import Deposit
from identities import issued
from identities.acting import COUNTERSIGN
from identities.actions import credentials, makings
from identities.issued import Below
from identities.models import Credential, Identity, Revocation

from . import asking, tries
from .along import LONGEST_BECAUSE, standing
from .asks import Ask

MOST_NAMED = 5
# With what this deposit shows to have been issued.
ISSUERS = """
SELECT i.by_credential_id FROM evidence_issuance i
WHERE i.at BETWEEN %(first)s AND %(last)s AND i.deposit_id = %(deposit)s
  AND i.by_credential_id IS NOT NULL
UNION
SELECT m.by_credential_id FROM identities_making m
WHERE m.at BETWEEN %(first)s AND %(last)s AND m.deposit_id = %(deposit)s
  AND m.by_credential_id IS NOT NULL
"""


def known(row: Revocation, *, now: datetime) -> list[Below]:
    """What the credential of this stop issued, transitively, and what of it lives."""
    if not row.takes_issued or row.credential_id is None:
        return []
    found = issued.below(
        [row.credential_id],
        step=row.step,
        since=row.number,
        spares_own=row.spares_own,
        takes_made=row.takes_made,
        now=now,
    )
    return [one for one in found if row.takes(one.identity)]


def living(row: Revocation, *, now: datetime) -> list[Below]:
    """The same; what nobody has asked for yet is asked for."""
    found = known(row, now=now)
    unasked = standing([one for one in found if not _is_asked(one, row)], now=now)
    if unasked:
        _ask(row, unasked, now=now)
    return found


def take_along(*, deposit: Deposit, changed: Collection[int] = (), now: datetime) -> int:
    """Stop what this deposit shows to come from something that is stopped, and open the stop again
    where it was effective; how many stops that were. `changed`: actors of credentials whose state
    it tells. Call it inside a transaction."""
    actors = set(changed)
    if deposit.first_at is not None:
        facts: dict[str, Any] = {
            "first": deposit.first_at,
            "last": deposit.last_at,
            "deposit": deposit.pk,
        }
        with connection.cursor() as cursor:
            cursor.execute(ISSUERS, facts)
            actors |= {row[0] for row in cursor.fetchall()}
        _is_gone(deposit, now=now)
    return look_above(actors, said=f"deposit {deposit.pk}", now=now)


def _is_gone(deposit: Deposit, *, now: datetime) -> None:
    """What was made, was stopped by nobody, and is removed by the log's word, waits for nobody; and
    what waits for it is looked at."""
    found = makings.gone(deposit)
    if not found:
        return
    actors = [actor for actor, _ in found]
    because = f"the log shows that it was removed: deposit {deposit.pk}"
    # Before their revocations, in the order of whoever asks for something of them.
    known = Credential.objects.filter(actor__in=actors)
    credentials.lock(known.values_list("pk", flat=True))
    rows = Revocation.objects.select_for_update(of=("self",)).select_related(
        "identity", "credential"
    )
    for row in rows.filter(
        credential__actor__in=actors, step__in=issued.STOPS, state="failed"
    ).order_by("pk"):
        row.state, row.effective_at, row.failed_why, row.who_must_act = "effective", now, "", ""
        row.save(update_fields=["state", "effective_at", "failed_why", "who_must_act"])
        tries.record(row, now, "revocation.effective", f"effective: {because}")
        if row.credential is not None:
            credentials.mark(
                credential=row.credential, state="revoked", at=now, now=now, because=because
            )
    above = issued.stops_above([by for _, by in found])
    waiting = Revocation.objects.filter(pk__in=above, state="confirmed")
    if waiting.update(not_before=now):
        nudge.after_commit("revocation.requested")


def look_above(actors: Collection[int], *, said: str, now: datetime) -> int:
    """Look again at every stop of these credentials and of what they were issued with."""
    rows = Revocation.objects.filter(pk__in=issued.stops_above(actors))
    opened = 0
    for row in rows.select_related("identity", "credential__actor").order_by("number"):
        found = living(row, now=now)
        if found:
            opened += 1
            _reopen(row, found, said, now=now)
    return opened


def wake(row: Revocation, *, now: datetime) -> None:
    """This one is effective: what waits for it is looked at again, also a hold from before."""
    with connection.cursor() as cursor:
        cursor.execute(issued.WAKE, {"change": row.pk, "after": row.after_id, "now": now})


def _is_asked(one: Below, row: Revocation) -> bool:
    """Whether a person or a stop has asked for it since; what failed waits for a person."""
    return (
        one.change_number is not None
        and one.change_number > row.number
        and one.change_step in ("revoke", row.step)
    )


def _ask(row: Revocation, those: Sequence[Below], *, now: datetime) -> None:
    keys = Credential.objects.select_related("actor", "identity__service").in_bulk(
        [one.credential for one in those if one.credential is not None]
    )
    short = "" if row.credential is None else row.credential.short
    with_ = f" (issued with {short})"
    asks = []
    for one in those:
        key = None if one.credential is None else keys.get(one.credential)
        if key is not None:
            whose: Identity = key.identity or row.identity
            because = f"{row.because[: LONGEST_BECAUSE - len(with_)]}{with_}"
            asks.append(
                Ask(
                    whose,
                    row.step,
                    because,
                    key,
                    case=row.case,
                    case_key=row.case_key,
                    delete=bool(row.target.get("delete", True)),
                    by_hand=one.ends is None,
                    urgent=row.urgent,
                    takes_others=row.takes_others,
                    spares_own=row.spares_own,
                    takes_made=row.takes_made,
                    cause=row,
                )
            )
    if asks:
        asking.request_all(asks, by=COUNTERSIGN, now=now)


def _reopen(row: Revocation, those: Sequence[Below], said: str, *, now: datetime) -> None:
    names = ", ".join(one.words for one in those[:MOST_NAMED])
    more = f" and {len(those) - MOST_NAMED:,} more" if len(those) > MOST_NAMED else ""
    seen = f"{names}{more} lives, issued with it: {said}"
    changed = Revocation.objects.filter(pk=row.pk, state="effective").update(
        state="confirmed",
        effective_at=None,
        not_before=now,
        attempts=0,
        leased_until=None,
        reopened=[*row.reopened, seen],
    )
    if not changed:
        return
    ledger.append(
        at=now,
        by=COUNTERSIGN.ref,
        by_name=COUNTERSIGN.name,
        act="revocation.reopened",
        subject=row.identity.key,
        words=f"{row.key}: {row.words}: not effective: {seen}"[:3_000],
        data={"revocation": row.key, "issued": [one.words for one in those[:MOST_NAMED]]},
    )
    nudge.after_commit("revocation.requested")
