"""The app's rights in the database: what it may, and what it must never be able to do."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import Error, connection, transaction

from config import grants
from config.management.commands import doctor
from config.table_rights import ADD, READ, RIGHTS
from tests.conftest import use_role

type AsOwner = Callable[..., list[tuple[Any, ...]]]

# Whatever config/table_rights.py says: the app never changes nor removes rows of these.
IMMUTABLE = (
    "evidence_anchor",
    "evidence_capsule",
    "evidence_capsuletombstone",
    "evidence_deposit",
    "evidence_depositbody",
    "evidence_depositseal",
    "evidence_dropped",
    "evidence_event",
    "evidence_issuance",
    "evidence_ledgerentry",
    "evidence_ledgerseal",
    "evidence_ledgertombstone",
    "evidence_link",
    "evidence_looked",
    "evidence_mappingversion",
    "evidence_pastreading",
    "evidence_reading",
    "evidence_reject",
    "evidence_retentionsaid",
    "evidence_sealkey",
    "evidence_sighting",
    "evidence_tombstone",
    "evidence_transfer",
    "identities_ownerchange",
    "identities_vendorattestation",
    "reviews_comment",
)
# All that is granted, table by table and column by column, to the app and to everybody.
GRANTED = """
SELECT c.relname, a.privilege_type FROM pg_class c, aclexplode(c.relacl) a
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind <> 'S'
  AND a.grantee IN ('countersign_app'::regrole, 0)
UNION ALL
SELECT c.relname, x.privilege_type || ' ' || t.attname
FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(t.attacl) x
WHERE c.relnamespace = 'public'::regnamespace AND x.grantee IN ('countersign_app'::regrole, 0)
"""
TABLES = """
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
"""


def refused(statement: str) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    except Error:
        return True
    return False


def granted() -> dict[str, set[str]]:
    found = defaultdict(set)
    with connection.cursor() as cursor:
        cursor.execute(GRANTED)
        for name, privilege in cursor.fetchall():
            found[name].add(privilege)
    return found


@pytest.fixture
def owner() -> Iterator[Callable[[], None]]:
    """Runs `manage.py migrate` as the owner; the rights are those of the product again afterwards."""
    name = connection.settings_dict["NAME"]

    def migrate() -> None:
        use_role("owner", name)
        try:
            call_command("migrate", verbosity=0, interactive=False, stdout=StringIO())
        finally:
            use_role("app", name)

    yield migrate
    use_role("owner", name)
    grants.apply(connection)
    use_role("app", name)


@pytest.mark.django_db
def test_session_runs_as_the_role_of_the_app() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("countersign_app",)


@pytest.mark.django_db
def test_every_table_is_named_and_every_name_is_a_table() -> None:
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        assert sorted(RIGHTS) == sorted(name for (name,) in cursor.fetchall())


@pytest.mark.django_db
def test_rights_in_the_database_are_those_of_the_table() -> None:
    assert granted() == {name: set(rights.split(", ")) for name, rights in RIGHTS.items()}
    assert grants.deviations(connection) == []


def test_evidence_is_at_most_added() -> None:
    assert {RIGHTS[table] for table in IMMUTABLE} == {READ, ADD}


@pytest.mark.django_db
@pytest.mark.parametrize("table", IMMUTABLE)
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM {}",
        "TRUNCATE {}",
        "DROP TABLE {}",
        "ALTER TABLE {} DISABLE TRIGGER USER",
        "ALTER TABLE {} OWNER TO countersign_app",
    ],
)
def test_evidence_refuses(table: str, statement: str) -> None:
    assert refused(statement.format(table))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE public.own (id int)",
        "CREATE ROLE more LOGIN",
        "SET session_replication_role = replica",
        "UPDATE django_migrations SET name = 'x'",
        "INSERT INTO auth_permission (name, content_type_id, codename) VALUES ('x', 1, 'x')",
        "INSERT INTO identities_user_user_permissions (user_id, permission_id) VALUES (1, 1)",
        "DELETE FROM django_admin_log",
        "DELETE FROM reviews_sealeddecision",
        "UPDATE identities_attestation SET recorded_at = now()",
    ],
)
def test_app_cannot(statement: str) -> None:
    assert refused(statement)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("create", "drop"),
    [
        ("CREATE TABLE reviews_unnamed (id int)", "DROP TABLE reviews_unnamed"),
        ("CREATE VIEW reviews_unnamed AS SELECT 1 AS id", "DROP VIEW reviews_unnamed"),
        (
            "CREATE MATERIALIZED VIEW reviews_unnamed AS SELECT 1 AS id",
            "DROP MATERIALIZED VIEW reviews_unnamed",
        ),
    ],
)
def test_a_table_that_is_not_named_can_only_be_read_and_fails_migrate_and_doctor(
    create: str, drop: str, as_owner: AsOwner, owner: Callable[[], None]
) -> None:
    as_owner(create)
    try:
        with pytest.raises(CommandError, match=r"reviews_unnamed: not named in .*table_rights\.py"):
            owner()
        assert granted()["reviews_unnamed"] == {"SELECT"}
        row = {name: (ok, said, fix) for name, ok, said, fix in doctor.rights()}["tables"]
    finally:
        as_owner(drop)
    ok, message, fix = row
    assert (ok, message) == (False, "not named in config/table_rights.py: reviews_unnamed")
    assert fix.startswith("reviews_unnamed: not named")
    assert "Name each table there" in fix
    owner()  # and without it, migrate goes through


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", ["evidence_event", "evidence_reject"])
def test_a_table_that_is_renamed_does_not_become_mutable(
    table: str, as_owner: AsOwner, owner: Callable[[], None]
) -> None:
    as_owner(f"ALTER TABLE {table} RENAME TO evidence_renamed")
    try:
        assert refused("DELETE FROM evidence_renamed")
        with pytest.raises(CommandError, match="evidence_renamed: not named"):
            owner()
        assert granted()["evidence_renamed"] == {"SELECT"}
        assert refused("DELETE FROM evidence_renamed")
        assert refused("UPDATE evidence_renamed SET id = id")
    finally:
        as_owner(f"ALTER TABLE evidence_renamed RENAME TO {table}")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("grant", "revoke", "said"),
    [
        (
            "GRANT UPDATE ON evidence_ledgerentry TO countersign_app",
            "REVOKE UPDATE ON evidence_ledgerentry FROM countersign_app",
            "evidence_ledgerentry (also UPDATE)",
        ),
        (
            "GRANT UPDATE (words) ON evidence_ledgerentry TO countersign_app",
            "REVOKE UPDATE (words) ON evidence_ledgerentry FROM countersign_app",
            "evidence_ledgerentry (also UPDATE)",
        ),
        (
            "GRANT DELETE, TRUNCATE ON reviews_comment TO PUBLIC",
            "REVOKE DELETE, TRUNCATE ON reviews_comment FROM PUBLIC",
            "reviews_comment (also DELETE TRUNCATE)",
        ),
        (
            "REVOKE INSERT ON reviews_comment FROM countersign_app",
            "GRANT INSERT ON reviews_comment TO countersign_app",
            "reviews_comment (no INSERT)",
        ),
    ],
)
def test_doctor_sees_rights_that_are_not_those_of_the_table(
    grant: str, revoke: str, said: str, as_owner: AsOwner
) -> None:
    as_owner(grant)
    try:
        row = {name: (ok, message, fix) for name, ok, message, fix in doctor.rights()}
    finally:
        as_owner(revoke)
    assert row["table rights"] == (
        False,
        f"not as in config/table_rights.py: {said}",
        "run `manage.py migrate` with the owner's login (DATABASE_OWNER_URL)",
    )


@pytest.mark.django_db
def test_partitions_are_reached_only_through_their_table(as_owner: AsOwner) -> None:
    found = as_owner(
        "SELECT c.relname FROM pg_class c, aclexplode(c.relacl) a WHERE c.relispartition"
        " AND a.grantee = 'countersign_app'::regrole"
    )
    assert found == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", [1, 2])
def test_committed_rows_are_gone_for_the_next_test(turn: int) -> None:
    before = set(Group.objects.values_list("name", flat=True))
    assert "left over" not in before
    Group.objects.create(name="left over")
