"""Whether an account of an outside system answers: after a few failures it is asked less.

Owns the counting of failures one after the other, how long nothing is asked, and the one row that
then tries. An account that does what it is asked has no row here; a refusal counts as neither. Must
not know what was asked for. What waits stays due, so that nothing is lost when the account answers again.
"""

from datetime import datetime, timedelta

from django.db import connection, transaction

from identities.models import Circuit

# One failure is the network's, five one after the other are the system's. Until then each row
# waits by itself (carrying.py).
MOST_FAILURES = 5
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(minutes=5)
# Longer than the requests of one step take; a worker that dies trying holds the others up so long.
TRIAL = timedelta(seconds=90)

# Two workers may look at once: the first has the trial.
TRY = """
UPDATE identities_circuit SET trial_until = %(until)s
WHERE system = %(system)s AND account = %(account)s AND open_until <= %(now)s
  AND (trial_until IS NULL OR trial_until <= %(now)s)
"""

# What had been asked before nothing was asked any more says nothing new.
FAILED = """
INSERT INTO identities_circuit (system, account, failures, since, why)
VALUES (%(system)s, %(account)s, 1, %(now)s, %(why)s)
ON CONFLICT (system, account) DO UPDATE
SET failures = identities_circuit.failures + 1, why = excluded.why, trial_until = NULL
WHERE identities_circuit.open_until IS NULL OR identities_circuit.open_until <= %(now)s
RETURNING failures
"""


def may_ask(system: str, account: str, *, now: datetime) -> bool:
    """Whether a claimed row may ask: always while the account answers, one row at a time when it
    did not."""
    those = Circuit.objects.filter(system=system, account=account, open_until__isnull=False)
    if not those.exists():
        return True
    with connection.cursor() as cursor:
        until = now + TRIAL
        cursor.execute(TRY, {"system": system, "account": account, "now": now, "until": until})
        taken: int = cursor.rowcount
    return taken == 1


def answered(system: str, account: str) -> None:
    """The account answered, whatever it said: all that waits for it goes on."""
    Circuit.objects.filter(system=system, account=account).delete()


def tried(system: str, account: str) -> None:
    """A trial that said nothing about the account: the next row tries."""
    Circuit.objects.filter(system=system, account=account).update(trial_until=None)


def failed(
    system: str, account: str, *, why: str, now: datetime, wait: timedelta = timedelta(0)
) -> None:
    """It did not answer, or said to come back in a while (`wait`)."""
    # At once: between the two, nobody would be trying and nothing would keep others from it.
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(FAILED, {"system": system, "account": account, "why": why, "now": now})
        (failures,) = cursor.fetchone() or (0,)
        if failures >= MOST_FAILURES:
            pause = FIRST_PAUSE * 2 ** min(failures - MOST_FAILURES, 10)
            Circuit.objects.filter(system=system, account=account).update(
                open_until=now + min(max(pause, wait), LONGEST_PAUSE)
            )


def not_answering() -> dict[tuple[str, str], str]:
    """(system, account) of those that do not answer: the sentence for what waits for them."""
    return {
        (one.system, one.account): (
            f"{one.system} {one.account} did not answer {one.failures} times one after the other"
            f" since {one.since:%Y-%m-%d %H:%M} UTC: {one.why} It is tried again by itself, and"
            " nothing is lost meanwhile."
        )
        for one in Circuit.objects.filter(open_until__isnull=False).order_by("since", "pk")
    }
