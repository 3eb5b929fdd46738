"""The door for records: what is answered, what is refused, and files that come in parts."""

import orjson
import pytest
from django.test import Client

from evidence.models import Deposit, Event, Reject, Source
from tests.evidence.bodies import record, trail
from tests.evidence.test_doors import JSON, push, token, zipped

__all__ = ["token"]


def test_records_door_answers_what_became_of_each(client: Client, token: str) -> None:
    body = trail(record(1), {"eventName": "GetObject"}, record(2), record(1))
    response = push(client, body, token, kind=JSON, path="/api/evidence/traces/")
    deposit, row = Deposit.objects.get(), Reject.objects.get()
    assert (response.status_code, response.json()) == (
        200,
        {
            "deposit": deposit.pk,
            "deposits": [deposit.pk],
            "already_here": [],
            "already_here_since": None,
            "format": "cloudtrail",
            "repeat": False,
            "records": 4,
            "events": 2,
            "duplicates": 1,
            "rejected": 1,
            "old": 0,
            "rejects": [{"position": "Records[1]", "reason": row.reason}],
        },
    )


def test_records_door_answers_the_same_bytes_with_the_first_deposit(
    client: Client, token: str
) -> None:
    body = trail(record(1))
    first = push(client, body, token, path="/api/evidence/traces/").json()
    again = push(client, zipped(body), token, encoding="gzip", path="/api/evidence/traces/").json()
    since = Deposit.objects.get().received_at.isoformat().replace("+00:00", "Z")
    assert again == first | {
        "deposits": [],
        "already_here": first["deposits"],
        "already_here_since": since,
        "repeat": True,
        "events": 0,
        "duplicates": 1,
    }


def test_records_door_takes_the_format_that_is_named(client: Client, token: str) -> None:
    body = trail(record(1))
    path = "/api/evidence/traces/?format=cloudtrail"
    assert push(client, body, token, path=path).json()["format"] == "cloudtrail"


MAPPED = "describe it by a mapping (docs/mapping.md); docs/formats.md lists the formats"


@pytest.mark.parametrize(
    ("path", "status", "problem"),
    [
        ("/api/evidence/other/", 403, "This token is not the token of the source other."),
        (
            "/api/evidence/traces/?format=morse",
            422,
            f"Nothing was stored: the format 'morse' is not known, and none is near it: {MAPPED}.",
        ),
        (
            "/api/evidence/traces/?format=git-hub",
            422,
            (
                "Nothing was stored: the format 'git-hub' is not known; nearest is github: name the"
                f" one that it is in where you send it, or {MAPPED}."
            ),
        ),
        (
            "/api/evidence/traces/",
            422,
            (
                "Nothing was stored: no format recognises this: it looks like plain text, and none is"
                f" near it: {MAPPED}."
            ),
        ),
    ],
)
def test_records_door_refuses_with_a_sentence(
    client: Client, token: str, path: str, status: int, problem: str
) -> None:
    response = push(client, b"hello", token, path=path)
    assert (response.status_code, response.json()) == (status, {"problem": problem})


def test_realm_that_the_source_may_not_speak_for_is_a_reject(client: Client, token: str) -> None:
    Source.objects.update(realms=["aws:999999999999"])
    answer = push(client, trail(record(1)), token, path="/api/evidence/traces/").json()
    assert (answer["events"], answer["rejected"], Event.objects.count()) == (0, 1, 0)


def test_records_door_takes_a_large_file_in_parts_and_says_places_in_the_file(
    client: Client, token: str
) -> None:
    lines = [orjson.dumps(record(number)) for number in range(12_000)]
    lines[11_000] = b'{"eventName": "Get'
    answer = push(client, zipped(b"\n".join(lines)), token, path="/api/evidence/traces/").json()
    assert (len(answer["deposits"]), answer["events"]) == (2, 11_999)
    assert [row["position"] for row in answer["rejects"]] == ["line 11001"]


def test_records_door_keeps_what_came_before_the_damage_and_says_so(
    client: Client, token: str
) -> None:
    lines = b"\n".join(orjson.dumps(record(number)) for number in range(40_000))
    response = push(client, zipped(lines)[:-200], token, path="/api/evidence/traces/")
    answer = response.json()
    assert (response.status_code, answer["problem"]) == (
        400,
        "The rest was not stored: it is compressed data that was cut off; send it whole.",
    )
    assert answer["events"] == Event.objects.count() > 0
