"""Snowflake: credentials, statements without their values, grants and their ends."""

from pathlib import Path
from typing import Any

import pytest

from evidence.formats.record import ActorName, Issued
from tests.evidence.formats import abuse
from tests.evidence.formats.abuse import read, sample

RECORDS = sample("snowflake")


def test_programmatic_token_is_the_same_when_made_and_when_used() -> None:
    made, used = read("snowflake", RECORDS[0]), read("snowflake", RECORDS[1])
    bot = ActorName("snowflake:acme1", "user", "LEDGER_BOT")
    assert used.credential is not None
    assert made.issued == Issued(
        used.credential, bot, standing=True, expires_at=1_938_297_600_000_000
    )


@pytest.mark.parametrize(
    ("statement", "resource"),
    [
        ("select 1 from BOOKS.LEDGER", "BOOKS.LEDGER"),
        ("COPY INTO '@s/x.csv' FROM (SELECT * FROM A.B.C)", "A.B.C"),
        ("copy into @stage1 from t", "@stage1"),
        ("alter user if exists BOT set disabled = true", "BOT"),
        ("show grants", "DB.PUBLIC"),
    ],
)
def test_resource_is_the_first_object_that_a_statement_names(statement: str, resource: str) -> None:
    row = {"DATABASE_NAME": "DB", "SCHEMA_NAME": "PUBLIC", **RECORDS[6], "QUERY_TEXT": statement}
    assert read("snowflake", row).resource == resource


@pytest.mark.parametrize(
    "statement",
    ["select 'private words'", "set x = $$private words$$", 'call f("private words")', "'private"],
)
def test_statement_loses_its_values(statement: str) -> None:
    kept = abuse.parse("snowflake", {**RECORDS[6], "QUERY_TEXT": statement}).kept
    assert b"private" not in kept


def test_statement_of_quotes_alone_takes_no_longer_than_its_length() -> None:
    """The work is bounded by the text: with backtracking this would not end within a day."""
    for hostile in ('"' * 1_000_000 + "x", "'" * 1_000_001, "$$" * 500_001):
        row: dict[str, Any] = {**RECORDS[6], "QUERY_TEXT": hostile}
        parsed = abuse.parse("snowflake", row)
        assert parsed.redactions[0].length >= 1_000_000
        assert not any(quote in parsed.kept for quote in (b"''", b'\\"', b"$$"))


def test_grant_tells_of_its_end_once_it_has_one() -> None:
    grant, ended = read("snowflake", RECORDS[7]), read("snowflake", RECORDS[8])
    assert (grant.action, grant.at) == ("GRANT SELECT", 1_930_367_280_000_000)
    assert (ended.action, ended.at) == ("REVOKE ROLE", 1_930_367_340_000_000)


def test_labelled_rows_name_principal_and_action(data: Path) -> None:
    parsed = abuse.parse("snowflake", abuse.labelled(data, "snowflake"))
    assert len(parsed.records) == 20
    assert all("not stated" not in one.action for one in parsed.records)
    # A transfer between regions names nobody.
    assert [one.action for one in parsed.records if one.principal is None] == ["COPY"]
