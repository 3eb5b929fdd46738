"""What goes along with the stop of one key: 10,000 descendants, walked and asked for.

Each tenth is a user that was made with the one above it, and has a key that somebody else gave it;
the rest are keys, five steps deep. The floor of the walk is a plain join of the same rows with what
is read of each. However many there are, both take the same number of queries.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.formats.record import ActorName
from evidence.models import Issuance
from evidence.names import actor_ids
from identities import issued
from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.models import Credential, Identity, Making
from tests.bench import database
from tests.bench.told import Said

FEW, MANY, WIDTH = 100, 10_000, 7
MOST_RATIO, MOST_ASKING = 6.0, 20.0
AT = datetime(2026, 11, 2, tzinfo=UTC)
ACCOUNT = "111122223333"
FLOOR = """
SELECT c.*, a.value, n.state FROM identities_credential c
JOIN evidence_actor a ON a.id = c.actor_id
LEFT JOIN evidence_issuance i ON i.credential_id = c.actor_id
LEFT JOIN LATERAL (SELECT v.state FROM identities_revocation v WHERE v.credential_id = c.id
    ORDER BY v.number DESC LIMIT 1) n ON true
WHERE c.issued_at = %s
"""


def measure(many: int = MANY) -> Iterator[Said]:
    few, _ = _asked(_grown("few", FEW))
    root = _grown("many", many)
    database.as_owner("ANALYZE")
    floor = _quickest(_floor)
    walk = _quickest(lambda: len(_below(root, 2 * many)))
    ratio = walk / floor
    yield Said(
        f"walk from a key to {len(_below(root, 2 * many)):,} descendants",
        f"{walk * 1000:.0f} ms, plain join {floor * 1000:.0f} ms",
        f"{ratio:.1f} x; limit {MOST_RATIO:.0f} x",
        ratio <= MOST_RATIO,
    )
    queries, seconds = _asked(root)
    bounded = min(many, issued.MOST)
    yield Said(
        f"  stopping it with {bounded:,} of them, the rest afterwards",
        f"{seconds:.1f} s",
        f"target {MOST_ASKING:.0f}",
        seconds <= MOST_ASKING,
    )
    yield Said(
        f"  queries of that, {FEW:,} descendants beside {bounded:,}",
        f"{few} and {queries}",
        "the same",
        few == queries,
    )


def _grown(word: str, many: int) -> Credential:
    """A key and what comes from it."""
    keys = [ActorName("aws", "access_key", f"AKIA{word.upper()}{n:012d}") for n in range(many + 1)]
    users = {
        n: ActorName(f"aws:{ACCOUNT}", "arn", f"arn:aws:iam::{ACCOUNT}:user/{word}-{n}")
        for n in range(1, many + 1)
    }
    ids = actor_ids({*keys, *users.values()}, now=AT)
    identity = Identity.objects.create(name=f"svc-{word}", kind="workload", created_at=AT)
    Credential.objects.bulk_create(
        [
            Credential(
                actor_id=ids[key],
                identity=identity if n == 0 else None,
                kind="access_key",
                standing=True,
                issued_at=AT,
                issued_to_id=ids[users[n or 1]],
                state_at=AT,
            )
            for n, key in enumerate(keys)
        ],
        batch_size=2_000,
    )
    # Of ten, one is reached by way of the user that was made.
    above = {n: ids[keys[(n - 1) // WIDTH]] for n in range(1, many + 1)}
    Making.objects.bulk_create(
        [
            Making(
                at=AT,
                event_id=ids[users[n]],
                actor_id=ids[users[n]],
                by_credential_id=above[n],
                kind="user",
                thing=users[n].value,
                removed=False,
                deposit_id=1,
            )
            for n in above
            if n % 10 == 0
        ],
        batch_size=2_000,
    )
    Issuance.objects.bulk_create(
        [
            Issuance(
                at=AT,
                event_id=ids[keys[n]],
                credential_id=ids[keys[n]],
                by_credential_id=above[n],
                standing=True,
                deposit_id=1,
            )
            for n in above
            if n % 10
        ],
        batch_size=2_000,
    )
    return Credential.objects.select_related("actor", "identity").get(actor_id=ids[keys[0]])


def _below(root: Credential, most: int) -> list[issued.Below]:
    return issued.below([root.pk], step="revoke", now=AT, most=most)


def _floor() -> None:
    with connection.cursor() as cursor:
        cursor.execute(FLOOR, [AT])
        cursor.fetchall()


def _quickest(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


def _asked(root: Credential) -> tuple[int, float]:
    """Queries and seconds of asking for its stop, tried out."""
    assert root.identity is not None
    ask = revocations.Ask(root.identity, "revoke", "bench", root, takes_made=True)
    began = time.perf_counter()
    with CaptureQueriesContext(connection) as queries:
        revocations.try_out([ask], by=COUNTERSIGN, now=AT)
    return len(queries), time.perf_counter() - began
