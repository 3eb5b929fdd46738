"""Gives the app's role its rights on each table, and checks them (decisions 17).

config/table_rights.py names every table with what the app may do there; a table that is not named
can only be read. The app owns nothing, so it cannot alter, truncate or drop anything. Partitions
get no rights of their own: they are reached through their table.
"""

from collections.abc import Sequence

from django.db.backends.base.base import BaseDatabaseWrapper

from config.embedded.places import APP_LOGIN, APP_ROLE
from config.environment import SettingsError
from config.table_rights import READ, RIGHTS

# Functions of the owner that the app may call; all of them are SECURITY DEFINER and named so.
FUNCTIONS = "countersign\\_%"
# Tables, partitioned tables, views, materialized views and foreign tables, without extensions'.
RELATIONS = """
SELECT c.relname, c.relispartition,
       pg_has_role(current_user, c.relowner, 'USAGE') FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                  AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1
"""
# What the app's role may do with each of them, by whatever way it got there.
PRIVILEGES = """
SELECT c.relname, array_agg(p.name) FILTER (
    WHERE has_table_privilege(%(role)s, c.oid, p.name)
       OR p.of_columns AND has_any_column_privilege(%(role)s, c.oid, p.name))
FROM pg_class c CROSS JOIN (VALUES ('SELECT', true), ('INSERT', true), ('UPDATE', true),
    ('DELETE', false), ('TRUNCATE', false), ('REFERENCES', true), ('TRIGGER', false))
    AS p (name, of_columns)
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY(%(names)s) GROUP BY 1
"""


def rights(table: str) -> str:
    """The privileges of the app's role on this table or view; SELECT where it is not named."""
    return RIGHTS.get(table, READ)


def ensure_role(connection: BaseDatabaseWrapper, *, login: str) -> None:
    """The role countersign_app exists and this login is in it; else say what the DBA has to run.

    The owner's session needs to be a member as well, so that it may act for the app in checks.
    """
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:

        def true(question: str, *values: str) -> bool:
            cursor.execute(f"SELECT {question}", values)
            row = cursor.fetchone()
            return bool(row and row[0])

        # From 16 on, whoever creates a role administers it, and may not yet act for it.
        new = cursor.connection.info.server_version >= 160000
        makes = true("rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user")
        if not true("EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", APP_ROLE):
            if not makes:
                raise SettingsError(f"The role {APP_ROLE} is missing. {_words(quote(login))}")
            cursor.execute(f"CREATE ROLE {quote(APP_ROLE)} NOLOGIN")
        if true("pg_has_role(%s, %s, %s)", login, APP_ROLE, "SET" if new else "MEMBER"):
            return
        administers = true("pg_has_role(%s, 'MEMBER WITH ADMIN OPTION')", APP_ROLE)
        if not administers and (new or not makes):
            raise SettingsError(f"{login} is not a member of {APP_ROLE}. {_words(quote(login))}")
        cursor.execute(f"GRANT {quote(APP_ROLE)} TO {quote(login)}")


def _words(login: str) -> str:
    return (
        "Let an administrator of the database run: "
        f"CREATE ROLE {APP_ROLE} NOLOGIN; GRANT {APP_ROLE} TO {login};"
    )


def apply(connection: BaseDatabaseWrapper) -> None:
    """Bring the app's rights to what this module says, in one transaction; may be repeated."""
    from django.db import transaction

    quote = connection.ops.quote_name
    role = quote(APP_ROLE)
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(RELATIONS)
        found = [(name, partition) for name, partition, own in cursor.fetchall() if own]
        cursor.execute(
            "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace"
            " AND c.relkind = 'S' AND pg_has_role(current_user, c.relowner, 'USAGE') ORDER BY 1"
        )
        sequences = [name for (name,) in cursor.fetchall()]
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
        tables = [name for name, partition in found if not partition]
        statements = []
        if found:
            names = ", ".join(quote(name) for name, _ in found)
            statements.append(f"REVOKE ALL ON {names} FROM {role}")
        by_right: dict[str, list[str]] = {}
        for name in tables:
            by_right.setdefault(rights(name), []).append(quote(name))
        statements += [
            f"GRANT {right} ON {', '.join(names)} TO {role}" for right, names in by_right.items()
        ]
        if sequences:
            names = ", ".join(quote(name) for name in sequences)
            statements.append(f"GRANT USAGE, SELECT ON SEQUENCE {names} TO {role}")
        cursor.execute(
            "SELECT p.oid::regprocedure::text FROM pg_proc p "
            "WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef AND p.proname LIKE %s",
            [FUNCTIONS],
        )
        statements += [
            f"GRANT EXECUTE ON FUNCTION {signature} TO {role}" for (signature,) in cursor.fetchall()
        ]
        for statement in statements:
            cursor.execute(statement)


def unnamed(connection: BaseDatabaseWrapper) -> list[str]:
    """The tables and views of the database that config/table_rights.py does not name."""
    with connection.cursor() as cursor:
        cursor.execute(RELATIONS)
        return [
            name for name, partition, _ in cursor.fetchall() if not (partition or name in RIGHTS)
        ]


def why_unnamed(tables: Sequence[str]) -> str:
    """What is wrong with these tables, and what to do."""
    return (
        f"{', '.join(tables)}: not named in config/table_rights.py, so the app can only read there."
        " Name each table there with the least that the app needs and run `manage.py migrate`;"
        " move a table that is not Countersign's to another schema."
    )


def deviations(connection: BaseDatabaseWrapper) -> list[str]:
    """Each table, view or partition with other rights than it should have, and which."""
    with connection.cursor() as cursor:
        cursor.execute(RELATIONS)
        wanted = {
            name: set() if partition else set(rights(name).split(", "))
            for name, partition, _ in cursor.fetchall()
        }
        cursor.execute(PRIVILEGES, {"role": APP_ROLE, "names": list(wanted)})
        real = {name: set(privileges or ()) for name, privileges in cursor.fetchall()}
    return [
        f"{name} ({words})"
        for name, privileges in wanted.items()
        if (words := _difference(privileges, real[name]))
    ]


def _difference(wanted: set[str], real: set[str]) -> str:
    parts = (("also", real - wanted), ("no", wanted - real))
    return ", ".join(f"{word} {' '.join(sorted(names))}" for word, names in parts if names)


def app_login(default: str = APP_LOGIN) -> str:
    """The login the app uses, by the settings."""
    from django.conf import settings

    return str(settings.DATABASE_ROLES["app"]["USER"] or default)
