"""What each enforcer may not do, asked once a night: which of our identities could not be stopped,
and what could not be given for a while or taken away again.

Owns Rights rows: one for each account that is set up, with the last answer, its time, and why there
was none since. An account that does not answer keeps what it said last and is asked again an hour
later; it holds up no other. Nothing is tried out or ended by asking.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import batched
from typing import Any

from django.db import connection

from identities.actions.grants import lacking
from identities.enforcers.contract import (
    MissingRight,
    PermanentFailure,
    Target,
    TemporaryFailure,
    plain,
)
from identities.enforcers.grants import Given
from identities.models import Binding, Credential, Rights

from . import reach
from .systems import System

log = logging.getLogger(__name__)

# The night begins at this hour, UTC; what is missed then is asked as soon as somebody works.
HOUR = 2
LEASE, AGAIN = timedelta(minutes=10), timedelta(hours=1)
# Enforcers look at so many targets in one call.
AT_ONCE = 20
MOST_KEPT = 200

CLAIM = """
INSERT INTO identities_rights (system, account, night, leased_until, targets, missing, unstoppable,
    failed_why, who_must_act)
VALUES (%(system)s, %(account)s, %(before)s, %(lease)s, 0, '[]', '[]', '', '')
ON CONFLICT (system, account) DO UPDATE SET leased_until = excluded.leased_until
WHERE identities_rights.night < %(night)s
  AND (identities_rights.leased_until IS NULL OR identities_rights.leased_until <= %(now)s)
RETURNING id
"""


def night_of(now: datetime) -> date:
    """The night that has begun last."""
    return (now.astimezone(UTC) - timedelta(hours=HOUR)).date()


def ask_due(*, clock: Callable[[], datetime], enough: Callable[[], bool]) -> int:
    """Ask every account that was not asked this night, until that is all or `enough`; how many."""
    asked = 0
    wanted = lacking.wanted(now=clock())
    for system, row in reach.REGISTRY.items():
        now = clock()
        try:
            owned = dict(row.owned(now))
        except PermanentFailure as problem:
            # Its settings cannot be read, so that nobody knows its accounts.
            if (lease := _claim(system, "", now)) is not None:
                _failed(system, "", lease, problem.reason, problem.who_must_act, now)
            continue
        for account in (account for of, account in wanted if of == system):
            owned.setdefault(account, [])
        Rights.objects.filter(system=system).exclude(account__in=owned).delete()
        for account, targets in sorted(owned.items()):
            if enough():
                return asked
            now = clock()
            if (lease := _claim(system, account, now)) is not None:
                given = wanted.get((system, account), [])
                _ask(system, row, account, targets, given, lease, now)
                asked += 1
    return asked


def _claim(system: str, account: str, now: datetime) -> datetime | None:
    """The lease that this account is asked under; None: it was asked, or is being asked."""
    lease, night = now + LEASE, night_of(now)
    with connection.cursor() as cursor:
        cursor.execute(
            CLAIM,
            {
                "system": system,
                "account": account,
                "night": night,
                "before": night - timedelta(days=1),
                "lease": lease,
                "now": now,
            },
        )
        return lease if cursor.fetchone() else None


def _ask(
    system: str,
    row: System,
    account: str,
    targets: Sequence[Target],
    given: Sequence[Given],
    lease: datetime,
    now: datetime,
) -> None:
    try:
        found = lacking.missing((system, account), given)
        missing = {(one.permission, one.resource): one for one in found}
        # An account that only grants is asked nothing about targets.
        enforcer = row.enforcer(account) if targets or not given else None
        for some in list(batched(targets, AT_ONCE)) or [()]:
            own = [] if enforcer is None else enforcer.own_rights(some)
            missing |= {(one.permission, one.resource): one for one in own}
    except TemporaryFailure as problem:
        _failed(system, account, lease, problem.reason, "", now)
    except PermanentFailure as problem:
        _failed(system, account, lease, problem.reason, problem.who_must_act, now)
    except Exception as problem:  # a fault of one adapter keeps nothing of the others
        log.exception("the rights of %s %s could not be asked", system, account)
        why = f"Asking failed ({type(problem).__name__}): see the worker's log."
        _failed(system, account, lease, why, reach.ADMINISTRATOR, now)
    else:
        found = list(missing.values())
        _write(
            system,
            account,
            lease,
            night=night_of(now),
            leased_until=None,
            answered_at=now,
            targets=len(targets),
            missing=[_as_json(one) for one in found[:MOST_KEPT]],
            unstoppable=_unstoppable(row, targets, found, now=now)[:MOST_KEPT],
            failed_why="",
            failed_at=None,
            who_must_act="",
        )


def _failed(system: str, account: str, lease: datetime, why: str, who: str, now: datetime) -> None:
    """What it said last stays, with its time; it is asked again later this night."""
    _write(
        system,
        account,
        lease,
        leased_until=now + AGAIN,
        failed_why=why,
        failed_at=now,
        who_must_act=who,
    )


def _write(system: str, account: str, lease: datetime, **fields: object) -> None:
    """Only while the lease is ours: who was thought dead changes nothing."""
    Rights.objects.filter(system=system, account=account, leased_until=lease).update(**fields)


def _as_json(one: MissingRight) -> dict[str, str]:
    return {
        "permission": one.permission,
        "resource": one.resource,
        "sentence": plain(one.sentence),
    }


def _unstoppable(
    row: System, targets: Sequence[Target], missing: Sequence[MissingRight], *, now: datetime
) -> list[dict[str, str]]:
    """Those of our targets that something is missing for, with whose they are."""
    lacking: dict[tuple[str, str], MissingRight] = {}
    for target in targets:
        for one in missing:
            if one.resource == target.name or one.resource.endswith(f"/{target.name}"):
                lacking.setdefault((target.kind, target.name), one)
    if not lacking:
        return []
    whose = _whose(row, {name for _, name in lacking}, now=now)
    return [
        {
            "name": name,
            "identity": whose.get(name, ""),
            "why": plain(f"{one.permission}: {one.sentence}"),
        }
        for (_, name), one in sorted(lacking.items())
    ]


def _whose(row: System, names: set[str], *, now: datetime) -> dict[str, str]:
    """The identity of each of these names at its target: by its key, or by who is bound."""
    keys = Credential.objects.filter(actor__value__in=names, identity__isnull=False)
    found = dict(keys.values_list("actor__value", "identity__name"))
    bound = Binding.objects.filter(
        state="confirmed", superseded_at__isnull=True, during__contains=now
    )
    for one in bound.select_related("actor__parent", "identity").iterator(chunk_size=500):
        for target in row.of_names([one.actor]):
            if target.name in names:
                found.setdefault(target.name, one.identity.name)
    return found


def sentences() -> dict[tuple[str, str], str]:
    """(system, account): the first right that its enforcer lacks, as it says it."""
    rows = Rights.objects.exclude(missing=[])
    return {(one.system, one.account): one.missing[0]["sentence"] for one in rows}


def as_row(one: Rights) -> dict[str, Any]:
    """One account as pages and answers show it."""
    return {
        "system": one.system,
        "account": one.account,
        "answered_at": one.answered_at,
        "targets": one.targets,
        "missing": one.missing,
        "unstoppable": one.unstoppable,
        "failed_why": one.failed_why,
        "failed_at": one.failed_at,
        "who_must_act": one.who_must_act,
    }
