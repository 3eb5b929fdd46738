"""Documents that stand one after the other: each is read as if it stood alone, and none is lost."""

import io
from typing import Any

import orjson
import pytest

from evidence.formats import FORMATS, bodies, recognise, strung
from evidence.formats.documents import Shape, pieces
from evidence.formats.record import Asked
from evidence.pipeline import in_file

ASKED = Asked(source="lab", digest_key=b"k" * 32)
SHAPE = Shape(("Records",), b'"n":', lambda value: type(value) is dict and "n" in value)


def found(text: bytes) -> list[tuple[str, Any, str]]:
    return [(place, value, problem) for place, value, problem, _ in pieces(text, SHAPE)]


def audit(number: int) -> dict[str, Any]:
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "auditID": f"a{number}",
        "stage": "ResponseComplete",
        "verb": "get",
        "requestURI": '/api/v1/namespaces/x/secrets/y?q="}{"',
        "user": {"username": "system:serviceaccount:agents:bot"},
        "objectRef": {"resource": "secrets", "namespace": "x", "name": "y"},
        "requestReceivedTimestamp": "2026-11-20T10:00:00.000000Z",
    }


def delivered(first: int, many: int = 2) -> bytes:
    """A subscription's document, as Firehose puts it behind the one before."""
    events = [
        {"id": str(n), "timestamp": 1, "message": orjson.dumps(audit(n)).decode()}
        for n in range(first, first + many)
    ]
    about = {"messageType": "DATA_MESSAGE", "owner": "111122223333"}
    return orjson.dumps({**about, "logGroup": "/aws/eks/prod/cluster", "logEvents": events})


@pytest.mark.parametrize("between", [b"", b" ", b"\n", b"\r\n\r\n"], ids=repr)
def test_documents_are_read_as_if_each_stood_alone(between: bytes) -> None:
    text = between.join((b'{"Records":[{"n":1},{"n":2}]}', b'{"n":3,"t":"}{ ]["}', b'[{"n":4}]'))
    assert [value for _, value, _ in found(text)] == [
        {"n": 1},
        {"n": 2},
        {"n": 3, "t": "}{ ]["},
        {"n": 4},
    ]
    assert {problem for *_, problem in found(text)} == {""}


def test_place_names_the_document_and_the_record() -> None:
    assert [place for place, *_ in found(b'{"Records":[{"n":1},{"n":2}]}{"n":3}')] == [
        "document 1 Records[0]",
        "document 1 Records[1]",
        "document 2",
    ]


def test_lines_of_several_documents_name_both() -> None:
    text = b'{"n":1}{"n":2}\n{"n":3}\n{"n":4}{"n":5}\n'
    assert found(text) == [
        ("line 1 document 1", {"n": 1}, ""),
        ("line 1 document 2", {"n": 2}, ""),
        ("line 2", {"n": 3}, ""),
        ("line 3 document 1", {"n": 4}, ""),
        ("line 3 document 2", {"n": 5}, ""),
    ]


def test_damaged_document_keeps_its_neighbours() -> None:
    texts = [b'{"Records":[{"n":1}]}', b'{"Records":[{"n":2},{"n":x}]}', b'{"Records":[{"n":3}]}']
    read = found(b"".join(texts))
    assert [value for _, value, problem in read if not problem] == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert [place for place, _, problem in read if problem] == ["document 2 Records[1]"]


def test_missing_comma_makes_no_two_documents() -> None:
    read = found(b'{"Records":[{"n":1}{"n":2},{"n":3}]}')
    assert [place for place, *_ in read if place.startswith("document")] == []
    assert {"n": 3} in [value for _, value, _ in read]


def test_many_damaged_documents_cost_no_more_than_one() -> None:
    """What may be looked at again is one sum for all of a text."""
    damaged = b'{"a":[' + b'{"a":"},' * 60 + b"]x}"
    calls = 0

    def known(value: Any) -> bool:
        nonlocal calls
        calls += 1
        return type(value) is dict and "n" in value

    shape = Shape((), b"", known)
    body = b"{}" + damaged * 400
    assert len(list(pieces(body, shape))) > 400
    assert calls < 32 * len(body)


def test_cluster_of_events_behind_one_another_is_known() -> None:
    body = delivered(0) + delivered(2) + delivered(4)
    assert recognise(body) == "kubernetes"
    read = FORMATS["kubernetes"].parse(body, ASKED)
    assert (read.rejects, {record.realm for record in read.records}) == (
        [],
        {"k8s:111122223333/prod"},
    )
    assert [record.request_id for record in read.records] == [f"a{n}" for n in range(6)]
    assert [record.position for record in read.records[1:3]] == [
        "document 1 Records[1]",
        "document 2 Records[0]",
    ]


def test_joined_files_of_cloudtrail_are_read() -> None:
    record = {"eventVersion": "1.11", "eventName": "GetObject", "eventSource": "s3.amazonaws.com"}
    text = b"".join(
        orjson.dumps({"Records": [{**record, "eventID": f"{file}-{n}"} for n in range(200)]})
        for file in range(3)
    )
    read = FORMATS["cloudtrail"].parse(text, ASKED)
    assert (recognise(text), read.rejects) == ("cloudtrail", [])
    assert [one.vendor_id for one in read.records] == [
        f"{f}-{n}" for f in range(3) for n in range(200)
    ]


def test_large_file_of_documents_is_cut_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "WHOLE", 5000)
    monkeypatch.setattr(bodies, "_CHUNK", 3001)
    body = b"".join(delivered(2 * n) for n in range(50))
    known = FORMATS["kubernetes"]
    parts = list(bodies.parts(io.BytesIO(body), format="kubernetes", lists=known.lists, size=20))
    assert [(part.first, part.unit) for part in parts] == [
        (1, "document"),
        (21, "document"),
        (41, "document"),
    ]
    assert b"".join(part.body for part in parts) == body
    read = [
        (in_file(record.position, first=part.first, unit=part.unit), record.request_id)
        for part in parts
        for record in known.parse(part.body, ASKED).records
    ]
    assert read == [(f"document {n // 2 + 1} Records[{n % 2}]", f"a{n}") for n in range(100)]


@pytest.mark.parametrize("tail", [b"", b',"next":"]}{["'], ids=["bare", "with more"])
def test_documents_of_which_each_is_large_are_cut_in_their_lists(
    tail: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What follows the list of the first is no end of the file."""
    monkeypatch.setattr(bodies, "WHOLE", 5000)
    monkeypatch.setattr(bodies, "_HEAD", 4000)
    monkeypatch.setattr(bodies, "_CHUNK", 3001)
    listed = b",".join(
        orjson.dumps({"eventName": "x", "eventSource": "s3", "n": n}) for n in range(400)
    )
    body = (b'{"Records":[' + listed + b"]" + tail + b"}") * 3
    parts = list(bodies.parts(io.BytesIO(body), format="x", lists=("Records",), size=100))
    assert [(part.first, part.unit) for part in parts] == [
        (1 + 100 * n, "record") for n in range(12)
    ]
    assert sum(len(orjson.loads(part.body)["Records"]) for part in parts) == 1200


def test_document_of_no_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "WHOLE", 100)
    monkeypatch.setattr(bodies, "LARGEST_OF_LISTS", 10_000)
    monkeypatch.setattr(bodies, "_CHUNK", 300)
    body = b'{"a":[1]}' * 50 + b'{"a":"' + b"x" * 50_000
    with pytest.raises(bodies.BodyRefused) as refused:
        list(bodies.parts(io.BytesIO(body), format="x", size=10))
    assert "document 51" in refused.value.reason


@pytest.mark.parametrize(
    "text", [b'{"a":"' + b"}{" * 1000, b"}" * 1000, b'"' * 999, b"[]" + b" " * 100, b"", b"{}"]
)
def test_what_holds_no_second_document_has_no_end(text: bytes) -> None:
    assert strung.end_of_first(text) == 0
    assert list(strung.documents(text)) == [text]
