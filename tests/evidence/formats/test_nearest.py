"""What a body looks like that no format recognises, and which formats come nearest to it."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.formats import FORMATS, recognise, resembles
from evidence.intake import unknown_format

EVENT = {"eventType": "user.session.start", "time": "2026-11-20", "who": {"name": "x"}}
LOOKS: dict[str, tuple[bytes, str, list[str]]] = {
    "words": (b"hello", "plain text", []),
    "lines": (
        orjson.dumps(EVENT) + b"\n" + orjson.dumps(EVENT),
        "JSON lines with the members eventType, time and who",
        ["okta"],
    ),
    "one object": (
        b'{"verb":"create","user":{"username":"x"},"object":"y"}',
        "JSON with the members verb, user and object",
        ["kubernetes"],
    ),
    "a list inside": (
        orjson.dumps({"rows": [{"action": "x", "actor": "y", "when": "z"}]}),
        "JSON with a list rows of objects with the members action, actor and when",
        ["github", "github_webhook"],
    ),
    "columns": (
        b"operation,category,who\na,b,c\n",
        "CSV with the columns category, operation and who",
        [],
    ),
    "syslog": (b"<34>1 2026-01-01T00:00:00Z host app - - - hi", "syslog", []),
    "CEF": (b"CEF:0|Vendor|Product|1|2|name|3|x=y", "CEF", []),
    "XML": (b'<?xml version="1.0"?><a/>', "XML", []),
    "numbers": (b"[1,2,3]", "JSON without an object that could be a record", []),
}


@pytest.mark.parametrize("kind", LOOKS)
def test_body_is_described_and_compared(kind: str) -> None:
    body, looks, nearest = LOOKS[kind]
    assert recognise(body) is None
    said, near = resembles(body)
    assert (said, near[: len(nearest)]) == (looks, nearest)
    assert len(near) <= 3


PERSONAL: dict[str, bytes] = {
    "keys that are people": b'{"alice":{"age":1},"bob":{"age":2}}',
    "keys that are addresses": b'{"alice@example.com":1,"bob@example.com":2}',
    "values in the first row": b"alice,1970-01-01,+4711\nbob,1980-01-01,+4712\n",
}


@pytest.mark.parametrize("kind", PERSONAL)
def test_what_may_be_somebodys_is_not_named(kind: str) -> None:
    said, _ = resembles(PERSONAL[kind])
    assert said in ("JSON", "CSV")


def test_sentence_says_what_it_looks_like_what_is_near_and_what_to_do() -> None:
    said = unknown_format("", LOOKS["a list inside"][0])
    assert said == (
        "no format recognises this: it looks like JSON with a list rows of objects with the members"
        " action, actor and when; nearest are github, github_webhook and google_workspace: name"
        " the one that it is in where you send it, or describe it by a mapping (docs/mapping.md);"
        " docs/formats.md lists the formats"
    )
    assert len(unknown_format("", b'{"a":1}' * 100_000)) < 400


def test_formats_without_tables_are_near_as_well() -> None:
    near = resembles(orjson.dumps({"traceId": "1", "spanId": "2", "name": "x"}))[1]
    assert near[0] == "otlp"
    assert set(near) <= set(FORMATS)


@given(st.binary(max_size=400))
def test_any_bytes_are_described(body: bytes) -> None:
    said, near = resembles(body)
    assert said
    assert len(near) <= 3
