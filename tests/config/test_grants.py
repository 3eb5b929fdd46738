"""The app's rights in the database: what it may, and what it must never be able to do."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import Error, connection, transaction

from config import grants


def refused(statement: str) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    except Error:
        return True
    return False


@pytest.mark.django_db
def test_session_runs_as_the_role_of_the_app() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("countersign_app",)


@pytest.mark.django_db
@pytest.mark.parametrize("table", sorted(grants.APPEND_ONLY))
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
def test_append_only_table_refuses(table: str, statement: str) -> None:
    assert refused(statement.format(table))


@pytest.mark.django_db
@pytest.mark.parametrize("table", sorted(grants.APPEND_ONLY))
def test_append_only_table_has_exactly_insert_and_select(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT array_agg(privilege_type::text ORDER BY 1) FROM pg_class,"
            " aclexplode(relacl) WHERE oid = %s::regclass"
            " AND grantee = 'countersign_app'::regrole",
            [table],
        )
        assert cursor.fetchone() == (["INSERT", "SELECT"],)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE public.own (id int)",
        "CREATE ROLE more LOGIN",
        "SET session_replication_role = replica",
        "UPDATE django_migrations SET name = 'x'",
    ],
)
def test_app_cannot(statement: str) -> None:
    assert refused(statement)


@pytest.mark.django_db
def test_partitions_are_reached_only_through_their_table(
    as_owner: Callable[..., list[tuple[Any, ...]]],
) -> None:
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
