"""PostgreSQL's log: pgaudit, csvlog, who signed in, and that no value of a statement stays."""

from typing import Any

import orjson
import pytest

from evidence.formats import FORMATS, recognise
from evidence.formats.record import ActorName, Asked
from evidence.vocabulary import (
    AUTHENTICATION,
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_UNKNOWN,
    USE,
)
from tests.evidence.formats import abuse
from tests.evidence.formats.abuse import parse, read
from tests.evidence.formats.conftest import SAMPLES

BODY = (SAMPLES / "postgres.jsonl").read_bytes()
ROWS: list[dict[str, Any]] = [orjson.loads(line) for line in BODY.splitlines()]
CSV = (SAMPLES / "postgres.csv").read_bytes()
CLERK = ActorName("postgres:main", "user", "clerk")


def test_line_reads_whole() -> None:
    assert read("postgres", ROWS[3])._replace(digest=b"") == (
        "Records[0]",
        b"",
        1_930_366_980_123_000,
        "postgres:main",
        1,
        USE,
        OUTCOME_OK,
        "SELECT",
        "books/public.people",
        CLERK,
        None,
        None,
        None,
        "65f0.1/3",
        None,
        None,
        None,
        None,
        None,
        "198.51.100.7",
        "sample",
        None,
        "65f0.1",
        None,
        None,
        None,
    )


LINES = [
    (0, "connection received", USE, OUTCOME_UNKNOWN, None),
    (1, "connection authenticated", AUTHENTICATION, OUTCOME_UNKNOWN, "books"),
    (2, "connection authorized", AUTHENTICATION, OUTCOME_OK, "books"),
    (4, "UPDATE", USE, OUTCOME_OK, "books/public.pay"),
    (5, "CREATE ROLE", ISSUANCE, OUTCOME_OK, "books/batch"),
    (6, "GRANT", CHANGE, OUTCOME_OK, "books"),
    (7, "SELECT", USE, OUTCOME_REFUSED, "books"),
    (8, "INSERT", USE, OUTCOME_FAILED, "books"),
    (9, "authentication failed", AUTHENTICATION, OUTCOME_REFUSED, "books"),
    (10, "DELETE", USE, OUTCOME_UNKNOWN, "books"),
    (12, "disconnection", USE, OUTCOME_OK, "books"),
]


@pytest.mark.parametrize(("row", "action", "activity", "outcome", "resource"), LINES)
def test_line(row: int, action: str, activity: int, outcome: int, resource: str | None) -> None:
    record = read("postgres", ROWS[row])
    assert (record.action, record.activity, record.outcome, record.resource) == (
        action,
        activity,
        outcome,
        resource,
    )


def test_identity_that_was_authenticated_is_named_beside_the_role() -> None:
    record = read("postgres", ROWS[1])
    assert record.principal == CLERK
    assert record.on_behalf == ActorName("postgres:main", "federated", "rosa@EXAMPLE")


def test_address_is_found_where_a_line_has_no_session_yet() -> None:
    row = {name: value for name, value in ROWS[0].items() if name != "remote_host"}
    assert read("postgres", row).address == "198.51.100.7"


VALUES = (b"Ada", b"1234", b"secret", b"(17)", b"'Ada'")


def test_no_value_of_a_statement_stays() -> None:
    kept = parse("postgres", ROWS[3:9] + ROWS[10:11]).kept
    assert [value for value in VALUES if value in kept] == []
    assert b"SELECT * FROM people WHERE name = ? AND pin = ?" in kept


def test_source_that_keeps_content_keeps_statements() -> None:
    asked = Asked("lab", b"k" * 32, keep_content=True)
    kept = FORMATS["postgres"].parse(orjson.dumps(ROWS[3]), asked).kept
    assert b"name = 'Ada'" in kept


def test_value_in_an_error_is_not_told() -> None:
    assert read("postgres", ROWS[11]).error == "invalid input syntax for type integer"


def test_csvlog_says_the_same_as_jsonlog() -> None:
    assert recognise(CSV) == "postgres"
    parsed = parse("postgres", CSV)
    assert parsed.rejects == []
    for found, row in zip(parsed.records, (ROWS[3], ROWS[7]), strict=True):
        told = read("postgres", row)
        assert (found.action, found.resource, found.outcome, found.address, found.vendor_id) == (
            told.action,
            told.resource,
            told.outcome,
            told.address,
            told.vendor_id,
        )
    assert b"Ada" not in parsed.kept


def test_kept_csvlog_reads_again_as_the_same() -> None:
    first = parse("postgres", CSV)
    again = parse("postgres", first.kept)
    assert [abuse.told(one) for one in again.records] == [abuse.told(one) for one in first.records]


def test_csvlog_row_with_few_columns_is_rejected_with_the_reason() -> None:
    parsed = parse("postgres", CSV + b'2031-03-04 05:09:00.000 UTC,"clerk","books",1\n')
    assert len(parsed.records) == 2
    assert [one.reason for one in parsed.rejects] == [
        "has 4 columns where at least 20 are expected"
    ]


AUDITS = [
    ("AUDIT: SESSION,1,1,READ,SELECT,,,select 1,<none>", "SELECT", "books"),
    ("AUDIT: OBJECT,1,1,FUNCTION,EXECUTE,FUNCTION,public.f,,", "EXECUTE", "books/public.f"),
    (
        'AUDIT: SESSION,1,1,DDL,CREATE TABLE,TABLE,public.t,"create table t(\n a int)",',
        "CREATE TABLE",
        "books/public.t",
    ),
    (
        "AUDIT: SESSION,1,1,ROLE,DROP ROLE,,,drop role if exists batch,<none>",
        "DROP ROLE",
        "books/batch",
    ),
    ("AUDIT: SESSION,", "SELECT", "books"),
    ('AUDIT: SESSION,1,1,READ,SELECT,,,"unclosed', "SELECT", "books"),
]


@pytest.mark.parametrize(("message", "action", "resource"), AUDITS)
def test_audit_line(message: str, action: str, resource: str) -> None:
    record = read("postgres", {**ROWS[3], "message": message})
    assert (record.action, record.resource) == (action, resource)


def test_audit_text_alone_is_recognised() -> None:
    row = {"message": ROWS[3]["message"], "hostname": "db1"}
    assert recognise(orjson.dumps(row)) == "postgres"
    assert read("postgres", row).action == "SELECT"


RDS = (
    "2031-03-04 05:03:00 UTC:198.51.100.7(40000):clerk@books:[4711]:LOG:  AUDIT: SESSION,1,1,READ,"
    "SELECT,TABLE,public.people,\"SELECT *\n\tFROM people WHERE name = 'Ada'\",<not logged>"
)
DEBIAN = RDS.replace(":198.51.100.7(40000):clerk@books:[4711]:", " [4711] clerk@books ")


@pytest.mark.parametrize("line", [RDS, DEBIAN], ids=["rds", "debian"])
def test_plain_lines_are_read_with_what_belongs_to_them(line: str) -> None:
    refused = line.split("LOG:", maxsplit=1)[0] + "ERROR:  permission denied for table pay"
    statement = (
        line.split("LOG:", maxsplit=1)[0] + "STATEMENT:  SELECT sum FROM pay WHERE name = 'Ada'"
    )
    body = f"{line}\n{refused}\n{statement}\nodd\n".encode()
    assert recognise(body) == "postgres"
    parsed = parse("postgres", body)
    assert [(one.action, one.resource, one.outcome) for one in parsed.records] == [
        ("SELECT", "books/public.people", OUTCOME_OK),
        ("SELECT", "books", OUTCOME_REFUSED),
    ]
    assert {one.principal for one in parsed.records} == {ActorName("postgres", "user", "clerk")}
    assert [one.position for one in parsed.rejects] == ["line 5"]
    assert b"Ada" not in parsed.kept


def test_subscription_of_rds_names_the_instance() -> None:
    document = {
        "logGroup": "/aws/rds/instance/Books-1/postgresql",
        "logEvents": [{"id": "1", "timestamp": 1, "message": RDS}],
    }
    assert recognise(orjson.dumps(document)) == "postgres"
    record = read("postgres", document)
    assert (record.realm, record.action) == ("postgres:books-1", "SELECT")
    assert record.principal == ActorName("postgres:books-1", "user", "clerk")
    assert record.address == "198.51.100.7"


@pytest.mark.parametrize("member", ["LOG:  ", "LOG:  said\n2031-03-04 05:03:00 UTC [1] DETAIL:  "])
def test_line_without_words_is_read_too(member: str) -> None:
    body = f"2031-03-04 05:03:00 UTC [1] {member}\n".encode()
    parsed = parse("postgres", body)
    assert (len(parsed.records), parsed.rejects) == (1, [])
