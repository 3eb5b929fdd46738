"""What a start became: credentials that were minted with it, and roles that were assumed.

Owns the walk along issuances, which evidence states, up to a moment. The walk that is stopped by a
cascade (identities/actions/batches/tree.py) is of what works now; this one is of what there was,
dead or alive, and of anything one can begin with. Must not know who may see what.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from evidence.models import Actor

from .rows import EXACT, Row, life
from .starting import Start, short

# A chain that is longer is a loop of somebody's making.
DEEPEST = 12
# Issuances that are walked, and credentials that are told of: standing and newest ones first.
MOST_WALKED = 20_000
MOST = 2_000
# Of how many of a page's credentials the uses are counted, and up to how many.
MOST_COUNTED = 1_000

BY_ACTORS = """
SELECT i.credential_id, i.by_credential_id, 1, ARRAY[i.by_credential_id, i.credential_id], i.at,
    i.event_id, i.issued_to_id, i.standing, i.expires_at
FROM evidence_issuance i
WHERE i.by_credential_id = ANY(%(actors)s::bigint[]) AND i.at <= %(at)s
  AND i.credential_id <> i.by_credential_id
"""
BY_EVENTS = """
SELECT i.credential_id, NULL::bigint, 1, ARRAY[i.credential_id], i.at, i.event_id,
    i.issued_to_id, i.standing, i.expires_at
FROM unnest(%(ats)s::timestamptz[], %(ids)s::bigint[]) k(at, id)
JOIN evidence_issuance i ON i.at = k.at AND i.event_id = k.id
"""
# Each once, by the earliest and shortest way. Bounded while walking: the nearest are walked first.
MINTED = """
WITH RECURSIVE minted(actor, above, depth, path, at, event_id, issued_to, standing, expires_at) AS (
    @begin@
    UNION ALL
    SELECT i.credential_id, m.actor, m.depth + 1, m.path || i.credential_id, i.at, i.event_id,
        i.issued_to_id, i.standing, i.expires_at
    FROM minted m JOIN evidence_issuance i ON i.by_credential_id = m.actor
    WHERE i.at <= %(at)s AND i.credential_id <> ALL(m.path) AND m.depth < %(deepest)s
), walked AS MATERIALIZED (SELECT * FROM minted LIMIT %(walked)s
), once AS (SELECT DISTINCT ON (actor) * FROM walked ORDER BY actor, depth, at, event_id
), chosen AS (
    SELECT *, count(*) OVER () AS many FROM once ORDER BY standing DESC, at DESC, actor LIMIT %(most)s
)
SELECT o.actor, o.above, o.at, o.event_id, o.issued_to, o.standing, coalesce(c.expires_at, o.expires_at),
    c.id, c.number, c.identity_id, c.state, a.value, a.kind,
    (SELECT s.state FROM identities_credentialstate s WHERE s.credential_id = c.id
     AND s.superseded_at IS NULL AND s.during @> %(at)s LIMIT 1),
    (SELECT min(r.effective_at) FROM identities_revocation r WHERE r.credential_id = c.id
     AND r.step = 'revoke' AND r.state = 'effective'),
    o.many, (SELECT count(*) FROM walked)
FROM chosen o
JOIN evidence_actor a ON a.id = o.actor
LEFT JOIN identities_credential c ON c.actor_id = o.actor
ORDER BY o.standing DESC, o.at DESC, o.actor
"""
# The first and last use of each, and how often up to a bound: steps along one index.
USES = """
SELECT a.actor,
    (SELECT min(e.at) FROM evidence_event e WHERE e.credential_id = a.actor AND e.at <= %(at)s),
    (SELECT max(e.at) FROM evidence_event e WHERE e.credential_id = a.actor AND e.at <= %(at)s),
    (SELECT count(*) FROM (SELECT FROM evidence_event e WHERE e.credential_id = a.actor
        AND e.at <= %(at)s AND e.plane = 1 LIMIT %(counted)s) u)
FROM unnest(%(actors)s::bigint[]) AS a(actor)
"""


class Issued(NamedTuple):
    """Credentials and roles, and whom the credentials belong to."""

    minted: list[Row]
    assumed: list[Row]
    roles: tuple[int, ...]  # actors
    holders: dict[int, UUID | None]  # by actor: the identity of each credential
    bounded: str


def of(start: Start) -> Issued:
    """Everything minted with what one started with, and with that, up to its moment."""
    facts: dict[str, Any] = {
        "actors": list(start.actors),
        "ats": [one[0] for one in start.events],
        "ids": [one[1] for one in start.events],
        "at": start.at,
        "deepest": DEEPEST,
        "walked": MOST_WALKED,
        "most": MOST,
    }
    begin = BY_EVENTS if start.by_events else BY_ACTORS
    with connection.cursor() as cursor:
        cursor.execute(MINTED.replace("@begin@", begin), facts)
        found = cursor.fetchall()
    minted = [_minted(row, start.at) for row in found]
    roles, assumed = _assumed(found)
    bounded = ""
    if found and (found[0][15] > MOST or found[0][16] >= MOST_WALKED):
        bounded = (
            f"The newest {MOST:,} of {found[0][15]:,}{' or more' if found[0][16] >= MOST_WALKED else ''}"
            " credentials, the standing ones first."
        )
    return Issued(minted, assumed, roles, {row[0]: row[9] for row in found}, bounded)


def _minted(row: tuple[Any, ...], at: datetime) -> Row:
    (actor, above, issued_at, _, _, standing, expires_at, _, number, _, state, value, kind, stretch,
     effective_at, *_) = row  # fmt: skip
    alive, why = life(
        stretch or (state if state is not None and state != "expired" else "active"),
        expires_at=expires_at,
        effective_at=effective_at,
        at=at,
    )
    return Row(
        "minted",
        "credential" if standing else "session",
        key=f"{actor}",
        name=short(value),
        note=f"{'standing' if standing else 'short-lived'} {kind.replace('_', ' ')}",
        life=alive,
        life_note=why,
        first_at=issued_at,
        strength=EXACT,
        ref="" if number is None else f"CRED-{number}",
        actor=actor,
        through=above,
    )


def _assumed(found: Iterable[tuple[Any, ...]]) -> tuple[tuple[int, ...], list[Row]]:
    """The roles that short-lived credentials were issued to, each with how many and when."""
    times: dict[int, list[datetime]] = defaultdict(list)
    for row in found:
        if row[4] is not None and not row[5]:
            times[row[4]].append(row[2])
    to = Actor.objects.select_related("parent").in_bulk(list(times))
    roles: dict[int, tuple[str, list[datetime]]] = {}
    for actor, when in times.items():
        one = to.get(actor)
        if one is not None:
            role = one.parent or one
            roles.setdefault(role.pk, (role.value, []))[1].extend(when)
    return tuple(roles), [
        Row(
            "assumed",
            "role",
            key=f"{pk}",
            name=short(value),
            note="role or account that sessions were issued for",
            first_at=min(when),
            last_at=max(when),
            count=len(when),
            strength=EXACT,
            actor=pk,
        )
        for pk, (value, when) in roles.items()
    ]


def used(rows: Sequence[Row], *, at: datetime) -> list[Row]:
    """The same credentials with their first and last use and how often; those that stay unused in
    evidence keep the time of their issue."""
    actors = [row.actor for row in rows if row.relation == "minted"]
    if not actors:
        return list(rows)
    with connection.cursor() as cursor:
        cursor.execute(USES, {"actors": actors, "at": at, "counted": MOST_COUNTED})
        uses: dict[int, tuple[Any, ...]] = {row[0]: row[1:] for row in cursor.fetchall()}
    made = []
    for row in rows:
        if row.actor is None or row.actor not in uses or row.relation != "minted":
            made.append(row)
            continue
        _, last, count = uses[row.actor]
        made.append(replace(row, last_at=last, count=count, least=count >= MOST_COUNTED))
    return made


def followed(minted: Sequence[Row], *, most: int) -> Collection[int]:
    """Of these the ones whose own calls are read: standing first, then the newest."""
    return [row.actor for row in minted[:most] if row.actor is not None]
