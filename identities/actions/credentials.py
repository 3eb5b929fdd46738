"""Credentials: born from issuance, given to identities, followed through their states.

Owns every write to Credential and CredentialState. Set-based, because the heaviest identity
has ten thousand session credentials. Must not know of findings or cases.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from evidence import ledger, locks, nudge
from evidence.locks import Lock
from evidence.models import Deposit
from identities.acting import COUNTERSIGN
from identities.actions import stretches
from identities.models import Credential

MOST_AT_ONCE = 5_000

# The earliest issuance stands: evidence arrives in any order, and a credential is issued once.
FROM_ISSUANCE = """
INSERT INTO identities_credential (id, number, actor_id, identity_id, kind, standing, issued_at,
    issued_event, issued_by_id, issued_to_id, expires_at, state, state_at)
SELECT gen_random_uuid(), nextval('credential_number'), i.credential_id, NULL,
       CASE WHEN a.kind = 'access_key' AND NOT i.standing THEN 'session' ELSE a.kind END,
       i.standing, i.at, i.event_id, i.by_principal_id, i.issued_to_id,
       CASE WHEN i.expires_at >= i.at THEN i.expires_at END, 'active', i.at
FROM (
    SELECT DISTINCT ON (n.credential_id) n.* FROM evidence_issuance n
    WHERE {among} AND NOT EXISTS (
        SELECT 1 FROM identities_credential c WHERE c.actor_id = n.credential_id
          AND c.issued_at IS NOT NULL AND c.issued_at <= n.at)
    ORDER BY n.credential_id, n.at, n.event_id LIMIT %(most)s
) i JOIN evidence_actor a ON a.id = i.credential_id
ON CONFLICT (actor_id) DO UPDATE SET kind = excluded.kind, standing = excluded.standing,
    issued_at = excluded.issued_at, issued_event = excluded.issued_event,
    issued_by_id = excluded.issued_by_id, issued_to_id = excluded.issued_to_id,
    expires_at = excluded.expires_at
WHERE identities_credential.issued_at IS NULL
   OR excluded.issued_at < identities_credential.issued_at
RETURNING actor_id
"""

# A key that is used but whose issuing nobody saw: since when is not known.
FROM_USE = """
INSERT INTO identities_credential (id, number, actor_id, identity_id, kind, standing, issued_at,
    issued_event, issued_by_id, issued_to_id, expires_at, state, state_at)
SELECT gen_random_uuid(), nextval('credential_number'), a.id, NULL,
       CASE WHEN a.parent_id IS NULL THEN a.kind ELSE 'session' END, a.parent_id IS NULL,
       NULL, NULL, NULL, a.parent_id, NULL, 'active', a.created_at
FROM evidence_actor a
WHERE (a.kind = 'access_key'
       OR EXISTS (SELECT 1 FROM identities_credentialprincipal s WHERE s.credential_actor = a.id))
  AND {among}
  AND NOT EXISTS (SELECT 1 FROM identities_credential c WHERE c.actor_id = a.id)
  AND NOT EXISTS (SELECT 1 FROM evidence_issuance i WHERE i.credential_id = a.id)
  AND EXISTS (SELECT 1 FROM evidence_event e WHERE e.credential_id = a.id)
ORDER BY a.id LIMIT %(most)s
ON CONFLICT (actor_id) DO NOTHING
RETURNING actor_id
"""

# Of one deposit only: what follows evidence looks at what is new, and has read who used what.
ISSUED_HERE = "n.at BETWEEN %(first)s AND %(last)s AND n.deposit_id = %(deposit)s"
USED_HERE = "a.id = ANY(%(used)s)"

# What a system's own list shows (identities/inventory): when it was issued stays open, because an
# issuance that arrives later knows it with its event; the list's own dates stand in the list.
LISTED_AGAIN = """
UPDATE identities_credential c SET expires_at = coalesce(c.expires_at,
        CASE WHEN c.issued_at > w.expires_at THEN NULL ELSE w.expires_at END),
    issued_to_id = coalesce(c.issued_to_id, w.holder)
FROM unnest(%(actors)s::bigint[], %(kinds)s::text[], %(holders)s::bigint[],
            %(ends)s::timestamptz[]) AS w (actor, kind, holder, expires_at)
WHERE c.actor_id = w.actor AND (c.expires_at IS NULL AND w.expires_at IS NOT NULL
        AND (c.issued_at IS NULL OR c.issued_at <= w.expires_at)
    OR c.issued_to_id IS NULL AND w.holder IS NOT NULL)
RETURNING c.actor_id
"""
FROM_LIST = """
INSERT INTO identities_credential (id, number, actor_id, identity_id, kind, standing, issued_at,
    issued_event, issued_by_id, issued_to_id, expires_at, state, state_at)
SELECT gen_random_uuid(), nextval('credential_number'), w.actor, NULL, w.kind, true, NULL, NULL,
       NULL, w.holder, w.expires_at, 'active', %(now)s
FROM unnest(%(actors)s::bigint[], %(kinds)s::text[], %(holders)s::bigint[],
            %(ends)s::timestamptz[]) AS w (actor, kind, holder, expires_at)
WHERE NOT EXISTS (SELECT 1 FROM identities_credential c WHERE c.actor_id = w.actor)
ON CONFLICT (actor_id) DO NOTHING
RETURNING actor_id
"""

# Stated times that contradict each other. None of them is taken for the true one: the words stand
# beside the credential, its issuance and the list keep what they state, and no end before the issue
# becomes its end. Asked again of what a key issued when the key is dated, in whatever order.
CONTRADICTIONS = """
UPDATE identities_credential c SET contradiction = w.words
FROM (
    SELECT c.id, concat_ws('; ',
        CASE WHEN n.expires_at < c.issued_at
             THEN 'it starts on ' || to_char(c.issued_at AT TIME ZONE 'UTC', %(written)s)
               || ', but its issuance states that it ends on '
               || to_char(n.expires_at AT TIME ZONE 'UTC', %(written)s) END,
        CASE WHEN k.issued_at > c.issued_at
             THEN 'it starts on ' || to_char(c.issued_at AT TIME ZONE 'UTC', %(written)s)
               || ', but CRED-' || k.number || ', which issued it, starts on '
               || to_char(k.issued_at AT TIME ZONE 'UTC', %(written)s) END,
        CASE WHEN l.expires_at < c.issued_at
             THEN 'it starts on ' || to_char(c.issued_at AT TIME ZONE 'UTC', %(written)s)
               || ', but the list of its system states that it ends on '
               || to_char(l.expires_at AT TIME ZONE 'UTC', %(written)s) END) AS words
    FROM identities_credential c
    LEFT JOIN evidence_issuance n ON n.at = c.issued_at AND n.event_id = c.issued_event
        AND n.credential_id = c.actor_id
    LEFT JOIN identities_credential k ON k.actor_id = n.by_credential_id
    LEFT JOIN LATERAL (SELECT min(d.expires_at) AS expires_at FROM identities_discovery d
        WHERE d.actor_id = c.actor_id AND d.superseded_at IS NULL AND upper(d.during) IS NULL) l
        ON true
    WHERE c.actor_id IN (SELECT unnest(%(actors)s::bigint[])
        UNION SELECT i.credential_id FROM evidence_issuance i
        WHERE i.by_credential_id = ANY(%(actors)s))
) w WHERE c.id = w.id AND c.contradiction <> w.words
"""

# Both stretches are known at birth: active until its end, expired from then on.
STRETCHES = """
INSERT INTO identities_credentialstate (credential_id, state, during, recorded_at, because)
SELECT c.id, s.state, s.during, %(now)s, 'issued'
FROM identities_credential c
CROSS JOIN LATERAL (VALUES
    ('active', tstzrange(c.issued_at, c.expires_at)),
    ('expired', CASE WHEN c.expires_at IS NULL THEN 'empty'::tstzrange
                     ELSE tstzrange(c.expires_at, NULL) END)
) AS s (state, during)
WHERE c.actor_id = ANY(%(actors)s) AND NOT isempty(s.during)
  AND NOT EXISTS (SELECT 1 FROM identities_credentialstate k
                  WHERE k.credential_id = c.id AND k.superseded_at IS NULL)
"""

# Who records name with a key of a kind that one principal has (identities/keyholders.py). Two of
# them: it cannot be told, and people say whose it is.
SEEN_WITH = """
UPDATE identities_credential c SET seen_with_id = w.principal
FROM (SELECT u.actor, CASE WHEN count(s.principal_actor) = 1 THEN min(s.principal_actor) END
        AS principal FROM unnest(%(actors)s::bigint[]) AS u (actor)
      LEFT JOIN identities_credentialprincipal s ON s.credential_actor = u.actor
      GROUP BY 1) w
WHERE c.actor_id = w.actor AND c.seen_with_id IS DISTINCT FROM w.principal
RETURNING c.actor_id
"""

# Whose it is: the nearest binding upwards (the key itself, its role or user, who it was issued
# to, who it is seen with), true at the time of issue. Several there means a set: then no single
# identity owns it.
ASSIGN = """
WITH wanted AS (
    SELECT c.id, c.actor_id, a.parent_id, c.issued_to_id, t.parent_id AS to_parent,
           c.seen_with_id, coalesce(c.issued_at, %(now)s) AS at
    FROM identities_credential c
    JOIN evidence_actor a ON a.id = c.actor_id
    LEFT JOIN evidence_actor t ON t.id = c.issued_to_id
    WHERE {which}
), near AS (
    SELECT w.id, l.depth, b.identity_id, b.shared
    FROM wanted w
    CROSS JOIN LATERAL (VALUES (1, w.actor_id), (2, w.parent_id), (3, w.issued_to_id),
                               (4, w.to_parent), (5, w.seen_with_id)) AS l (depth, actor_id)
    JOIN identities_binding b ON b.actor_id = l.actor_id AND b.state = 'confirmed'
         AND b.superseded_at IS NULL AND b.during @> w.at
), best AS (
    SELECT n.id, CASE WHEN count(DISTINCT n.identity_id) = 1
                      THEN (array_agg(n.identity_id))[1] END AS identity_id
    FROM near n JOIN (SELECT id, min(depth) AS depth FROM near GROUP BY id) m
      ON m.id = n.id AND m.depth = n.depth
    GROUP BY n.id
)
UPDATE identities_credential c SET identity_id = best.identity_id
FROM wanted LEFT JOIN best ON best.id = wanted.id
WHERE c.id = wanted.id AND c.identity_id IS DISTINCT FROM best.identity_id
"""
OF_ACTORS = """(c.actor_id = ANY(%(actors)s) OR a.parent_id = ANY(%(actors)s)
    OR c.issued_to_id = ANY(%(actors)s) OR t.parent_id = ANY(%(actors)s)
    OR c.seen_with_id = ANY(%(actors)s))"""

ENDED_ALREADY = """
UPDATE identities_credential SET state = 'expired', state_at = expires_at
WHERE actor_id = ANY(%s) AND state = 'active' AND expires_at <= %s
"""


def born(*, now: datetime, deposit: Deposit | None = None, used: Sequence[int] = ()) -> int:
    """Credentials that evidence shows and no row stands for yet; how many were made or dated.

    With a deposit, those that it shows, `used` in it or issued; without, all, which costs a walk
    over both tables.
    """
    facts: dict[str, Any] = {"most": MOST_AT_ONCE, "used": list(used)}
    if deposit is not None:
        facts |= {"first": deposit.first_at, "last": deposit.last_at, "deposit": deposit.pk}
    with transaction.atomic(), connection.cursor() as cursor:
        locks.take(cursor, Lock.CREDENTIAL_BIRTHS)
        actors: list[int] = []
        for statement, here in ((FROM_ISSUANCE, ISSUED_HERE), (FROM_USE, USED_HERE)):
            among = "true" if deposit is None else here
            cursor.execute(statement.format(among=among), facts)
            actors += [row[0] for row in cursor.fetchall()]
        if not actors:
            return 0
        _mark_contradictions(cursor, actors)
        _redate(actors, now=now)
        cursor.execute(STRETCHES, {"actors": actors, "now": now})
        cursor.execute(SEEN_WITH, {"actors": actors})
        cursor.execute(ASSIGN.format(which=OF_ACTORS), {"actors": actors, "now": now})
        cursor.execute(ENDED_ALREADY, [actors, now])
        nudge.after_commit("identities.changed")
    return len(actors)


def listed(*, rows: Sequence[tuple[int, str, int | None, datetime | None]], now: datetime) -> int:
    """Standing credentials that a system lists, as (actor, kind, holder, end); how many were new
    or learnt something. Call it inside a transaction."""
    if not rows:
        return 0
    actors, kinds, holders, ends = (list(column) for column in zip(*rows, strict=True))
    facts: dict[str, Any] = {
        "actors": actors,
        "kinds": kinds,
        "holders": holders,
        "ends": ends,
        "now": now,
    }
    with connection.cursor() as cursor:
        locks.take(cursor, Lock.CREDENTIAL_BIRTHS)
        met = []
        for statement in (LISTED_AGAIN, FROM_LIST):
            cursor.execute(statement, facts)
            met += [row[0] for row in cursor.fetchall()]
        _mark_contradictions(cursor, actors)
        if met:
            cursor.execute(STRETCHES, {"actors": met, "now": now})
            cursor.execute(SEEN_WITH, {"actors": met})
            cursor.execute(ASSIGN.format(which=OF_ACTORS), {"actors": met, "now": now})
            cursor.execute(ENDED_ALREADY, [met, now])
            nudge.after_commit("identities.changed")
    return len(met)


def _mark_contradictions(cursor: Any, actors: Sequence[int]) -> None:
    """Say of these credentials, and of what they issued, how their stated times contradict."""
    facts = {"actors": list(actors), "written": 'YYYY-MM-DD HH24:MI:SS "UTC"'}
    cursor.execute(CONTRADICTIONS, facts)


def _redate(actors: list[int], *, now: datetime) -> None:
    """An issuance that arrives after the use moves the beginning and states the end."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT k.id, c.id, c.issued_at, c.expires_at, k.during"
            " FROM identities_credentialstate k"
            " JOIN identities_credential c ON c.id = k.credential_id"
            " WHERE c.actor_id = ANY(%s) AND k.superseded_at IS NULL AND c.issued_at IS NOT NULL"
            " AND k.state = 'active' AND (lower(k.during) IS NULL OR c.issued_at < lower(k.during))"
            " AND NOT EXISTS (SELECT 1 FROM identities_credentialstate o WHERE"
            "  o.credential_id = c.id AND o.superseded_at IS NULL AND o.during << k.during)",
            [actors],
        )
        for number, credential, issued_at, expires_at, during in cursor.fetchall():
            stretches = [("active", issued_at, during.upper)]
            if expires_at is not None and (during.upper is None or expires_at < during.upper):
                stretches = [
                    ("active", issued_at, expires_at),
                    ("expired", expires_at, during.upper),
                ]
            cursor.execute(
                "UPDATE identities_credentialstate SET superseded_at = %s WHERE id = %s",
                [now, number],
            )
            for state, lower, upper in stretches:
                if upper is None or lower < upper:
                    cursor.execute(
                        "INSERT INTO identities_credentialstate (credential_id, state, during,"
                        " recorded_at, because) VALUES (%s, %s, tstzrange(%s, %s), %s, 'issued')",
                        [credential, state, lower, upper, now],
                    )


def stand(cursor: Any, actors: Sequence[int], *, now: datetime) -> None:
    """The stretches of new rows, and whose they are."""
    cursor.execute(STRETCHES, {"actors": list(actors), "now": now})
    cursor.execute(SEEN_WITH, {"actors": list(actors)})
    cursor.execute(ASSIGN.format(which=OF_ACTORS), {"actors": list(actors), "now": now})


def known(*, actor: int, now: datetime) -> Credential:
    """The credential of a standing key that a log names, made when nothing else showed it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO identities_credential (id, number, actor_id, kind, standing, issued_to_id,"
            " state, state_at) SELECT gen_random_uuid(), nextval('credential_number'), a.id,"
            " a.kind, a.parent_id IS NULL, a.parent_id, 'active', %s FROM evidence_actor a"
            " WHERE a.id = %s ON CONFLICT (actor_id) DO NOTHING RETURNING actor_id",
            [now, actor],
        )
        if cursor.fetchone():
            stand(cursor, [actor], now=now)
    return Credential.objects.get(actor_id=actor)


def hand_out(actors: Sequence[int], *, now: datetime) -> int:
    """Give these credentials to whom records name with them, where that says whose they are, and
    take them back where it says so no longer; of how many that changed."""
    if not actors:
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        # Two deposits that show two principals are noted before either is looked at here.
        locks.take(cursor, Lock.CREDENTIAL_BIRTHS)
        cursor.execute(SEEN_WITH, {"actors": list(actors)})
        changed = [row[0] for row in cursor.fetchall()]
        if changed:
            cursor.execute(ASSIGN.format(which=OF_ACTORS), {"actors": changed, "now": now})
            nudge.after_commit("identities.changed")
    return len(changed)


def assign(*, actors: Iterable[int], now: datetime) -> int:
    """Give the credentials of these actors to who the bindings say; how many changed."""
    wanted = sorted(set(actors))
    if not wanted:
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(ASSIGN.format(which=OF_ACTORS), {"actors": wanted, "now": now})
        return int(cursor.rowcount)


def mark(*, credential: Credential, state: str, at: datetime, now: datetime, because: str) -> bool:
    """Record a change of state that was done or seen; False when it was known.

    The row's own `state` is what is true now; a change in the past moves it only when nothing
    later is known. A revoked credential stays revoked.
    """
    with transaction.atomic():
        row = Credential.objects.select_for_update(of=("self",)).get(pk=credential.pk)
        if not stretches.of_credential(row, state=state, at=at, now=now, because=because):
            return False
        is_now = stretches.credential_state_at(row, now) or row.state
        if row.state != is_now and row.state != "revoked":
            row.state, row.state_at = is_now, at
            row.save(update_fields=["state", "state_at"])
        credential.state, credential.state_at = row.state, row.state_at
    return True


def lock(pks: Iterable[UUID]) -> None:
    """Hold these until the transaction ends, in the order of their ids: nobody waits in a circle."""
    rows = Credential.objects.select_for_update(of=("self",)).filter(pk__in=list(pks))
    list(rows.order_by("pk").values_list("pk"))


def mark_all(because: Mapping[UUID, str], *, state: str, now: datetime) -> None:
    """The same of many locked credentials from now on, each with its own words."""
    news = stretches.of_credentials(because, state=state, at=now, now=now)
    rows = Credential.objects.filter(pk__in=news).exclude(state__in=["revoked", state])
    rows.update(state=state, state_at=now)


def expire_next(*, now: datetime, grace: timedelta = timedelta()) -> int:
    """Turn what has ended to `expired`, a batch at a time; how many.

    Everybody who decides reads `expires_at` itself; this only keeps lists and counts right.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE identities_credential SET state = 'expired', state_at = expires_at"
            " WHERE id IN (SELECT id FROM identities_credential WHERE expires_at <= %s"
            "  AND state IN ('active', 'held') ORDER BY expires_at LIMIT %s"
            "  FOR UPDATE SKIP LOCKED) RETURNING number, standing, expires_at",
            [now - grace, MOST_AT_ONCE],
        )
        # What was updated comes back in any order; the ledger has it as it ended.
        done = sorted(cursor.fetchall(), key=lambda row: (row[2], row[0]))
        for number, standing, expired_at in done:
            # Sessions end by the thousand and say so themselves; a standing key's end is news.
            if standing:
                ledger.append(
                    at=expired_at,
                    recorded_at=now,
                    by=COUNTERSIGN.ref,
                    by_name=COUNTERSIGN.name,
                    act="credential.expired",
                    subject=f"CRED-{number}",
                    words=f"CRED-{number} has expired",
                )
        return len(done)
