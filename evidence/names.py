"""From names to ids: actors and terms, with a bounded memory of what was seen before.

Owns the dictionary tables. Names are made in a transaction of their own before the events that
use them, so an id in the memory is always committed. Knows nothing of formats or deposits.
"""

from collections.abc import Iterable
from datetime import datetime
from threading import Lock
from uuid import UUID

from django.db import connection, transaction

from evidence.formats.record import ActorName
from evidence.keys import key_of

# Enough for a busy day of sessions; past that the memory starts again, which costs a query.
MOST_REMEMBERED = 200_000

type TermName = tuple[int, str]


class Memory:
    """Ids seen before, by name. Bound to one database: tests and forks start a new one."""

    def __init__(self) -> None:
        self.actors: dict[ActorName, int] = {}
        self.terms: dict[TermName, int] = {}
        self.lock = Lock()

    def forget(self) -> None:
        with self.lock:
            self.actors.clear()
            self.terms.clear()


memory = Memory()


def actor_ids(names: Iterable[ActorName], *, now: datetime) -> dict[ActorName, int]:
    """The ids of these actors, making those that are new; parents come first."""
    known = memory.actors
    wanted = set(names)
    new = {name for name in wanted if name not in known}
    if new:
        parents = {name.parent for name in new if name.parent is not None}
        above = actor_ids(parents, now=now) if parents else {}
        made = _make_actors(new, above, now)
        with memory.lock:
            if len(known) > MOST_REMEMBERED:
                known.clear()
            known.update(made)
        found = {name: known.get(name) for name in wanted}
        return {name: made[name] if value is None else value for name, value in found.items()}
    return {name: known[name] for name in wanted}


def _make_actors(
    new: set[ActorName], above: dict[ActorName, int], now: datetime
) -> dict[ActorName, int]:
    keys = {name: key_of(name.realm, name.kind, name.value) for name in new}
    # The same name with and without a parent is one actor; the parent, once known, is set.
    rows: dict[UUID, tuple[ActorName, int | None]] = {}
    for name, key in keys.items():
        parent = above[name.parent] if name.parent is not None else None
        if key not in rows or rows[key][1] is None:
            rows[key] = (name, parent)
    # In the order of their keys: two senders of the same new names never wait in a circle.
    order = sorted(rows)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO evidence_actor (key, realm, kind, value, parent_id, created_at)"
            " SELECT *, %s FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[],"
            " %s::bigint[]) ON CONFLICT (key) DO UPDATE SET parent_id = excluded.parent_id"
            " WHERE evidence_actor.parent_id IS NULL AND excluded.parent_id IS NOT NULL"
            " AND excluded.parent_id <> evidence_actor.id",
            [
                now,
                order,
                [rows[key][0].realm for key in order],
                [rows[key][0].kind for key in order],
                [rows[key][0].value for key in order],
                [rows[key][1] for key in order],
            ],
        )
        cursor.execute("SELECT key, id FROM evidence_actor WHERE key = ANY(%s)", [order])
        ids = dict(cursor.fetchall())
    return {name: ids[key] for name, key in keys.items()}


def term_ids(names: Iterable[TermName]) -> dict[TermName, int]:
    """The ids of these (kind, text) pairs, making those that are new."""
    known = memory.terms
    wanted = set(names)
    new = [name for name in wanted if name not in known]
    if not new:
        return {name: known[name] for name in wanted}
    keys = {key_of(str(kind), value): (kind, value) for kind, value in new}
    order = sorted(keys)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO evidence_term (key, kind, value)"
            " SELECT * FROM unnest(%s::uuid[], %s::smallint[], %s::text[])"
            " ON CONFLICT (key) DO NOTHING",
            [order, [keys[key][0] for key in order], [keys[key][1] for key in order]],
        )
        cursor.execute("SELECT key, id FROM evidence_term WHERE key = ANY(%s)", [order])
        made = {keys[key]: number for key, number in cursor.fetchall()}
    before = {name: known[name] for name in wanted if name in known}
    with memory.lock:
        if len(known) > MOST_REMEMBERED:
            known.clear()
        known.update(made)
    return before | made
