"""A database of the benchmarks' own, beside the others on the same server, with the app's rights."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from psycopg import sql

from evidence.names import memory
from tests.conftest import drop, owner_connection, use_role

NAME = f"bench_countersign_{os.getpid()}"
# The same with nothing in it, kept to begin again from.
EMPTY = f"{NAME}_empty"
# The same as it was at one moment, kept to begin again from.
KEPT = f"{NAME}_kept"


@contextmanager
def fresh() -> Iterator[None]:
    """Made and migrated as owner, used as app, dropped at the end."""
    home = settings.DATABASE_ROLES["owner"]["NAME"]
    with owner_connection(home) as owner:
        _dropped(owner)
    try:
        _made(home, NAME)
        yield
    finally:
        use_role("app", home)
        connection.close()
        # Opened anew: a cold measurement restarts the server in between.
        with owner_connection(home) as owner:
            _dropped(owner)


def _dropped(owner: psycopg.Connection[tuple[Any, ...]]) -> None:
    for name in (NAME, EMPTY, KEPT):
        drop(owner, name)


def _made(home: str, name: str) -> None:
    with owner_connection(home) as owner:
        _copied(owner, name, "template0")
    use_role("owner", name)
    call_command("migrate", verbosity=0, interactive=False)
    use_role("app", name)
    memory.forget()


def _copied(owner: psycopg.Connection[tuple[Any, ...]], name: str, of: str) -> None:
    owner.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(of))
    )


def as_owner(statement: str) -> None:
    """Run one statement with the owner's rights: seeding and VACUUM."""
    with owner_connection(NAME) as owner:
        owner.execute(statement)


def anew() -> None:
    """Begin again with empty tables, as COPY's own are."""
    home = settings.DATABASE_ROLES["owner"]["NAME"]
    connection.close()
    with owner_connection(home) as owner:
        known = "SELECT FROM pg_database WHERE datname = %s"
        if not owner.execute(known, [EMPTY]).rowcount:
            _made(home, EMPTY)
        use_role("app", NAME)
        drop(owner, NAME)
        _copied(owner, NAME, EMPTY)
    memory.forget()


def turns(many: int) -> Iterator[int]:
    """So often the tables as they are now; what the last turn makes of them stays."""
    home = settings.DATABASE_ROLES["owner"]["NAME"]
    for turn in range(many):
        connection.close()
        with owner_connection(home) as owner:
            if turn:
                drop(owner, NAME)
                _copied(owner, NAME, KEPT)
            else:
                _copied(owner, KEPT, NAME)
        memory.forget()
        yield turn
    with owner_connection(home) as owner:
        drop(owner, KEPT)


def size_of(*tables: str) -> int:
    """Bytes on disk of tables with all partitions and indexes."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_total_relation_size(t.relid)) FROM unnest(%s::regclass[]) p"
            " CROSS JOIN LATERAL pg_partition_tree(p) t",
            [list(tables)],
        )
        return int(cursor.fetchone()[0] or 0)


def address() -> str:
    """Where this process's database is, as an address for another process."""
    said = connection.settings_dict
    place = urlencode({"host": said["HOST"], **({"port": said["PORT"]} if said["PORT"] else {})})
    user, password, name = (quote(str(said[one]), safe="") for one in ("USER", "PASSWORD", "NAME"))
    return f"postgresql://{user}:{password}@/{name}?{place}"
