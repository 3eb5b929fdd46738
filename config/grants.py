"""What the app may do with each table. Run by the owner after each migration (decisions 17).

The app inserts and reads evidence and the ledger, and cannot change or remove them; it owns
nothing, so it cannot alter, truncate or drop anything. Partitions get no rights of their own:
they are reached through their table.
"""

from django.db.backends.base.base import BaseDatabaseWrapper

from config.embedded.places import APP_LOGIN, APP_ROLE
from config.environment import SettingsError

APPEND_ONLY = frozenset(
    {
        "evidence_anchor",
        "evidence_event",
        "evidence_deposit",
        "evidence_depositbody",
        "evidence_link",
        "evidence_issuance",
        "evidence_reject",
        "evidence_sighting",
        "evidence_capsule",
        "evidence_ledgerentry",
        "evidence_ledgerseal",
        "evidence_depositseal",
        "evidence_mappingversion",
        "evidence_pastreading",
        "evidence_reading",
        "evidence_sealkey",
        "evidence_transfer",
        "identities_ownerchange",
        "identities_vendorattestation",
        "reviews_comment",
    }
)
READ_ONLY = frozenset(
    {
        "django_migrations",
        "evidence_shownlink",
        # Written by functions of the owner, which look for themselves whether they may.
        "evidence_capsuletombstone",
        "evidence_dropped",
        "evidence_holder",
        "evidence_ledgertombstone",
        "evidence_retentionsaid",
        "evidence_tombstone",
    }
)
# Functions of the owner that the app may call; all of them are SECURITY DEFINER and named so.
FUNCTIONS = "countersign\\_%"


def rights(table: str) -> str:
    """The privileges of the app's role on this table."""
    if table in READ_ONLY:
        return "SELECT"
    if table in APPEND_ONLY:
        return "SELECT, INSERT"
    return "SELECT, INSERT, UPDATE, DELETE"


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
        cursor.execute(
            "SELECT c.relname, c.relispartition, c.relkind = 'S' FROM pg_class c "
            "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S')"
            " AND pg_has_role(current_user, c.relowner, 'USAGE') ORDER BY 1"
        )
        found = cursor.fetchall()
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
        tables = [name for name, partition, sequence in found if not partition and not sequence]
        partitions = [name for name, partition, _ in found if partition]
        sequences = [name for name, _, sequence in found if sequence]
        statements = []
        if tables or partitions:
            names = ", ".join(quote(name) for name in (*tables, *partitions))
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


def app_login(default: str = APP_LOGIN) -> str:
    """The login the app uses, by the settings."""
    from django.conf import settings

    return str(settings.DATABASE_ROLES["app"]["USER"] or default)
