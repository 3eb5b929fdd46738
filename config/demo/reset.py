"""Throws the demo's database away and makes it again, empty: evidence is append-only."""

import psycopg
from django.conf import settings
from django.db import connection
from psycopg import sql


def database() -> None:
    """Drop and create the embedded database, as its owner."""
    entry = settings.DATABASE_ROLES["owner"]
    name = sql.Identifier(entry["NAME"])
    connection.close()
    with psycopg.connect(
        user=entry["USER"],
        password=entry["PASSWORD"],
        host=entry["HOST"],
        port=entry["PORT"],
        dbname="postgres",
        autocommit=True,
    ) as owner:
        owner.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        owner.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(name))
