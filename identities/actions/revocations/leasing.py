"""Whose a claimed row is: its worker lives as long as a database session of its own does.

Owns the sign of life of whoever moves revocations and grants, and giving back at once what a killed worker left. A
row names the session that it was claimed in; a worker whose calls take long keeps a second one, so
that neither a slow target nor a database that was away makes it look dead. Both sides go by the
database's clock, whatever workers think what time it is. Must not know what is done with a row.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from time import monotonic
from uuid import UUID

from django.db import connection, transaction
from django.db.utils import DatabaseError, InterfaceError

from identities.models import Circuit

# Seconds: how often sessions are looked for, how long one has to be gone until its worker counts
# as dead, and how long a call may take until its worker says again that it lives. A worker that
# lives has the difference to reach a database that was away.
EVERY, GONE, SLOW = 2.0, 10.0, 3.0

# A session is seen by its number, whoever it belongs to. One that has got the number of a dead one
# hides it: then the lease ends by its own time. Doubted first, given back when that was so a while.
GIVE_BACK = """
WITH gone AS MATERIALIZED (
    SELECT r.id, r.lost_at IS NOT NULL AS over FROM {table} r
    WHERE r.leased_until IS NOT NULL AND r.leased_by IS NOT NULL
      AND (r.lost_at IS NULL OR r.lost_at <= clock_timestamp() - make_interval(secs => %(gone)s))
      AND NOT EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.pid = r.leased_by)
    FOR UPDATE SKIP LOCKED)
UPDATE {table} r SET lost_at = coalesce(r.lost_at, clock_timestamp()),
    leased_until = CASE WHEN NOT gone.over THEN r.leased_until END
FROM gone WHERE gone.id = r.id RETURNING r.system, {account}, gone.over
"""

# What is being written just now needs no sign of life.
KEEP = """
WITH ours AS MATERIALIZED (
    SELECT id FROM {table} WHERE id = ANY(%(keys)s) AND leased_until = %(lease)s
      AND (leased_by IS DISTINCT FROM pg_backend_pid() OR lost_at IS NOT NULL)
    FOR UPDATE SKIP LOCKED)
UPDATE {table} r SET leased_by = pg_backend_pid(), lost_at = NULL
FROM ours WHERE ours.id = r.id
"""

# Whose rows are moved so: which account each is of.
REVOCATIONS, GRANTS = "identities_revocation", "identities_grant"
ACCOUNT = {REVOCATIONS: "r.target->>'account'", GRANTS: "r.account"}

_looked = -EVERY


def look() -> None:
    """Give back what dead workers left, where nobody in this process has looked just now."""
    global _looked  # noqa: PLW0603  # one process looks once, whichever of its loops comes first
    if monotonic() - _looked >= EVERY:
        _looked = monotonic()
        give_back()


def give_back() -> int:
    """How many rows of workers whose session has been gone long enough are due again; where their
    account was being tried by one of them, another one may."""
    back: list[tuple[str, str]] = []
    with transaction.atomic(), connection.cursor() as cursor:
        for table, of in ACCOUNT.items():
            cursor.execute(GIVE_BACK.format(table=table, account=of), {"gone": GONE})
            back += [(system, account) for system, account, over in cursor.fetchall() if over]
        for system, account in sorted(set(back)):
            Circuit.objects.filter(system=system, account=account).update(trial_until=None)
    return len(back)


@contextmanager
def kept(table: str, keys: Sequence[UUID], lease: datetime) -> Iterator[None]:
    """While this lasts, these rows are somebody's who lives, also when their own session is lost."""
    over = threading.Event()
    keeper = threading.Thread(target=_keep, args=(table, keys, lease, over), daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()


def _keep(table: str, keys: Sequence[UUID], lease: datetime, over: threading.Event) -> None:
    """Nothing at all unless it takes long: most calls are answered before."""
    try:
        while not over.wait(SLOW):
            try:
                with connection.cursor() as cursor:
                    cursor.execute(KEEP.format(table=table), {"keys": list(keys), "lease": lease})
            except (DatabaseError, InterfaceError):
                connection.close()  # and another one the next time
    finally:
        connection.close()
