"""Wrappings that any vendor's records travel in are opened, whatever is inside."""

import base64
import csv
import io
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from evidence.formats import FORMATS, bodies, recognise, unwrapping
from evidence.vocabulary import OUTCOME_FAILED
from tests.evidence.formats import abuse
from tests.evidence.formats.conftest import SAMPLES

NAMES = ("okta", "kubernetes", "gcp", "github", "azure", "vault")
CLOUDTRAIL: dict[str, Any] = orjson.loads((SAMPLES / "cloudtrail.json").read_bytes())["Records"][0]
FIRST = {"cloudtrail": CLOUDTRAIL, **{name: abuse.sample(name)[0] for name in NAMES}}


def text(record: Any) -> str:
    return orjson.dumps(record).decode()


def encoded(record: Any) -> str:
    return base64.b64encode(orjson.dumps(record)).decode()


def pushed(record: Any) -> dict[str, Any]:
    return {"message": {"data": encoded(record), "messageId": "1"}, "subscription": "projects/p/s"}


WRAPPED: dict[str, Any] = {
    "pub/sub push": pushed,
    "pub/sub pull": lambda record: {"receivedMessages": [{"ackId": "a", **pushed(record)}]},
    "cloud event": lambda record: {"specversion": "1.0", "id": "1", "data_base64": encoded(record)},
    "insights, exported": lambda record: [{"@timestamp": "2031-03-04", "@message": text(record)}],
    "insights, asked": lambda record: {
        "status": "Complete",
        "results": [
            [{"field": "@message", "value": text(record)}, {"field": "@ptr", "value": "p"}]
        ],
    },
    "lake": lambda record: {"QueryResultRows": [[{"eventJson": text(record)}]]},
    "elastic": lambda record: {
        "@timestamp": "2031-03-04T05:00:00Z",
        "log": {"file": {"path": "/var/log/x"}},
        "message": "shortened",
        "event": {"module": "x", "original": text(record)},
    },
    "elastic, flat": lambda record: {"@timestamp": "2031", "event.original": text(record)},
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stranger", [False, True])
def test_lines_of_which_some_are_wrapped_are_each_read_as_alone(name: str, stranger: bool) -> None:
    record = FIRST[name]
    lines = [record, {"detail": record}, {"log": text(record)}, pushed(record), record]
    lines[2:2] = [{"nobody": "knows this"}] if stranger else []
    together = FORMATS[name].parse(b"\n".join(map(orjson.dumps, lines)), abuse.ASKED)
    alone = [FORMATS[name].parse(orjson.dumps(line), abuse.ASKED) for line in lines]
    assert [*map(abuse.told, together.records)] == [
        abuse.told(one) for each in alone for one in each.records
    ]
    assert [one.position.partition(" Rec")[0] for one in together.records] == [
        f"line {number}" for number, each in enumerate(alone, start=1) if each.records
    ]
    assert len(together.rejects) == sum(len(each.rejects) for each in alone)


@pytest.mark.parametrize("wrapping", WRAPPED)
@pytest.mark.parametrize("name", FIRST)
def test_record_is_read_as_if_it_stood_alone(name: str, wrapping: str) -> None:
    record = FIRST[name]
    body = orjson.dumps(WRAPPED[wrapping](record))
    assert recognise(body) == name
    parsed = FORMATS[name].parse(body, abuse.ASKED)
    expected = FORMATS[name].parse(orjson.dumps(record), abuse.ASKED)
    assert parsed.rejects == []
    assert [abuse.told(one) for one in parsed.records] == [
        abuse.told(one) for one in expected.records
    ]
    assert parsed.kept == expected.kept


PREFIXES = (
    "master-0.example ",
    "2031-03-04T05:00:00.123456789Z stdout F ",
    "web-1  | ",
    "<13>Mar  4 05:00:00 host program[7]: ",
    "<13>1 2031-03-04T05:00:00Z host program 7 - - ",
)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("name", FIRST)
def test_lines_are_read_without_their_prefix(name: str, prefix: str) -> None:
    line = text(FIRST[name])
    body = f"{prefix}{line}\n{prefix}{line}\n{prefix}not one\n".encode()
    assert recognise(body) == name
    parsed = FORMATS[name].parse(body, abuse.ASKED)
    one = FORMATS[name].parse(line.encode(), abuse.ASKED).records[0]
    assert [abuse.told(found) for found in parsed.records] == [abuse.told(one)] * 2
    assert [found.position for found in parsed.rejects] == ["line 3"]
    again = FORMATS[name].parse(parsed.kept, abuse.ASKED)
    assert [abuse.told(found) for found in again.records] == [abuse.told(one)] * 2


def test_large_file_of_prefixed_lines_is_cut_between_them() -> None:
    line = f"master-0.example {text(FIRST['kubernetes'])}\n".encode()
    body = line * (bodies.WHOLE // len(line) + 2)
    seams = FORMATS["kubernetes"].seams
    parts = list(bodies.parts(io.BytesIO(body), format="kubernetes", size=2_000, seams=seams))
    assert len(parts) > 1
    assert b"".join(part.body for part in parts) == body


def rows_of(*rows: dict[str, str], typed: bool = False) -> bytes:
    """CSV as PowerShell writes it."""
    written = io.StringIO(newline="")
    table = csv.DictWriter(written, list(rows[0]), quoting=csv.QUOTE_ALL)
    table.writeheader()
    table.writerows(rows)
    return b"#TYPE Deserialized.A.B\r\n" * typed + written.getvalue().encode()


COLUMNS: dict[str, Any] = {
    "purview": lambda said: {"CreationDate": "3/4/2031 5:00:00 AM", "AuditData": said, "Id": ""},
    "insights": lambda said: {"@timestamp": "2031-03-04", "@message": said},
    "elastic": lambda said: {"@timestamp": "2031-03-04", "message": "x", "event.original": said},
    # Splunk names what it found inside beside it, and writes its own of each row.
    "splunk": lambda said: {"tag::host": "", "a{}.b": "x,y", "message": "x", "_raw": said},
    "splunk of purview": lambda said: {"_raw": "x", "AuditData": said},
}


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("name", [*FIRST, "microsoft365"])
def test_rows_are_the_records_in_them(name: str, columns: str, typed: bool) -> None:
    record = FIRST.get(name) or abuse.sample(name)[0]
    row = COLUMNS[columns](text(record))
    body = rows_of(row, row, typed=typed) + b'"torn'
    assert recognise(body) == name
    parsed = FORMATS[name].parse(body, abuse.ASKED)
    expected = abuse.told(FORMATS[name].parse(orjson.dumps(record), abuse.ASKED).records[0])
    assert [abuse.told(one) for one in parsed.records] == [expected] * 2
    assert [one.position for one in parsed.records] == [f"line {typed + 2}", f"line {typed + 3}"]
    assert [one.position for one in parsed.rejects] == [f"line {typed + 4}"]
    again = FORMATS[name].parse(parsed.kept, abuse.ASKED)
    assert [abuse.told(one) for one in again.records] == [expected] * 2


def members(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """What stands in a record, each by its path, as consoles and queries write columns."""
    if isinstance(value, dict) and value:
        for name, inside in value.items():
            yield from members(inside, f"{path}.{name}" if path else name)
    elif value is not None:
        yield path, value if isinstance(value, str) else text(value)


WIDE: dict[str, Any] = {
    "of members": lambda record: {
        name: value if isinstance(value, str) else text(value) for name, value in record.items()
    },
    "of paths": lambda record: dict(members(record)),
}


@pytest.mark.parametrize("columns", WIDE)
@pytest.mark.parametrize("name", ["okta", "gcp", "github", "entra", "databricks", "ocsf"])
def test_columns_that_are_members_make_records(name: str, columns: str) -> None:
    record = abuse.sample(name)[0]
    row = WIDE[columns](record)
    body = rows_of(row, row) + b'"torn'
    assert recognise(body) == name
    parsed = FORMATS[name].parse(body, abuse.ASKED)
    expected = abuse.told(FORMATS[name].parse(orjson.dumps(record), abuse.ASKED).records[0])
    assert [abuse.told(one) for one in parsed.records] == [expected] * 2
    assert [one.position for one in parsed.records + parsed.rejects] == [
        "line 2",
        "line 3",
        "line 4",
    ]


def test_columns_of_the_portals_query_are_those_of_the_table() -> None:
    row = {
        "TenantId": "99999999-ffff-4fff-8fff-000000000001",
        "TimeGenerated [UTC]": "11/20/2026, 10:00:00.123 AM",
        "OperationName": "Sign-in activity",
        "Id": "s-1",
        "CorrelationId": "c-1",
        "ResultType": "50126",
        "AppId": "33333333-cccc-4ccc-8ccc-000000000001",
        "AppDisplayName": "Books",
        "UserId": "22222222-bbbb-4bbb-8bbb-000000000001",
        "UserPrincipalName": "rosa@example.com",
        "AADTenantId": "11111111-aaaa-4aaa-8aaa-000000000001",
        "IPAddress": "203.0.113.9",
        "Status": text({"errorCode": 50126, "failureReason": "wrong"}),
        "Category": "SignInLogs",
        "Type": "SigninLogs",
    }
    body = b"\xef\xbb\xbf" + rows_of(row)
    assert recognise(body) == "entra"
    (found,) = FORMATS["entra"].parse(body, abuse.ASKED).records
    told = (found.at, found.realm, found.address, found.outcome, found.vendor_id)
    realm = "entra:11111111-aaaa-4aaa-8aaa-000000000001"
    assert told == (1_795_168_800_123_000, realm, "203.0.113.9", OUTCOME_FAILED, "s-1")
    assert found.principal is not None
    assert found.principal.value == "rosa@example.com"


@pytest.mark.parametrize("typed", [False, True])
def test_large_file_of_rows_is_cut_between_them_and_each_part_names_its_columns(
    typed: bool,
) -> None:
    row = COLUMNS["purview"](text(abuse.sample("microsoft365")[0]) + " " * 2_000 + "\n")
    body = rows_of(*[row] * 5_000, typed=typed)
    found = FORMATS["microsoft365"]
    parts = list(
        bodies.parts(io.BytesIO(body), format="microsoft365", size=2_000, seams=found.seams)
    )
    read = [found.parse(part.body, abuse.ASKED) for part in parts]
    assert len(read) == 3
    assert sum(len(one.records) for one in read) == 5_000
    assert all(one.rejects == [] for one in read)


NOT_ROWS: tuple[Any, ...] = ([], [1], [{"a": 1, "b": 2}], [{"field": 1, "value": 2}], [{}, []])


@pytest.mark.parametrize("cells", NOT_ROWS)
def test_list_that_is_no_row_is_none(cells: list[Any]) -> None:
    assert unwrapping.of_row(cells) is None


@pytest.mark.parametrize("said", ["eyJh", "ey!!", "e30=", "ewo", "ey" + "A" * 30, "\ud7ff"])
def test_text_that_is_no_encoded_object_is_none(said: str) -> None:
    found = unwrapping.inside({"data": said})
    assert found is None or found == {}


def test_body_without_prefixes_is_given_back_as_it_is() -> None:
    for body in (b'{"a": 1}\n{"a": 2}', b'[{"a": 1}]', b"a,b\n1,2", b"", b"CEF:0|a|b|c|d|e|f|g=h"):
        assert unwrapping.plain(body) is body


@pytest.mark.parametrize(
    "head",
    [b"#TYPE ", b'"' * 70_000, b"a," * 70_000, b'"a,' * 9_000 + b"\n", b'",' * 1_500 + b'"x"y\n'],
)
def test_what_begins_like_rows_and_is_none_is_soon_told(head: bytes) -> None:
    assert unwrapping.records_in(head + b"message,_raw") == ""
