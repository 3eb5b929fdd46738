"""What judging would find, tried out by a caller who rolls its transaction back.

Owns which credentials, deposits and identities a change of an actor's links concerns, and looking
at them within a bound. Takes the lock of judging: nothing else is judged meanwhile.
"""

from collections.abc import Callable, Collection, Sequence
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
# Those that were judged: what waits is judged with whatever is true by then.
DEPOSITS = f"""
WITH actor AS (SELECT unnest(%(actors)s::bigint[]) AS id), deposit AS ({APPEARS_IN}),
progress AS MATERIALIZED (
    SELECT d.deposit_id, p.done_at FROM deposit d
    JOIN evidence_progress p ON p.deposit_id = d.deposit_id WHERE p.consumer = %(consumer)s)
SELECT (SELECT count(*) FROM progress WHERE done_at IS NULL), ARRAY(
    SELECT deposit_id FROM progress WHERE done_at IS NOT NULL
    ORDER BY deposit_id DESC LIMIT %(most)s)
"""


class Concerned(NamedTuple):
    """What a change of these actors' links may change the findings of."""

    actors: list[int]  # they and everything below them
    credentials: list[int]
    near: set[int]  # actors, who uses the credentials among them
    deposits: list[int]  # newest first, one more than are looked at where there are more
    waiting: int  # deposits in which they appear that wait to be judged

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


def under(actors: Collection[int]) -> list[int]:
    """These actors and everything below them."""
    with connection.cursor() as cursor:
        cursor.execute(UNDER, {"actors": sorted(actors)})
        return [row[0] for row in cursor.fetchall()]


def concerned(actors: Collection[int]) -> Concerned:
    """What hangs on these actors, in a constant number of queries."""
    below = under(actors)
    facts: dict[str, Any] = {
        "actors": below,
        "consumer": CONSUMER,
        "since": datetime(1970, 1, 1, tzinfo=UTC),
        "most": MOST_DEPOSITS + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(DEPOSITS, facts)
        waiting, deposits = cursor.fetchone() or (0, [])
    uses = CredentialAgent.objects.all()
    keys = set(uses.filter(agent_actor__in=below).values_list("credential_actor", flat=True)) | set(
        uses.filter(service_actor__in=below).values_list("credential_actor", flat=True)
    )
    pairs = CredentialPrincipal.objects.all()
    keys |= {*below} | set(
        pairs.filter(principal_actor__in=below).values_list("credential_actor", flat=True)
    )
    watches = CredentialWatch.objects.filter(pk__in=keys).order_by("pk")
    credentials = list(watches.values_list("pk", flat=True)[: MOST_CREDENTIALS + 1])
    near = {*below, *credentials}
    for row in uses.filter(credential_actor__in=credentials).values_list(
        "agent_actor", "service_actor"
    ):
        near.update(row)
    near.update(
        pairs.filter(credential_actor__in=credentials).values_list("principal_actor", flat=True)
    )
    return Concerned(below, credentials, near, deposits, waiting)


def look_at_credentials(
    credentials: Sequence[int], *, now: datetime, enough: Callable[[], bool]
) -> Sequence[int]:
    """Look at these credentials, as far as the bound and until it is enough; those looked at."""
    bounded = credentials[:MOST_CREDENTIALS]
    for place, credential in enumerate(bounded):
        if enough():
            return bounded[:place]
        absence.look(credential, None, now=now)
    return bounded


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
