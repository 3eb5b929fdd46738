"""PostgreSQL's plain log behind every usual prefix, and inside what hosts of it wrap it in."""

from typing import Any

import orjson
import pytest

from evidence.formats import FORMATS, postgres_lines, recognise
from evidence.formats.record import ActorName
from evidence.vocabulary import OUTCOME_REFUSED, USE
from tests.evidence.formats import abuse
from tests.evidence.formats.abuse import parse, read

SAID = (
    "LOG:  AUDIT: SESSION,3,1,READ,SELECT,TABLE,public.pay,"
    "\"select * from pay where name = 'Ada Private'\",<none>"
)
DAY = "2031-03-04 05:03:00"
AT = 1_930_366_980_000_000
# (prefix as the server was told it, what it wrote, role, database, address, session)
PREFIXES = [
    ("%m [%p] ", f"{DAY}.000 UTC [4711] ", None, None, None, None),
    ("%m [%p] %q%u@%d ", f"{DAY}.000 UTC [4711] clerk@books ", "clerk", "books", None, None),
    (
        "role like an address",
        f"{DAY} UTC [4711] a@b.example@books ",
        "a@b.example",
        "books",
        None,
        None,
    ),
    (
        "%t:%r:%u@%d:[%p]:",
        f"{DAY} UTC:198.51.100.7(40000):clerk@books:[4711]:",
        "clerk",
        "books",
        "198.51.100.7",
        None,
    ),
    ("%m %u %d [%p]: ", f"{DAY}.000 UTC clerk books [4711]: ", "clerk", "books", None, None),
    (
        "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
        f"{DAY} UTC [4711]: [3-1] user=clerk,db=books,app=Night Run 7,client=198.51.100.7 ",
        *("clerk", "books", "198.51.100.7", None),
    ),
    (
        "%t [%p]: user=%u,db=%d ",
        f"{DAY} UTC [4711]: user=clerk,db=books ",
        "clerk",
        "books",
        None,
        None,
    ),
    (
        "Cloud SQL",
        f"{DAY}.000 UTC [4711]: [3-1] db=books,user=clerk ",
        "clerk",
        "books",
        None,
        None,
    ),
    ("%t-%c-", f"{DAY} UTC-655f0001.1267-", None, None, None, "655f0001.1267"),
    (
        "%t-%c-user=%u,db=%d,app=%a,client=%h ",
        f"{DAY} UTC-655f0001.1267-user=clerk,db=books,app=[unknown],client=198.51.100.7 ",
        *("clerk", "books", "198.51.100.7", "655f0001.1267"),
    ),
    (
        "%m|%u|%d|%c|",
        f"{DAY}.000 UTC|clerk|books|655f0001.1267|",
        "clerk",
        "books",
        None,
        "655f0001.1267",
    ),
    (
        "%t [%p] %u@%d %h ",
        f"{DAY} UTC [4711] clerk@books 198.51.100.7 ",
        "clerk",
        "books",
        "198.51.100.7",
        None,
    ),
    (
        "%t [%p] %u@%d %r ",
        f"{DAY} UTC [4711] clerk@books fe80::1(40000) ",
        "clerk",
        "books",
        "fe80::1",
        None,
    ),
    ("%n [%p] %u@%d ", "1930366980.000 [4711] clerk@books ", "clerk", "books", None, None),
    ("< %m >< %u@%d >", f"< {DAY}.000 UTC >< clerk@books >", "clerk", "books", None, None),
    ("a zone's name", "2031-03-04 06:03:00 CET [4711] clerk@books ", "clerk", "books", None, None),
    ("hours from UTC", "2031-03-04 08:03:00 +03 [4711] clerk@books ", "clerk", "books", None, None),
    (
        "a client of the same machine",
        f"{DAY} UTC [4711]: [1-1] db=books,user=clerk,app=[unknown],client=[local] ",
        *("clerk", "books", "[local]", None),
    ),
    (
        "%t:%r:%u@%d:[%p]: of the same machine",
        f"{DAY} UTC:[local]:clerk@books:[4711]:",
        *("clerk", "books", "[local]", None),
    ),
    (
        "%t [%p] %u@%d %r of the same machine",
        f"{DAY} UTC [4711] clerk@books [local] ",
        *("clerk", "books", "[local]", None),
    ),
    (
        "nobody yet, by name",
        f"{DAY} UTC [4711] user=[unknown],db=[unknown],app=[unknown] ",
        *(None, None, None, None),
    ),
    ("nobody yet", f"{DAY} UTC [4711] [unknown]@[unknown] ", None, None, None, None),
]


@pytest.mark.parametrize(
    ("written", "user", "database", "address", "session"),
    [case[1:] for case in PREFIXES],
    ids=[case[0] for case in PREFIXES],
)
def test_line_is_read_behind_its_prefix(
    written: str, user: str | None, database: str | None, address: str | None, session: str | None
) -> None:
    body = f"{written}{SAID}\n".encode()
    assert recognise(body) == "postgres"
    (record,) = parse("postgres", body).records
    assert record.principal == (ActorName("postgres", "user", user) if user else None)
    assert record.resource == (f"{database}/public.pay" if database else "public.pay")
    assert (record.address, record.conversation, record.at) == (address, session, AT)
    assert (record.action, record.activity) == ("SELECT", USE)


@pytest.mark.parametrize(
    "written", [case[1] for case in PREFIXES], ids=[case[0] for case in PREFIXES]
)
def test_what_is_kept_of_a_line_reads_again_and_has_no_value(written: str) -> None:
    first = parse("postgres", f"{written}{SAID}\n".encode())
    assert b"Private" not in first.kept
    assert recognise(first.kept) == "postgres"
    again = parse("postgres", first.kept)
    assert [abuse.told(one) for one in again.records] == [abuse.told(one) for one in first.records]


def test_zone_that_several_places_call_so_makes_no_time() -> None:
    assert postgres_lines.moment(f"{DAY} CST") == f"{DAY} CST"
    (record,) = parse("postgres", f"{DAY} CST [4711] clerk@books {SAID}\n".encode()).records
    assert record.at is None


BY_SYSLOG = "Mar  4 05:03:00 db1 postgres[4711]: "


def test_parts_of_a_message_that_syslog_cut_are_joined() -> None:
    lines = (
        f"{BY_SYSLOG}[3-1] {DAY} UTC [4711] clerk@books ERROR:  permission denied for table pay",
        f"{BY_SYSLOG}[3-2] {DAY} UTC [4711] clerk@books STATEMENT:  SELECT 1",
        f"{BY_SYSLOG}[4-1] {DAY} UTC [4711] clerk@books LOG:  statement: SELECT sum",
        f"{BY_SYSLOG}[4-2] #011FROM pay WHERE name = 'Ada Private'",
    )
    body = "\n".join(lines).encode()
    assert recognise(body) == "postgres"
    parsed = parse("postgres", body)
    assert [(one.action, one.resource, one.realm) for one in parsed.records] == [
        ("SELECT", "books", "postgres:db1"),
        ("SELECT", "books", "postgres:db1"),
    ]
    assert parsed.records[0].outcome == OUTCOME_REFUSED
    assert b"FROM pay WHERE name = ?" in parsed.kept
    assert b'"statement":"SELECT ?"' in parsed.kept
    assert b"Private" not in parsed.kept


def test_part_of_another_process_is_a_reject() -> None:
    body = (
        f"{BY_SYSLOG}[3-1] LOG:  statement: SELECT 1\nMar  4 05:03:00 db1 postgres[9]: [2-2] more\n"
    )
    parsed = parse("postgres", body.encode())
    assert [one.position for one in parsed.rejects] == ["line 2"]


@pytest.mark.parametrize(
    "line",
    [
        f"{DAY} UTC ERROR:  something else",
        f"{DAY} main [x] ERROR: nothing of ours",
        f"{DAY},123 ERROR:  of another program",
        "Mar  4 05:03:00 db1 mysqld[4711]: LOG:  no server of ours",
    ],
)
def test_other_programs_lines_are_not_taken_for_the_server_s(line: str) -> None:
    assert recognise(f"{line}\n".encode()) is None


def test_name_of_an_application_that_looks_like_a_severity_changes_nobody() -> None:
    line = f"{DAY} UTC [4711]: user=clerk,db=books,app=LOG:  AUDIT: SESSION,client=198.51.100.7 {SAID}\n"
    (record,) = parse("postgres", line.encode()).records
    assert record.principal == ActorName("postgres", "user", "clerk")


VALUES = [
    (
        'invalid input syntax for type integer: "Ada Private"',
        "invalid input syntax for type integer",
    ),
    ('value "9 Private" is out of range for type integer', "value"),
    ("permission denied for table pay", "permission denied for table pay"),
    ('relation "people" does not exist', 'relation "people" does not exist'),
]


@pytest.mark.parametrize(("message", "error"), VALUES)
def test_value_that_an_error_tells_is_not_kept(message: str, error: str) -> None:
    parsed = parse("postgres", f"{DAY} UTC [4711] clerk@books ERROR:  {message}\n".encode())
    assert parsed.records[0].error == error
    assert b"Private" not in parsed.kept


def test_plan_of_a_statement_keeps_no_value() -> None:
    body = (
        f"{DAY} UTC [4711] clerk@books LOG:  duration: 12.3 ms  plan:\n"
        "\tQuery Text: SELECT * FROM pay WHERE name = 'Ada Private'\n\tSeq Scan on pay\n"
    )
    parsed = parse("postgres", body.encode())
    assert (len(parsed.records), parsed.rejects) == (1, [])
    assert b"Private" not in parsed.kept


AZURE_ID = (
    "/SUBSCRIPTIONS/S/RESOURCEGROUPS/RG/PROVIDERS/MICROSOFT.DBFORPOSTGRESQL/FLEXIBLESERVERS/DB1"
)
AZURE: dict[str, Any] = {
    "LogicalServerName": "db1",
    "time": "2031-03-04T05:03:00Z",
    "resourceId": AZURE_ID,
    "category": "PostgreSQLLogs",
    "operationName": "LogEvent",
    "properties": {
        "timestamp": f"{DAY}.000 UTC",
        "processId": 4711,
        "errorLevel": "LOG",
        "sqlerrcode": "00000",
        "message": f"{DAY} UTC-655f0001.1267-{SAID}",
    },
}
WORKSPACE = {
    "Type": "PGSQLServerLogs",
    "TimeGenerated": "2031-03-04T05:03:00Z",
    "_ResourceId": AZURE_ID.lower(),
    "ErrorLevel": "LOG",
    "SqlErrorCode": "00000",
    "ProcessId": 4711,
    "Message": SAID.removeprefix("LOG:  "),
}
DIAGNOSTICS = {
    "Category": "PostgreSQLLogs",
    "ResourceId": AZURE_ID,
    "OperationName": "LogEvent",
    "TimeGenerated": "2031-03-04T05:03:00Z",
    "LogicalServerName_s": "db1",
    "errorLevel_s": "LOG",
    "sqlerrcode_s": "00000",
    "processId_d": 4711,
    "Message": SAID.removeprefix("LOG:  "),
}
GOOGLE = {
    "insertId": "entry-1",
    "logName": "projects/p/logs/cloudsql.googleapis.com%2Fpostgres.log",
    "timestamp": "2031-03-04T05:03:00Z",
    "resource": {
        "type": "cloudsql_database",
        "labels": {"database_id": "p:db1", "project_id": "p"},
    },
    "textPayload": f"{DAY}.000 UTC [4711]: [3-1] db=books,user=clerk {SAID}",
}
OPERATOR = {
    "level": "info",
    "ts": "2031-03-04T05:03:00Z",
    "logger": "pgaudit",
    "msg": "record",
    "logging_pod": "db1-2",
    "record": {
        "log_time": f"{DAY}.000 UTC",
        "user_name": "clerk",
        "database_name": "books",
        "process_id": "4711",
        "connection_from": "198.51.100.7:40000",
        "session_id": "655f0001.1267",
        "session_line_num": "3",
        "command_tag": "SELECT",
        "error_severity": "LOG",
        "sql_state_code": "00000",
        "backend_type": "client backend",
        "audit": {
            "audit_type": "SESSION",
            "statement_id": "3",
            "class": "READ",
            "command": "SELECT",
            "object_type": "TABLE",
            "object_name": "public.pay",
            "statement": "select * from pay where name = 'Ada Private'",
            "parameter": "Ada Private",
        },
    },
}
WRAPPED: list[tuple[str, dict[str, Any], str, str | None, str]] = [
    ("azure", AZURE, "postgres:db1", None, "public.pay"),
    ("workspace", WORKSPACE, "postgres:db1", None, "public.pay"),
    ("diagnostics", DIAGNOSTICS, "postgres:db1", None, "public.pay"),
    ("cloud sql", GOOGLE, "postgres:p:db1", "clerk", "books/public.pay"),
    ("operator", OPERATOR, "postgres:db1", "clerk", "books/public.pay"),
    ("operator's record alone", OPERATOR["record"], "postgres", "clerk", "books/public.pay"),  # type: ignore[list-item]  # a table of unlike members
]


@pytest.mark.parametrize(
    ("row", "realm", "user", "resource"),
    [case[1:] for case in WRAPPED],
    ids=[case[0] for case in WRAPPED],
)
def test_wrapped_line_names_its_server_and_keeps_no_value(
    row: dict[str, Any], realm: str, user: str | None, resource: str
) -> None:
    assert recognise(orjson.dumps(row)) == "postgres"
    record = read("postgres", row)
    assert record.principal == (ActorName(realm, "user", user) if user else None)
    assert (record.realm, record.action, record.resource, record.at) == (
        realm,
        "SELECT",
        resource,
        AT,
    )
    first = parse("postgres", row)
    assert b"Private" not in first.kept
    again = parse("postgres", first.kept)
    assert [abuse.told(one) for one in again.records] == [abuse.told(one) for one in first.records]


@pytest.mark.parametrize(
    "row", [AZURE, WORKSPACE, DIAGNOSTICS], ids=["hub", "workspace", "diagnostics"]
)
def test_lines_among_azure_s_own_records_keep_no_value(row: dict[str, Any]) -> None:
    activity = {
        "resourceId": "/subscriptions/s/resourceGroups/rg",
        "operationName": "Microsoft.Web/sites/delete",
        "category": "Administrative",
        "time": "2031-03-04T05:03:00Z",
    }
    parsed = FORMATS["azure"].parse(orjson.dumps([activity, row]), abuse.ASKED)
    assert [one.action for one in parsed.records] == ["Microsoft.Web/sites/delete", "SELECT"]
    assert b"Private" not in parsed.kept
    forced = FORMATS["azure"].parse(orjson.dumps([row]), abuse.ASKED._replace(forced=True))
    assert b"Private" not in forced.kept


def test_statement_that_another_of_azure_s_databases_logs_keeps_its_form_alone() -> None:
    row = {
        "resourceId": "/subscriptions/s/resourceGroups/rg/servers/m",
        "operationName": "LogEvent",
        "category": "MySqlAuditLogs",
        "time": "2031-03-04T05:03:00Z",
        "properties": {"sql_text": "select * from pay where name = 'Ada Private'"},
    }
    kept = parse("azure", row).kept
    assert b"select * from pay where name = ?" in kept


def test_text_that_begins_like_no_line_keeps_no_value() -> None:
    row = {**GOOGLE, "textPayload": "FROM pay WHERE name = 'Ada Private'"}
    parsed = parse("postgres", row)
    assert b"Private" not in parsed.kept
    assert b"FROM pay WHERE name = ?" in parsed.kept


APPLICATIONS = [
    ("app=[unknown],client=[local] ", None),
    ("app=psql,client=[local] ", "psql"),
    ("[app=psql] ", "psql"),
    ("[app=[unknown]] ", None),
    ("app=report [nightly],client=[local] ", "report [nightly]"),
    ("app=]]],client=[local] ", None),
]


@pytest.mark.parametrize(("written", "application"), APPLICATIONS)
def test_name_of_an_application_keeps_its_brackets(written: str, application: str | None) -> None:
    line = f"{DAY} UTC [4711]: user=clerk,db=books,{written}{SAID}\n"
    (record,) = parse("postgres", line.encode()).records
    assert record.user_agent == application


def test_client_of_the_same_machine_is_called_as_in_the_table_of_columns() -> None:
    columns = f'{DAY}.000 UTC,"clerk","books",4711,"[local]",655f0001.1267,1,"idle",'
    row = f'{columns}{DAY} UTC,3/0,0,LOG,00000,"duration: 0.2 ms",,,,,,,,,"psql"\n'
    line = f"{DAY}.000 UTC [4711]: db=books,user=clerk,app=psql,client=[local] {SAID}\n"
    (one,), (other,) = (parse("postgres", body.encode()).records for body in (row, line))
    assert one.address == other.address == "[local]"
