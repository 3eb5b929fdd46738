"""Rows of a search are handed on as the vendor's own record where it was kept, else as they are."""

import orjson
import pytest

from evidence.formats import recognise
from evidence.sources.originals import bodies
from tests.evidence.bodies import record

CEF = (
    "<5>1 2026-11-24T11:00:00Z VAULT01 CEF:0|Cyber-Ark|Vault|12.6|22|CPM Verify|5|"
    'suser=PVWAAppUser cs2Label="Safe Name" cs2="Linux"'
)
RAW = orjson.dumps(record(1)).decode()


@pytest.mark.parametrize(
    ("rows", "expected", "formats"),
    [
        ([], [], []),
        ([(RAW, {"eventName": "GetObject"})], [RAW], ["cloudtrail"]),
        # Written over several lines: on one, because a line is a record.
        ([(RAW.replace('{"eventVersion"', '{\n"eventVersion"', 1), {})], [RAW], ["cloudtrail"]),
        ([(CEF, {"host": "a"}), (RAW, {})], [RAW, CEF], ["cloudtrail", "cyberark"]),
        # Lines that no format knows: their rows, with all that the SIEM found in them.
        ([("GET / 200", {"_raw": "GET / 200", "status": "200"})],
         ['{"_raw":"GET / 200","status":"200"}'], [None]),
        # What only begins like JSON is a line like any other.
        ([("{not json", {"_raw": "{not json"})], ['{"_raw":"{not json"}'], [None]),
        ([("", {"EventID": 1})], ['{"EventID":1}'], [None]),
    ],
)  # fmt: skip
def test_rows_become_bodies(
    rows: list[tuple[str, dict[str, object]]], expected: list[str], formats: list[str | None]
) -> None:
    found = bodies(rows)
    assert [body.decode() for body in found] == expected
    assert [recognise(body) for body in found] == formats


def test_document_that_nests_beyond_reading_is_a_line() -> None:
    deep = '{"a":' * 2000 + "1" + "}" * 2000
    assert bodies([(deep, {"_raw": "deep"})]) == [b'{"_raw":"deep"}']
