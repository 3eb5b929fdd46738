"""From names to ids: actors and terms, with a bounded memory of what was seen before.

Owns the dictionary tables. Names are made in a transaction of their own before the events that
use them, so an id in the memory is always committed. An erasure may forget names that nothing uses
any more (evidence/emptying.py): the memory starts again then, and who stores events makes sure that
none was forgotten in between (`hold`). Knows nothing of formats or deposits.
"""

from collections.abc import Iterable
from datetime import datetime
from threading import Lock

from django.db import connection, transaction

from evidence.formats.record import ActorName
from evidence.keys import hex_key_of

# Enough for a busy day of sessions; past that the memory starts again, which costs a query.
MOST_REMEMBERED = 200_000

type TermName = tuple[int, str]


def plain(text: str) -> str:
    r"""Text that PostgreSQL can hold: NUL is written ``\u0000``, a lone surrogate ``\ud83d``."""
    if "\0" in text:
        text = text.replace("\0", r"\u0000")
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


class Forgotten(Exception):
    """Names were erased since these ids were asked for: ask again."""


class Memory:
    """Ids seen before, by name. Bound to one database: tests and forks start a new one.

    `era` is how often names had been forgotten when it last started again.
    """

    def __init__(self) -> None:
        self.actors: dict[ActorName, int] = {}
        self.terms: dict[TermName, int] = {}
        self.era = -1
        self.lock = Lock()

    def forget(self, era: int = -1) -> None:
        with self.lock:
            self.actors, self.terms, self.era = {}, {}, era


memory = Memory()


def era() -> int:
    """How often names were forgotten; inside a transaction it stays so until its end."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT evidence_names_now()")
        found = int(cursor.fetchone()[0])
    if found != memory.era:
        memory.forget(found)
    return found


def hold(since: int) -> None:
    """Nothing is forgotten until this transaction ends. Raises Forgotten when something was since
    that era, so that ids asked for then may be nobody's."""
    if era() != since:
        raise Forgotten


def actor_ids(names: Iterable[ActorName], *, now: datetime) -> dict[ActorName, int]:
    """The ids of these actors, making those that are new; parents come first."""
    known = memory.actors
    wanted = set(names)
    # One look-up each: another thread may let the memory start again in between.
    found = {name: known.get(name) for name in wanted}
    before = {name: number for name, number in found.items() if number is not None}
    new = wanted - before.keys()
    if not new:
        return before
    parents = {name.parent for name in new if name.parent is not None}
    above = actor_ids(parents, now=now) if parents else {}
    with transaction.atomic():
        made = _make_actors(new, above, now)
        # Only what is committed is remembered, also when this runs inside a larger transaction.
        transaction.on_commit(lambda: _remember(known, made))
    return before | made


def _remember[Name](known: dict[Name, int], made: dict[Name, int]) -> None:
    with memory.lock:
        if len(known) > MOST_REMEMBERED:
            known.clear()
        known.update(made)


def _make_actors(
    new: set[ActorName], above: dict[ActorName, int], now: datetime
) -> dict[ActorName, int]:
    keys = {name: hex_key_of(name.realm, name.kind, name.value) for name in new}
    # The same name with and without a parent is one actor; the parent, once known, is set.
    rows: dict[str, tuple[ActorName, int | None]] = {}
    for name, key in keys.items():
        parent = above[name.parent] if name.parent is not None else None
        before = rows.get(key)
        if before is None or (parent or 0) > (before[1] or 0):
            rows[key] = (name, parent)
    # In the order of their keys: two senders of the same new names never wait in a circle.
    order = sorted(rows)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO evidence_actor (key, realm, kind, value, parent_id, created_at)"
            " SELECT *, %s FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[],"
            " %s::bigint[]) ON CONFLICT (key) DO UPDATE SET parent_id = excluded.parent_id"
            " WHERE evidence_actor.parent_id IS NULL AND excluded.parent_id IS NOT NULL"
            " AND excluded.parent_id <> evidence_actor.id"
            " RETURNING encode(uuid_send(key), 'hex'), id",
            [
                now,
                _array(order),
                _array(plain(rows[key][0].realm) for key in order),
                _array(rows[key][0].kind for key in order),
                _array(plain(rows[key][0].value) for key in order),
                "{" + ",".join(str(rows[key][1] or "NULL") for key in order) + "}",
            ],
        )
        ids = dict(cursor.fetchall())
        others = [key for key in order if key not in ids]
        if others:
            # Somebody else made these, maybe a moment ago.
            cursor.execute(
                "SELECT encode(uuid_send(key), 'hex'), id FROM evidence_actor"
                " WHERE key = ANY(%s::uuid[])",
                [_array(others)],
            )
            ids |= dict(cursor.fetchall())
    return {name: ids[key] for name, key in keys.items()}


def term_ids(names: Iterable[TermName]) -> dict[TermName, int]:
    """The ids of these (kind, text) pairs, making those that are new."""
    known = memory.terms
    wanted = set(names)
    found = {name: known.get(name) for name in wanted}
    before = {name: number for name, number in found.items() if number is not None}
    new = wanted - before.keys()
    if not new:
        return before
    keys = {hex_key_of(str(kind), value): (kind, value) for kind, value in new}
    order = sorted(keys)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO evidence_term (key, kind, value)"
            " SELECT * FROM unnest(%s::uuid[], %s::smallint[], %s::text[])"
            " ON CONFLICT (key) DO NOTHING RETURNING encode(uuid_send(key), 'hex'), id",
            [
                _array(order),
                _array(str(keys[key][0]) for key in order),
                _array(plain(keys[key][1]) for key in order),
            ],
        )
        made = {keys.pop(key): number for key, number in cursor.fetchall()}
        if keys:
            # Somebody else made these, maybe a moment ago.
            cursor.execute(
                "SELECT encode(uuid_send(key), 'hex'), id FROM evidence_term"
                " WHERE key = ANY(%s::uuid[])",
                [_array(keys)],
            )
            made |= {keys[key]: number for key, number in cursor.fetchall()}
        transaction.on_commit(lambda: _remember(known, made))
    return before | made


def _array(texts: Iterable[str]) -> str:
    """The text of a PostgreSQL array: the driver takes ten times as long over a list."""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return '{"' + '","'.join(quoted) + '"}'
