"""A source that used its quota is told when to come again, on the wire and on the page."""

import gzip
from collections.abc import Callable, Iterator

import orjson
import pytest
from django.core.cache import cache
from django.test import Client

from evidence import actions, doors
from evidence.formats import FORMATS, counting
from evidence.formats.otlp import wire
from evidence.formats.record import Asked
from evidence.models import Deposit, Source
from evidence.permissions import COMMAND
from evidence.turns import Quota, Turns
from tests.evidence.bodies import run_of
from tests.evidence.conftest import NOW
from tests.evidence.readers import person, signed_in

__all__ = ["person", "signed_in"]

pytestmark = pytest.mark.django_db
PROTOBUF = "application/x-protobuf"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A quota of three records in a minute."""
    quota = Quota(seconds=60.0, bytes=1 << 30, records=3)
    monkeypatch.setattr(doors, "turns", Turns(2, 2, 0.5, quota=quota, clock=lambda: 1_000.0))
    yield
    cache.clear()


def token_of(name: str) -> str:
    source = Source.objects.create(name=name, created_at=NOW, created_by="test")
    return actions.new_token(source=source, by=COMMAND, now=NOW)[1]


def push(client: Client, token: str, name: str) -> int:
    answer = client.post(
        "/v1/traces",
        run_of(name).SerializeToString(),
        content_type=PROTOBUF,
        headers={"Authorization": f"Bearer {token}"},
    )
    if answer.status_code == 503:
        assert answer["Retry-After"] == "60"
        assert b"used its quota" in answer.content
    return answer.status_code


def test_source_over_its_quota_is_told_and_the_next_one_is_taken(client: Client) -> None:
    one, other = token_of("one"), token_of("other")
    assert [push(client, one, f"REQ{number}") for number in range(3)] == [200, 200, 503]
    assert push(client, other, "REQ9") == 200
    assert doors.spent(["one", "other"]) == ["one"]
    assert Deposit.objects.count() == 3


def test_page_of_sources_names_who_is_over_its_quota(
    client: Client, signed_in: Callable[..., Client]
) -> None:
    token = token_of("one")
    token_of("other")
    assert [push(client, token, f"REQ{number}") for number in range(3)] == [200, 200, 503]
    page = signed_in("jonas", "administrator").get("/sources/")
    assert page.context["over_quota"] == ["one"]
    assert "one sent more than its quota" in page.content.decode()


def test_unpacked_bytes_of_a_file_count(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    quota = Quota(seconds=60.0, bytes=10_000, records=1_000)
    monkeypatch.setattr(doors, "turns", Turns(2, 2, 0.5, quota=quota, clock=lambda: 1_000.0))
    token = token_of("one")
    line = orjson.dumps({"eventName": "A", "padding": "x" * 29_980})
    answers = [
        client.post(
            "/api/evidence/one/?format=cloudtrail",
            gzip.compress(line + b"\n"),
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 503]
    assert int(answers[1]["Retry-After"]) == 121


def test_large_files_have_a_quota_as_well() -> None:
    assert doors.file_turns.quota == doors.QUOTA


def test_body_of_too_many_records_is_not_taken(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "MOST_RECORDS", 2)
    token = token_of("one")
    line = orjson.dumps({"eventName": "A"}) + b"\n"
    answer = client.post(
        "/api/evidence/one/?format=cloudtrail",
        line * 3,
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 422
    assert (
        b"the body has more than the 2 records that one may have: send it in parts"
        in answer.content
    )
    assert not Deposit.objects.exists()


def protobuf(tag: int, inside: bytes) -> bytes:
    """A field that holds bytes: tag, length, content."""
    length, rest = b"", len(inside)
    while rest > 127:
        length, rest = length + bytes([rest & 127 | 128]), rest >> 7
    return bytes([tag]) + length + bytes([rest]) + inside


EMPTY_SPANS = b"\x12\x00" * 101


@pytest.mark.parametrize(
    ("format", "body"),
    [
        pytest.param("cloudtrail", b'{"eventName":"A"}\n' * 101, id="lines"),
        pytest.param("cloudtrail", b"{}\n" * 101, id="lines-of-nothing"),
        pytest.param("cloudtrail", b"[" + b"{}," * 100 + b"{}]\n{}\n{}\n", id="one-line-of-many"),
        pytest.param("cloudtrail", b'{"Records":[' + b"{}," * 100 + b"{}]}", id="document"),
        pytest.param("okta", b"[" + b"1," * 100 + b"1]", id="list-of-numbers"),
        pytest.param("otlp", b"[" + b"{}," * 200 + b"{}]", id="requests"),
        pytest.param("otlp", b'{"resourceSpans":[' + b"{}," * 100 + b"{}]}", id="groups"),
        pytest.param(
            "otlp",
            b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b"{}," * 100 + b"{}]}]}]}",
            id="spans",
        ),
        pytest.param("otlp", protobuf(0x0A, protobuf(0x12, EMPTY_SPANS)), id="protobuf"),
        pytest.param("otlp", b"\x0a\x00" * 101, id="protobuf-groups"),
    ],
)
def test_reading_stops_at_too_many_records(
    format: str,  # noqa: A002 - what formats are called
    body: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counting, "MOST_RECORDS", 100)
    monkeypatch.setattr(wire, "_LARGEST_UNCOUNTED", 100)
    asked = Asked(source="one", digest_key=bytes(64), home="one")
    with pytest.raises(counting.TooManyRecords, match="more than the 100 records"):
        FORMATS[format].parse(body, asked)


def test_large_request_of_too_many_spans_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MOST_RECORDS", 100)
    monkeypatch.setattr(wire, "_LARGEST_UNCOUNTED", 100)
    monkeypatch.delattr(wire, "ExportTraceServiceRequest")
    with pytest.raises(counting.TooManyRecords):
        list(wire.requests(protobuf(0x0A, protobuf(0x12, EMPTY_SPANS))))
