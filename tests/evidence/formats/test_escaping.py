"""NUL and lone surrogates are escaped so that no two names become one, and kept as received."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.formats import FORMATS, escaping, removing
from evidence.formats.record import Asked, Parsed

ASKED = Asked(source="sample", digest_key=b"k" * 32)
# Pieces of which texts are made that are easily taken for one another.
PIECES = [
    "\0",
    "\ud83d",
    "\ude00",
    "😀",
    "\\",
    "\\\\",
    "u0000",
    "ud83d",
    "ude00",
    "uD83D",
    "x",
    '"',
]
TEXTS = (
    st.lists(st.sampled_from(PIECES), max_size=8)
    .map("".join)
    .map(
        # Two halves that meet are one letter.
        lambda text: text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    )
)
NAMES = {
    "NUL": ('"a\\u0000b"', "a\\u0000b"),
    "half": ('"a\\ud83db"', "a\\ud83db"),
    "second half": ('"a\\uDE00b"', "a\\uDE00b"),
    "nothing": ('"ab"', "ab"),
    "what looks like NUL": ('"a\\\\u0000b"', "a\\\\u0000b"),
    "what looks like half": ('"a\\\\ud83db"', "a\\\\ud83db"),
    "a pair": ('"a\\ud83d\\ude00b"', "a😀b"),
    "what looks like a pair": ('"a\\\\ud83d\\\\ude00b"', "a\\ud83d\\ude00b"),
    "backslash and NUL": ('"a\\\\\\u0000b"', "a\\\\\\u0000b"),
}
BODIES = {
    "cloudtrail": (
        '{"Records":[{"eventVersion":"1.09","eventTime":"2026-11-24T11:00:00Z","eventID":"e-1",'
        '"eventSource":"secretsmanager.amazonaws.com","eventName":"GetSecretValue","awsRegion":"eu-west-1",'
        '"recipientAccountId":"123456789012","requestParameters":{"secretId":%s}}]}'
    ),
    "github": (
        '[{"@timestamp":1795514400000,"_document_id":"d-1","action":"repo.create","actor":"mia",'
        '"org":"acme","repo":%s}]'
    ),
}


def read(name: str, written: str) -> Parsed:
    return FORMATS[name].parse((BODIES[name] % written).encode(), ASKED)


@pytest.mark.parametrize("case", NAMES)
@pytest.mark.parametrize("name", BODIES)
def test_name_of_text_that_no_database_holds_stays_itself(name: str, case: str) -> None:
    written, shown = NAMES[case]
    parsed = read(name, written)
    assert ([one.resource for one in parsed.records], parsed.rejects) == ([shown], [])


@pytest.mark.parametrize("name", BODIES)
def test_names_that_differ_in_such_text_stay_different(name: str) -> None:
    names = [read(name, written).records[0].resource for written, _ in NAMES.values()]
    assert len(set(names)) == len(NAMES)


@pytest.mark.parametrize("case", NAMES)
@pytest.mark.parametrize("name", BODIES)
def test_record_is_kept_as_received_and_read_again_alike(name: str, case: str) -> None:
    parsed = read(name, NAMES[case][0])
    (received,) = (
        json.loads(BODIES[name] % NAMES[case][0]).values()
        if name == "cloudtrail"
        else (json.loads(BODIES[name] % NAMES[case][0]),)
    )
    assert json.loads(parsed.kept)["Records"] == received
    again = FORMATS[name].parse(parsed.kept, ASKED)
    assert (again.records, again.kept) == (parsed.records, parsed.kept)


def test_digest_of_a_record_with_a_nul_is_that_of_its_bytes() -> None:
    """It is the same as before names were escaped, so that what is sent again is known."""
    parsed = read("cloudtrail", NAMES["NUL"][0])
    assert parsed.records[0].digest.hex() == "4cd12311ac3faea574f2a8a978c8a264"


def test_json_inside_a_text_keeps_its_names_too() -> None:
    inside = (BODIES["cloudtrail"] % '"a\\u0000b\\ud83d\\ude00\\ud83d"')[12:-2]
    rows = orjson.dumps([{"EventId": "e-1", "CloudTrailEvent": inside}])
    (record,) = FORMATS["cloudtrail"].parse(rows, ASKED).records
    assert record.resource == "a\\u0000b😀\\ud83d"


def test_csv_with_a_nul_keeps_the_name() -> None:
    rows = (
        "eventversion,eventtime,eventsource,eventname,useridentity,requestparameters,"
        "recipientaccountid,eventid,awsregion\r\n"
        "1.09,2026-11-24T11:00:00Z,secretsmanager.amazonaws.com,GetSecretValue,,"
        '"{""secretId"":""a\\u0000b""}",123456789012,e\0-1,eu-west-1\r\n'
    )
    parsed = FORMATS["cloudtrail"].parse(rows.encode(), ASKED)
    assert [record.resource for record in parsed.records] == ["a\\u0000b"]


def test_record_with_half_a_pair_is_taken_out_of_what_is_kept() -> None:
    parsed = read("cloudtrail", NAMES["half"][0])
    assert (
        json.loads(removing.only(parsed.kept, "Records[0]"))
        == json.loads(parsed.kept)["Records"][0]
    )
    listed = FORMATS["cloudtrail"].parse(
        (
            BODIES["cloudtrail"][:-2] % '"a\\ud83db"' + "," + BODIES["cloudtrail"][12:] % '"b"'
        ).encode(),
        ASKED,
    )
    left = removing.without(listed.kept, {"Records[1]"}, mark=True)
    assert json.loads(left)["Records"] == [json.loads(listed.kept)["Records"][0], None]


@given(TEXTS, TEXTS)
def test_no_two_texts_become_one(one: str, other: str) -> None:
    escaped = [escaping.escaped(text) for text in (one, other)]
    assert (escaped[0] == escaped[1]) is (one == other)
    assert all("\0" not in text and text.encode() for text in escaped if text)


@given(TEXTS)
def test_json_is_escaped_as_its_texts_are_and_restored(text: str) -> None:
    written = json.dumps({"a": [text]}).encode()
    value = escaping.loads(written)
    assert value == {"a": [escaping.escaped(text)]}
    assert json.loads(escaping.restored_json(orjson.dumps(value))) == {"a": [text]}


@given(st.lists(st.sampled_from([b"\\", b"\\\\", b"u0000", b"ud83d", b"ude00", b"x"]), max_size=12))
def test_bytes_of_any_kind_are_restored(pieces: list[bytes]) -> None:
    text = b"".join(pieces)
    assert escaping.restored_json(escaping.escaped_json(text)) == text


def test_many_backslashes_take_linear_time() -> None:
    text = b"\\" * 2_000_000 + b"\\u000x \\u0000"
    assert escaping.escaped_json(text).endswith(b"\\\\u0000")
