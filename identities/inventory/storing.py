"""From what a list shows to dated rows: one page in a fixed number of statements.

Owns every write to Discovery and DiscoveredRights. The same thing again moves only when it was
read and last used; another state of it ends the version that was true and begins one at the
moment of asking; what a whole list no longer shows ends. Nothing is deleted, and nothing ends
that was not asked for. Must not know any one system.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

import orjson
from django.db import connection

from evidence import homes, names
from evidence.formats.record import ActorName
from identities.actions import credentials
from identities.inventory.contract import Found
from identities.models import InventoryRead

LONGEST_SAID = 2_000


class Kept(NamedTuple):
    """What one page changed: versions that began anew, and of them those of known things."""

    found: int = 0
    new: int = 0
    changed: int = 0


# The two tables change in the same way; their own columns, and those that move in place.
class _Table(NamedTuple):
    name: str
    own: str  # what a version says, with the types of the page's rows
    moving: str


DISCOVERY = _Table(
    "identities_discovery",
    "realm, scope, holder_id, credential, kind, title, status, created_at, expires_at, hints",
    "last_used_at, last_used_of, missing",
)
RIGHTS = _Table("identities_discoveredrights", "possible", "missing")
TYPES = """actor_id bigint, digest text, realm text, scope text, holder_id bigint,
    credential boolean, kind text, title text, status text, created_at timestamptz,
    expires_at timestamptz, hints jsonb, last_used_at timestamptz, last_used_of text,
    missing text, possible jsonb"""

WHERE_IT_STANDS = """t.source_id = %(source)s AND t.part = %(part)s AND t.superseded_at IS NULL
    AND upper_inf(t.during)"""
# Read again and found so: a use that another reading saw later stays.
SAME = """
UPDATE {table} t SET read_id = %(read)s, read_at = greatest(t.read_at, %(now)s), {moved}
FROM jsonb_to_recordset(%(rows)s::jsonb) AS i ({types})
WHERE {here} AND t.actor_id = i.actor_id AND t.digest = i.digest
"""
# The version that was true ends where the reading saw another; a reading that was overtaken by
# a newer one says nothing new.
CHANGED = """
WITH old AS (
    UPDATE {table} t SET superseded_at = %(now)s
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS i ({types})
    WHERE {here} AND t.actor_id = i.actor_id AND t.digest <> i.digest
      AND lower(t.during) < %(now)s
    RETURNING t.*
)
INSERT INTO {table} (source_id, part, actor_id, digest, read_id, read_at, during, recorded_at,
    {own}, {moving})
SELECT source_id, part, actor_id, digest, read_id, read_at, tstzrange(lower(during), %(now)s),
    %(now)s, {own}, {moving} FROM old
RETURNING actor_id
"""
NEW = """
INSERT INTO {table} (source_id, part, actor_id, digest, read_id, read_at, during, recorded_at,
    {own}, {moving})
SELECT %(source)s, %(part)s, i.actor_id, i.digest, %(read)s, %(now)s, tstzrange(%(now)s, NULL),
    %(now)s, {i_own}, {i_moving}
FROM jsonb_to_recordset(%(rows)s::jsonb) AS i ({types})
WHERE NOT EXISTS (SELECT 1 FROM {table} t WHERE {here} AND t.actor_id = i.actor_id)
ON CONFLICT DO NOTHING
RETURNING actor_id
"""
# Another account's rows are no business of this list, nor what could not be asked for.
ENDED = """
WITH old AS (
    UPDATE {table} t SET superseded_at = %(now)s
    WHERE {here} AND {gone} AND lower(t.during) < %(now)s
    RETURNING t.*
)
INSERT INTO {table} (source_id, part, actor_id, digest, read_id, read_at, during, recorded_at,
    {own}, {moving})
SELECT source_id, part, actor_id, digest, read_id, read_at, tstzrange(lower(during), %(now)s),
    %(now)s, {own}, {moving} FROM old
RETURNING actor_id
"""
UNSEEN = """t.realm = %(realm)s AND t.read_id <> %(read)s AND NOT t.scope = ANY(%(unread)s)"""
OF_THE_GONE = "t.actor_id = ANY(%(actors)s)"


def keep(*, read: InventoryRead, part: str, found: Sequence[Found], now: datetime) -> Kept:
    """Store one page of a list as it was at `now`; call it inside a transaction."""
    if not found:
        return Kept()
    names.era()  # no name is forgotten before this transaction ends
    named = homes.actor_ids(read.source, _names(found), now=now)
    rows = {named[one.name]: _row(one, named, read.realm) for one in found}
    facts = {"source": read.source_id, "part": part, "read": read.pk, "now": now}
    changed, new = _versions(DISCOVERY, list(rows.values()), facts)
    rights = {
        named[one.name]: _rights(one, named[one.name]) for one in found if one.rights is not None
    }
    moved, _ = _versions(RIGHTS, list(rights.values()), facts) if rights else (set(), set())
    credentials.listed(
        rows=[
            (named[one.name], one.name.kind, row["holder_id"], one.expires_at)
            for one in found
            if one.credential
            for row in (rows[named[one.name]],)
        ],
        now=now,
    )
    return Kept(len(rows), len(new - changed), len(changed | moved))


def end(*, read: InventoryRead, part: str, unread: Sequence[str], now: datetime) -> int:
    """End what a list that was read to its end does not show any more; how many."""
    facts: dict[str, Any] = {
        "source": read.source_id,
        "part": part,
        "read": read.pk,
        "realm": read.realm,
        "unread": list(unread),
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_said(ENDED, DISCOVERY, gone=UNSEEN), facts)
        gone = [row[0] for row in cursor.fetchall()]
        if gone:
            cursor.execute(_said(ENDED, RIGHTS, gone=OF_THE_GONE), {**facts, "actors": gone})
    return len(gone)


def _names(found: Iterable[Found]) -> set[ActorName]:
    return {name for one in found for name in (one.name, one.holder) if name is not None}


def _versions(
    table: _Table, rows: list[dict[str, Any]], facts: dict[str, Any]
) -> tuple[set[int], set[int]]:
    """(actors whose version changed, actors with a version that began now)."""
    said = {**facts, "rows": orjson.dumps(rows).decode()}
    with connection.cursor() as cursor:
        cursor.execute(_said(SAME, table), said)
        cursor.execute(_said(CHANGED, table), said)
        changed = {row[0] for row in cursor.fetchall()}
        cursor.execute(_said(NEW, table), said)
        return changed, {row[0] for row in cursor.fetchall()}


def _said(statement: str, table: _Table, **more: str) -> str:
    """The statement for one of the two tables; every word in it is ours."""
    moved = [
        "last_used_at = greatest(t.last_used_at, i.last_used_at)"
        if name == "last_used_at"
        else f"{name} = i.{name}"
        for name in table.moving.split(", ")
    ]
    return statement.format(
        table=table.name,
        own=table.own,
        moving=table.moving,
        i_own=", ".join(f"i.{name}" for name in table.own.split(", ")),
        i_moving=", ".join(f"i.{name}" for name in table.moving.split(", ")),
        moved=", ".join(moved),
        types=TYPES,
        here=WHERE_IT_STANDS,
        **more,
    )


def _row(one: Found, named: dict[ActorName, int], realm: str) -> dict[str, Any]:
    meant = {
        "realm": realm,
        "scope": names.plain(one.scope)[:500],
        "holder_id": None if one.holder is None else named[one.holder],
        "credential": one.credential,
        "kind": names.plain(one.kind)[:200],
        "title": names.plain(one.title)[:500],
        "status": one.status,
        "created_at": one.created_at,
        "expires_at": one.expires_at,
        "hints": [
            {
                "kind": hint.kind,
                "value": names.plain(hint.value),
                "seen_in": names.plain(hint.seen_in),
            }
            for hint in one.hints
        ],
    }
    return {
        **meant,
        "actor_id": named[one.name],
        "digest": _digest(meant),
        "last_used_at": one.last_used_at,
        "last_used_of": names.plain(one.last_used_of)[:200],
        "missing": names.plain(one.missing)[:LONGEST_SAID],
    }


def _rights(one: Found, actor: int) -> dict[str, Any]:
    possible = [_storable(right.as_json()) for right in one.rights or ()]
    return {
        "actor_id": actor,
        "possible": possible,
        "digest": _digest(possible),
        "missing": names.plain(one.missing)[:LONGEST_SAID],
    }


def _storable(value: Any) -> Any:
    """JSON of a policy as the database can hold it: somebody else wrote it."""
    if isinstance(value, str):
        return names.plain(value)
    if isinstance(value, dict):
        return {names.plain(str(key)): _storable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(one) for one in value]
    return value


def _digest(meant: Any) -> str:
    # The order in which a system lists its statements means nothing.
    if type(meant) is list:
        meant = sorted(orjson.dumps(one, option=orjson.OPT_SORT_KEYS) for one in meant)
        return sha256(b"\n".join(meant)).hexdigest()
    return sha256(orjson.dumps(meant, option=orjson.OPT_SORT_KEYS)).hexdigest()
