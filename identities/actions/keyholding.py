"""Whose key it is, by the records that name both: the pairs that evidence shows, kept.

Owns CredentialPrincipal. What a pair means is in identities/keyholders.py; who a credential is
given to is in `credentials`, and follows from all pairs of a key whatever their order. Statements
are constant in number for a deposit; memory is bounded by the names in it.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from evidence.models import Deposit
from evidence.vocabulary import PLANE_IDENTITY
from identities import keyholders
from identities.actions import credentials
from identities.keyholders import Name

# The one look at a deposit's events that following takes: what was used in it, and by whom.
HERE = """
SELECT e.credential_id, CASE WHEN e.plane = %(identity)s THEN e.principal_id END,
       min(e.at), max(e.at)
FROM evidence_event e
WHERE e.at BETWEEN %(first)s AND %(last)s AND e.deposit_id = %(deposit)s
  AND e.credential_id IS NOT NULL
GROUP BY 1, 2
"""
# Standing credentials of the kinds in the table, and who may hold one.
NAMES = """
SELECT id, realm, kind, value FROM evidence_actor
WHERE id = ANY(%s) AND parent_id IS NULL AND kind = ANY(%s)
"""
PRINCIPALS = "SELECT id, realm, kind, value FROM evidence_actor WHERE id = ANY(%s)"
NOTE = """
INSERT INTO identities_credentialprincipal (credential_actor, principal_actor, first_at, last_at)
SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[])
ON CONFLICT (credential_actor, principal_actor) DO UPDATE
SET first_at = least(identities_credentialprincipal.first_at, excluded.first_at),
    last_at = greatest(identities_credentialprincipal.last_at, excluded.last_at)
WHERE excluded.first_at < identities_credentialprincipal.first_at
   OR excluded.last_at > identities_credentialprincipal.last_at
"""
# A pair that no event says any more because events were read anew. Where retention has dropped
# events of its time, they may have said it, and it stays.
FORGET = """
DELETE FROM identities_credentialprincipal s
WHERE s.credential_actor = ANY(%(credentials)s)
  AND NOT EXISTS (SELECT 1 FROM evidence_event e WHERE e.credential_id = s.credential_actor
      AND e.principal_id = s.principal_actor AND e.plane = %(identity)s)
  AND NOT EXISTS (SELECT 1 FROM evidence_dropped d WHERE d.events > 0
      AND d.month BETWEEN date_trunc('month', s.first_at, 'UTC')::date
                      AND date_trunc('month', s.last_at, 'UTC')::date)
"""


def note(deposit: Deposit) -> tuple[list[int], list[int]]:
    """Keep the pairs that this deposit shows; the credentials used in it, and those of pairs."""
    if deposit.first_at is None:
        return [], []
    with connection.cursor() as cursor:
        cursor.execute(
            HERE,
            {
                "identity": PLANE_IDENTITY,
                "first": deposit.first_at,
                "last": deposit.last_at,
                "deposit": deposit.pk,
            },
        )
        seen = cursor.fetchall()
        used = sorted({row[0] for row in seen})
        if not used:
            return [], []
        cursor.execute(NAMES, [used, list(keyholders.KINDS)])
        standing = {pk: Name(*name) for pk, *name in cursor.fetchall()}
        seen = [row for row in seen if row[0] in standing and row[1] is not None]
        if not seen:
            return used, []
        pairs = _of_holders(cursor, standing, seen)
        if pairs:
            cursor.execute(NOTE, [list(column) for column in zip(*pairs, strict=True)])
        return used, sorted({row[0] for row in pairs})


def _of_holders(
    cursor: Any, standing: dict[int, Name], seen: Sequence[Any]
) -> list[tuple[int, int, datetime, datetime]]:
    """Of these pairs those that say whose the credential is, in the order in which rows lock."""
    cursor.execute(PRINCIPALS, [sorted({row[1] for row in seen})])
    names = {pk: Name(*name) for pk, *name in cursor.fetchall()}
    return sorted(
        row
        for row in seen
        if row[1] in names and keyholders.is_holder(standing[row[0]], names[row[1]])
    )


def forget(named_before: Collection[int], *, now: datetime) -> None:
    """After events were read anew: take back the pairs that nothing says any more.

    `named_before`: the credentials that those events named. What they name now is noted when
    their deposits are followed again.
    """
    wanted = sorted(set(named_before))
    if not wanted:
        return
    with connection.cursor() as cursor:
        cursor.execute(FORGET, {"credentials": wanted, "identity": PLANE_IDENTITY})
        if cursor.rowcount:
            credentials.hand_out(wanted, now=now)
