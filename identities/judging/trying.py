"""What judging would find, tried out by a caller who rolls its transaction back.

Owns which credentials, deposits and identities a change of an actor's links concerns, and looking
at them within a bound. Takes the lock of judging: nothing else is judged meanwhile.
"""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from evidence import locks
from evidence.locks import Lock
from evidence.models import Actor, Deposit
from identities.models import Binding, CredentialAgent, CredentialPrincipal, CredentialWatch

from . import absence, scope
from .queue import APPEARS_IN, BELOW, CONSUMER, judge

MOST_DEPOSITS = 200
MOST_EVENTS = 20_000  # of one deposit: a larger one alone takes longer than anybody waits
MOST_CREDENTIALS = 100

UNDER = f"""
WITH RECURSIVE actor AS (SELECT unnest(%(actors)s::bigint[]) AS id UNION {BELOW})
SELECT id FROM actor ORDER BY id
"""
# Only what was judged: what waits is judged with whatever is true by then.
DEPOSITS = f"""
WITH actor AS (SELECT unnest(%(actors)s::bigint[]) AS id), deposit AS ({APPEARS_IN})
SELECT d.deposit_id FROM deposit d JOIN evidence_progress p ON p.deposit_id = d.deposit_id
WHERE p.consumer = %(consumer)s AND p.done_at IS NOT NULL
ORDER BY d.deposit_id DESC LIMIT %(most)s
"""


class Concerned(NamedTuple):
    """What a change of these actors' links may change the findings of."""

    actors: list[int]  # they and everything below them
    credentials: list[int]
    near: set[int]  # actors, who uses the credentials among them
    deposits: list[int]  # newest first, one more than are looked at where there are more

    def identities(self) -> set[UUID]:
        """Whoever is or was linked to one of them, or to what is above it."""
        line, level = set(self.near), set(self.near)
        for _ in range(2):
            above = Actor.objects.filter(pk__in=level, parent__isnull=False)
            level = {pk for pk in above.values_list("parent_id", flat=True) if pk is not None}
            line |= level
        rows = Binding.objects.filter(actor_id__in=line)
        return set(rows.values_list("identity_id", flat=True).distinct())


def lock() -> None:
    """Nothing else is judged until the transaction ends; before any other lock."""
    with connection.cursor() as cursor:
        locks.take(cursor, Lock.JUDGE)


def concerned(actors: Collection[int]) -> Concerned:
    """What hangs on these actors, in a constant number of queries."""
    facts: dict[str, Any] = {
        "actors": sorted(actors),
        "consumer": CONSUMER,
        "since": datetime(1970, 1, 1, tzinfo=UTC),
        "most": MOST_DEPOSITS + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(UNDER, facts)
        facts["actors"] = under = [row[0] for row in cursor.fetchall()]
        cursor.execute(DEPOSITS, facts)
        deposits = [row[0] for row in cursor.fetchall()]
    uses = CredentialAgent.objects.all()
    keys = set(uses.filter(agent_actor__in=under).values_list("credential_actor", flat=True)) | set(
        uses.filter(service_actor__in=under).values_list("credential_actor", flat=True)
    )
    pairs = CredentialPrincipal.objects.all()
    keys |= {*under} | set(
        pairs.filter(principal_actor__in=under).values_list("credential_actor", flat=True)
    )
    watches = CredentialWatch.objects.filter(pk__in=keys).order_by("pk")
    credentials = list(watches.values_list("pk", flat=True)[: MOST_CREDENTIALS + 1])
    near = {*under, *credentials}
    for row in uses.filter(credential_actor__in=credentials).values_list(
        "agent_actor", "service_actor"
    ):
        near.update(row)
    near.update(
        pairs.filter(credential_actor__in=credentials).values_list("principal_actor", flat=True)
    )
    return Concerned(under, credentials, near, deposits)


def look_at_credentials(those: Concerned, *, now: datetime) -> int:
    """Look at their credentials, as far as the bound; how many were left out."""
    for credential in those.credentials[:MOST_CREDENTIALS]:
        absence.look(credential, None, now=now)
    return max(0, len(those.credentials) - MOST_CREDENTIALS)


def judge_deposits(those: Concerned, *, now: datetime, enough: Callable[[], bool]) -> int:
    """Judge their deposits, newest first, until it is enough; how many were left out."""
    left = max(0, len(those.deposits) - MOST_DEPOSITS)
    rows = Deposit.objects.in_bulk(those.deposits[:MOST_DEPOSITS])
    for place, pk in enumerate(those.deposits[:MOST_DEPOSITS]):
        if enough():
            return left + len(rows) - place
        if rows[pk].events > MOST_EVENTS:
            left += 1
        else:
            judge(scope.of(rows[pk]), now=now)
    return left
