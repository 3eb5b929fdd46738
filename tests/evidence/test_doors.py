"""The doors that senders push to: encodings, tokens, bounds, pressure, and what is answered."""

import gzip
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from threading import Barrier, Thread
from threading import Event as Signal
from time import sleep
from typing import Any

import orjson
import pytest
import zstandard
from django.db import connection
from django.test import Client
from django.utils import timezone
from google.protobuf.json_format import (  # type: ignore[import-untyped]  # ships no types
    MessageToDict,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from evidence import actions, doors, intake
from evidence.models import Deposit, Event, Reject, Source
from evidence.permissions import COMMAND
from evidence.turns import Busy, Turns
from tests.conftest import owner_connection
from tests.evidence.bodies import export, run_of
from tests.evidence.conftest import NOW

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


@pytest.fixture
def token(source: Callable[..., Source]) -> str:
    """The token of the source `traces`."""
    row = source("traces", plane="ai")
    return actions.new_token(source=row, by=COMMAND, now=timezone.now())[1]


def push(
    client: Client,
    body: bytes,
    token: str,
    *,
    kind: str = PROTOBUF,
    path: str = "/v1/traces",
    encoding: str = "",
    **headers: str,
) -> Any:
    if encoding:
        headers["Content-Encoding"] = encoding
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return client.post(path, body, content_type=kind, headers=headers)


def hex_json(body: Any) -> bytes:
    """An export request as OTLP writes JSON: ids in hexadecimal."""
    document = MessageToDict(body)
    for group in document["resourceSpans"]:
        for scope in group["scopeSpans"]:
            for span, raw in zip(
                scope["spans"], body.resource_spans[0].scope_spans[0].spans, strict=True
            ):
                span["traceId"], span["spanId"] = raw.trace_id.hex(), raw.span_id.hex()
                if raw.parent_span_id:
                    span["parentSpanId"] = raw.parent_span_id.hex()
    return orjson.dumps(document)


def zipped(body: bytes) -> bytes:
    return gzip.compress(body)


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("", bytes),
        ("identity", bytes),
        ("gzip", zipped),
        ("deflate", zlib.compress),
        ("zstd", zstandard.compress),
    ],
)
def test_otlp_protobuf_is_stored_in_any_encoding(
    client: Client, token: str, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    body = run_of("REQ1").SerializeToString()
    response = push(client, pack(body), token, encoding=encoding)
    assert (response.status_code, response["Content-Type"], response.content) == (
        200,
        PROTOBUF,
        b"",
    )
    assert Event.objects.count() == 3
    assert Deposit.objects.get().received_by == "source:traces"


def test_otlp_json_is_answered_in_json(client: Client, token: str) -> None:
    response = push(client, hex_json(run_of("REQ1")), token, kind=f"{JSON}; charset=utf-8")
    assert (response.status_code, response["Content-Type"], response.json()) == (200, JSON, {})
    assert Event.objects.count() == 3


def test_otlp_json_and_protobuf_of_the_same_spans_are_one_set_of_events(
    client: Client, token: str
) -> None:
    push(client, run_of("REQ1").SerializeToString(), token)
    push(client, hex_json(run_of("REQ1")), token, kind=JSON)
    assert (Event.objects.count(), Deposit.objects.count()) == (3, 2)


def broken_span() -> Any:
    body = export({"span": 1}, {"span": 2})
    body.resource_spans[0].scope_spans[0].spans[1].trace_id = b"short"
    return body


def test_otlp_partial_success_names_the_rejected_span(client: Client, token: str) -> None:
    response = push(client, broken_span().SerializeToString(), token)
    answer = ExportTraceServiceResponse.FromString(response.content)
    row = Reject.objects.get()
    assert (response.status_code, answer.partial_success.rejected_spans) == (200, 1)
    assert answer.partial_success.error_message == f"{row.position}: {row.reason}"
    assert row.position == "spans[0.0.1]"
    assert Event.objects.count() == 1


def test_otlp_partial_success_in_json_counts_in_text(client: Client, token: str) -> None:
    document = orjson.loads(hex_json(export({"span": 1}, {"span": 2})))
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][1]["traceId"] = "zz"
    response = push(client, orjson.dumps(document), token, kind=JSON)
    assert response.json()["partialSuccess"]["rejectedSpans"] == "1"


def test_otlp_nothing_to_send_is_a_success(client: Client, token: str) -> None:
    response = client.generic(
        "POST", "/v1/traces", b"", CONTENT_TYPE=PROTOBUF, HTTP_AUTHORIZATION=f"Bearer {token}"
    )
    assert (response.status_code, response.content) == (200, b"")


def test_otlp_body_that_is_none_is_a_bad_request_and_kept(client: Client, token: str) -> None:
    response = push(client, b"this is no export request", token)
    assert (response.status_code, response["Content-Type"]) == (400, PROTOBUF)
    assert b"is not an OTLP export request" in response.content
    assert Reject.objects.get().position == "body"


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("", 401),
        ("Bearer", 401),
        ("Basic dXNlcjpwYXNz", 401),
        ("Bearer css_unknown", 401),
        ("Bearer " + "x" * 500, 401),
        ("Bearer é", 401),
    ],
)
def test_otlp_without_the_sources_token_stores_nothing(
    client: Client, token: str, header: str, status: int
) -> None:
    response = client.post(
        "/v1/traces",
        run_of("REQ1").SerializeToString(),
        content_type=PROTOBUF,
        headers={"Authorization": header} if header else {},
    )
    assert (response.status_code, response["WWW-Authenticate"]) == (
        status,
        'Bearer realm="countersign"',
    )
    assert Deposit.objects.count() == 0


def test_otlp_with_a_token_that_ended_is_forbidden(client: Client, token: str) -> None:
    Source.objects.update(token_expires_at=timezone.now() - timedelta(seconds=1))
    response = push(client, run_of("REQ1").SerializeToString(), token)
    assert (response.status_code, Deposit.objects.count()) == (403, 0)


def test_token_that_was_replaced_opens_nothing(client: Client, token: str) -> None:
    new = actions.new_token(source=Source.objects.get(), by=COMMAND, now=timezone.now())[1]
    body = run_of("REQ1").SerializeToString()
    assert push(client, body, token).status_code == 401
    assert push(client, body, new).status_code == 200


def test_token_use_is_seen_on_the_source(client: Client, token: str) -> None:
    push(client, export({"span": 1}).SerializeToString(), token)
    used = Source.objects.get().token_used_at
    assert used is not None
    assert timezone.now() - used < timedelta(minutes=1)


@pytest.mark.parametrize("kind", ["text/plain", "application/grpc", "multipart/form-data"])
def test_otlp_in_another_content_type_is_refused(client: Client, token: str, kind: str) -> None:
    assert push(client, b"x", token, kind=kind).status_code == 415


def test_otlp_in_an_unknown_encoding_is_refused(client: Client, token: str) -> None:
    assert push(client, b"x", token, encoding="br").status_code == 415


def test_otlp_asked_for_is_not_allowed(client: Client, token: str) -> None:
    response = client.get("/v1/traces")
    assert (response.status_code, response["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b"not compressed", "gzip", 400),
        (gzip.compress(b"x" * 1000)[:-9], "gzip", 400),
        (b"\x1f\x8b" + b"\0" * 40, "gzip", 400),
    ],
    ids=["not compressed", "cut off", "only a header"],
)
def test_body_that_cannot_be_unpacked_is_a_bad_request(
    client: Client, token: str, body: bytes, encoding: str, status: int
) -> None:
    assert push(client, body, token, encoding=encoding).status_code == status


def test_body_that_unpacks_to_too_much_is_refused_within_bounds(client: Client, token: str) -> None:
    bomb = gzip.compress(b"\0" * (doors.LARGEST_UNPACKED + 1), 9)
    response = push(client, bomb, token, encoding="gzip")
    assert (response.status_code, len(bomb) < 200_000) == (413, True)


def test_body_that_is_too_large_as_sent_is_refused(client: Client, token: str) -> None:
    response = push(client, b"\x0a" * (doors.LARGEST_BODY + 1), token)
    assert response.status_code == 413


@pytest.mark.django_db(transaction=True)
def test_success_means_committed(
    client: Client, token: str, as_owner: Callable[..., list[tuple[Any, ...]]], nudges: list[str]
) -> None:
    response = push(client, run_of("REQ1").SerializeToString(), token)
    assert response.status_code == 200
    assert as_owner("SELECT count(*) FROM evidence_event") == [(3,)]
    assert nudges[-1] == "evidence.stored"


@pytest.mark.unmovable_clock("waits for a timeout of PostgreSQL")
@pytest.mark.django_db(transaction=True)
def test_database_that_does_not_answer_is_said_with_a_time_to_try_again(
    client: Client, token: str
) -> None:
    name = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
    with owner_connection(name) as other, other.transaction():
        other.execute("LOCK TABLE evidence_deposit IN ACCESS EXCLUSIVE MODE")
        response = push(client, run_of("REQ1").SerializeToString(), token)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")
    again = push(client, run_of("REQ1").SerializeToString(), token)
    assert (again.status_code, Event.objects.count()) == (200, 3)


def test_turns_let_so_many_in_a_few_wait_and_send_the_rest_away() -> None:
    turns = Turns(most=2, waiting=1, patience=30)
    inside, leave = Barrier(3), Signal()
    passed: list[int] = []

    def stay(number: int) -> None:
        with turns.one(1):
            if number < 2:
                inside.wait(60)
            leave.wait(60)
            passed.append(number)

    threads = [Thread(target=stay, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    inside.wait(60)
    waiter = Thread(target=stay, args=(2,))
    waiter.start()
    while not turns.waiting:
        sleep(0.001)
    with pytest.raises(Busy), turns.one(1):
        pass
    leave.set()
    for thread in (*threads, waiter):
        thread.join(60)
    assert sorted(passed) == [0, 1, 2]
    with turns.one(1):
        passed.append(3)


def test_turn_that_is_waited_for_too_long_is_not_given() -> None:
    turns = Turns(most=1, waiting=1, patience=0.01)
    with turns.one(1), pytest.raises(Busy), turns.one(1):
        pass


def test_door_under_pressure_says_when_to_try_again(client: Client, token: str) -> None:
    with ExitStack() as held:
        for _ in range(doors.MOST_AT_ONCE):
            held.enter_context(doors.turns.one(0))
        response = push(client, run_of("REQ1").SerializeToString(), token)
    assert (response.status_code, response["Retry-After"]) == (503, str(Busy.retry_after))
    assert Event.objects.count() == 0


@pytest.mark.parametrize(
    ("path", "kind", "problem"),
    [
        ("/v1/traces", JSON, "The source traces sends cloudtrail, not OTLP."),
        (
            "/api/evidence/traces/?format=otlp",
            JSON,
            "The source traces sends cloudtrail, not otlp.",
        ),
    ],
)
def test_source_of_one_format_takes_no_other(
    client: Client, token: str, path: str, kind: str, problem: str
) -> None:
    Source.objects.update(format="cloudtrail")
    response = push(client, hex_json(run_of("REQ1")), token, kind=kind, path=path)
    said = response.json()
    assert (response.status_code, said.get("problem") or said["message"]) == (403, problem)
    assert Deposit.objects.count() == 0


def taken(number: int, since: datetime | None = None, **more: Any) -> intake.Taken:
    made: dict[str, Any] = {"deposit": number, "format": "x", "records": 2, "events": 2} | more
    return intake.Taken(repeat=since is not None, since=since, **made)


def test_what_was_here_already_is_told_once_and_since_when() -> None:
    sum_ = doors.EMPTY
    assert (sum_.first, sum_.repeat, sum_.since) == (None, False, None)
    for one in (taken(3, NOW), taken(3, NOW), taken(2, NOW - timedelta(days=1))):
        sum_ = doors.add(sum_, one)
    assert (sum_.first, sum_.repeat, sum_.since) == (3, True, NOW - timedelta(days=1))
    assert (sum_.deposits, list(sum_.already), sum_.events, sum_.duplicates) == ([], [3, 2], 0, 6)
    # The same body twice in one new file is one deposit, which was not here before.
    for one in (taken(9), taken(9, NOW)):
        sum_ = doors.add(sum_, one)
    assert (sum_.deposits, list(sum_.already), sum_.first, sum_.repeat) == ([9], [3, 2], 9, False)
