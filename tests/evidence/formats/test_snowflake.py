"""Snowflake: credentials, statements without their values, grants and their ends."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from evidence.formats import recognise
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


@pytest.mark.parametrize(
    "error",
    [
        "Numeric value 'private words' is not recognized",
        "SQL compilation error: syntax error line 1 at position 7 unexpected '\"private\"'.",
        'invalid identifier "private words"',
    ],
)
def test_error_loses_the_values_of_its_statement(error: str) -> None:
    row = {**RECORDS[6], "ERROR_CODE": "100038", "ERROR_MESSAGE": error}
    assert b"private" not in abuse.parse("snowflake", row).kept
    assert (read("snowflake", row).error or "").startswith(error.partition(" ")[0])


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


def answered(rows: list[dict[str, Any]], **more: Any) -> bytes:
    """These rows as the SQL API answers them."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    kinds = {"EVENT_TIMESTAMP": "timestamp_tz"}
    columns = [{"name": name, "type": kinds.get(name, "text")} for name in names]
    meta = {"numRows": len(rows), "format": "jsonv2", "rowType": columns}
    data = [[None if row.get(name) is None else str(row[name]) for name in names] for row in rows]
    return orjson.dumps({"resultSetMetaData": meta, "data": data, "code": "090001", **more})


def test_answer_of_the_sql_api_says_what_its_rows_say() -> None:
    rows = [row for row in RECORDS if row.get("EVENT_TYPE") == "LOGIN"]
    body = answered(rows)
    assert recognise(body) == recognise(body[: len(body) - 40]) == "snowflake"
    parsed = abuse.parse("snowflake", body)
    assert parsed.rejects == []
    assert [abuse.said(one) for one in parsed.records] == [
        abuse.said(read("snowflake", row)) for row in rows
    ]
    again = abuse.parse("snowflake", parsed.kept)
    assert [abuse.told(one) for one in again.records] == [abuse.told(one) for one in parsed.records]


def test_time_with_an_offset_is_seconds_since_1970() -> None:
    row = {**RECORDS[1], "EVENT_TIMESTAMP": "1930366800.250000000 1500"}
    assert abuse.parse("snowflake", answered([row])).records[0].at == 1_930_366_800_250_000


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"data": [["1", "2"], 7]}, "is no row of"),
        ({"data": "Multiple statements executed successfully."}, "without columns or rows"),
    ],
)
def test_answer_without_such_rows_is_a_reject(more: dict[str, Any], reason: str) -> None:
    parsed = abuse.parse("snowflake", answered([RECORDS[1]], **more))
    assert parsed.records == []
    assert {reason in one.reason for one in parsed.rejects} == {True}


def test_answer_of_another_question_is_not_ours() -> None:
    body = answered([{"NAME": "rosa", "BALANCE": 7}])
    assert recognise(body) is None


@pytest.mark.parametrize("number", [12, 13, 14])
def test_lists_of_objects_mean_the_same_as_text(number: int) -> None:
    row = RECORDS[number]
    texts = {
        name: orjson.dumps(value).decode() if isinstance(value, list | dict) else value
        for name, value in row.items()
    }
    low = {name.lower(): value for name, value in texts.items()}
    said = abuse.said(read("snowflake", row))
    assert said == abuse.said(read("snowflake", texts)) == abuse.said(read("snowflake", low))


def test_client_that_an_integration_lets_in_is_the_agent() -> None:
    login = {
        "EVENT_ID": "1",
        "EVENT_TIMESTAMP": "2031-03-04 05:00:00.000 +0000",
        "EVENT_TYPE": "LOGIN",
        "USER_NAME": "ROSA",
        "IS_SUCCESS": "YES",
        "ACCOUNT_NAME": "acme1",
        "FIRST_AUTHENTICATION_FACTOR": "OAUTH_ACCESS_TOKEN",
        "AUTHORIZING_INTEGRATION_NAME": "REPORTS",
    }
    assert read("snowflake", login).agent == ActorName("snowflake:acme1", "app", "REPORTS")
