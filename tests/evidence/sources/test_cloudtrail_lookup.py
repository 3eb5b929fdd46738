"""CloudTrail's event history over a fake held to its documented answers: moto has none.

The fake follows LookupEvents in the CloudTrail API reference: newest first, 50 at most, bounds
that belong to the window, a token that is good only with the parameters it was given out for, two
requests a second for each region, errors of the JSON 1.1 protocol.
"""

import base64
import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evidence.models import Connection, Event, Source
from evidence.sources import cloudtrail_lookup
from evidence.sources.cloudtrail_lookup import CONNECTOR
from evidence.sources.failures import Later, Stopped
from tests.connector_secrets import Kept
from tests.evidence.bodies import record
from tests.evidence.sources import pulling
from tests.evidence.sources.buckets import after, numbers
from tests.evidence.sources.pulling import NOW
from tests.evidence.sources.server import Answer, Request, There, serving

pytestmark = pytest.mark.django_db

type Make = Callable[..., Source]

SECRET = "h" * 40


def refused(code: str, **headers: str) -> Answer:
    return Answer(400, {"__type": code, "message": "said by CloudTrail"}, headers)


class History:
    """An account's event history by region: (time, number) of each event."""

    def __init__(self, there: There) -> None:
        self.there = there
        self.events: dict[str, list[tuple[datetime, int]]] = {}
        self.limited = False
        self.forgets_tokens = False
        self._last: dict[str, float] = {}
        there.on("POST", "/", self.answer)

    def add(self, number: int, at: datetime, region: str = "us-east-1") -> None:
        self.events.setdefault(region, []).append((at, number))

    def answer(self, request: Request) -> Answer:
        assert request.headers["x-amz-target"].endswith(".LookupEvents")
        scope = re.search(
            r"Credential=(\w+)/\d+/([\w-]+)/cloudtrail/", request.headers["authorization"]
        )
        assert scope is not None
        region, said = scope[2], request.json()
        if self.limited:
            now = time.monotonic()
            if now - self._last.get(region, 0) < 0.49:
                return refused("ThrottlingException")
            self._last[region] = now
        begin = 0
        if "NextToken" in said:
            token = json.loads(base64.b64decode(said["NextToken"]))
            if self.forgets_tokens or token["for"] != [said["StartTime"], said["EndTime"], region]:
                self.forgets_tokens = False
                return refused("InvalidNextTokenException")
            begin = token["begin"]
        first, last = said.get("StartTime", 0), said.get("EndTime", 2**40)
        found = sorted(
            (one for one in self.events.get(region, ()) if first <= one[0].timestamp() <= last),
            reverse=True,
        )
        some = found[begin : begin + said["MaxResults"]]
        answer: dict[str, Any] = {"Events": [self.shown(*one) for one in some]}
        if begin + len(some) < len(found):
            token = {"begin": begin + len(some), "for": [first, last, region]}
            answer["NextToken"] = base64.b64encode(json.dumps(token).encode()).decode()
        return Answer(body=answer, headers={"Content-Type": "application/x-amz-json-1.1"})

    def shown(self, at: datetime, number: int) -> dict[str, Any]:
        inside = record(number, at=at)
        return {
            "EventId": inside["eventID"],
            "EventName": inside["eventName"],
            "ReadOnly": "true",
            "AccessKeyId": inside["userIdentity"]["accessKeyId"],
            "EventTime": at.timestamp(),
            "EventSource": inside["eventSource"],
            "Username": "svc-report",
            "Resources": [],
            "CloudTrailEvent": json.dumps(inside),
        }


@pytest.fixture
def history(settings: Any, secret_file: Kept, monkeypatch: pytest.MonkeyPatch) -> Iterator[History]:
    settings.ALLOW_PRIVATE = True
    secret_file("HISTORY_SECRET", SECRET)
    monkeypatch.setattr(cloudtrail_lookup, "SECONDS_APART", 0.0)
    with serving() as there:
        yield History(there)


def said(history: History, **more: str) -> dict[str, str]:
    return {
        "endpoint": history.there.url,
        "access_key_id": "AKIAIOSFODNN7EXAMPLE",
        "secret_access_key": "HISTORY_SECRET",
    } | more


def test_first_pull_brings_all_pages_of_all_windows(history: History, source: Make) -> None:
    for number in range(240):
        history.add(number, NOW - timedelta(minutes=5 * number + 1))
    made = source()
    pulling.connect(made, "cloudtrail_lookup", said(history))
    row = pulling.pull(made)
    assert (row.state, row.problem, row.events, row.duplicates) == ("done", "", 240, 0)
    assert numbers() == list(range(240))
    assert pulling.named("principal") == {
        ("aws:123456789012", "arn", "arn:aws:iam::123456789012:user/svc-report")
    }
    assert pulling.named("credential") == {("aws", "access_key", "AKIAIOSFODNN7EXAMPLE")}
    assert pulling.cursor(made) == {"to": NOW.isoformat()}
    made.refresh_from_db()
    assert made.watermark == NOW - timedelta(seconds=900)


def test_next_pull_begins_an_hour_before_and_finds_what_came_late(
    history: History, source: Make
) -> None:
    history.add(1, NOW - timedelta(minutes=20))
    made = source()
    pulling.connect(made, "cloudtrail_lookup", said(history))
    assert pulling.pull(made).events == 1
    history.add(2, NOW - timedelta(minutes=40))
    later = NOW + timedelta(minutes=5)
    history.add(3, NOW + timedelta(minutes=4))
    row = pulling.pull(made, now=later)
    assert (row.events, row.duplicates, numbers()) == (2, 1, [1, 2, 3])
    asked = history.there.asked[-1].json()
    assert asked["StartTime"] == (NOW - timedelta(hours=1)).timestamp()
    assert asked["EndTime"] == later.timestamp()
    assert asked["MaxResults"] == 50


def test_bytes_are_kept_as_they_came_and_an_empty_history_brings_none(history: History) -> None:
    empty = pulling.pages(CONNECTOR, said(history))
    assert [page.body for page in empty] == [b""] * 4
    history.add(1, NOW - timedelta(hours=1))
    found = pulling.pages(CONNECTOR, said(history))[-1]
    assert json.loads(found.body)["Events"][0]["Username"] == "svc-report"
    assert (found.reached, found.format) == (NOW, "cloudtrail")


@pytest.mark.parametrize("stop_after", range(1, 8))
def test_left_anywhere_it_goes_on_there(history: History, source: Make, stop_after: int) -> None:
    for number in range(120):
        at = NOW - timedelta(minutes=number, seconds=30)
        history.add(number, at, "us-east-1")
        history.add(number + 500, at, "eu-west-1")
    made = source()
    pulling.connect(made, "cloudtrail_lookup", said(history, regions="us-east-1, eu-west-1"))
    row = pulling.pull(made, enough=after(stop_after))
    assert row.state == "waiting"
    row = pulling.pull(made)
    assert (row.state, row.records, row.duplicates) == ("done", 240, 0)
    assert Event.objects.count() == 240


def test_token_that_was_kept_too_long_begins_its_window_again(
    history: History, source: Make
) -> None:
    for number in range(60):
        history.add(number, NOW - timedelta(minutes=number + 1))
    made = source()
    pulling.connect(made, "cloudtrail_lookup", said(history))
    pulling.pull(made, enough=after(4))
    assert pulling.cursor(made)["window"]["token"]
    history.forgets_tokens = True
    row = pulling.pull(made)
    assert (row.state, row.problem, len(numbers())) == ("done", "", 60)


def test_what_is_older_than_ninety_days_is_told_as_gone(
    history: History, source: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloudtrail_lookup, "WINDOW", timedelta(days=5))
    history.add(1, NOW - timedelta(days=89))
    made = source()
    pulling.connect(made, "cloudtrail_lookup", said(history), days=100)
    row = pulling.pull(made)
    assert (row.state, numbers()) == ("done", [1])
    gap = pulling.gaps().get()
    assert (gap.during.lower, gap.during.upper) == (
        NOW - timedelta(days=100),
        NOW - timedelta(days=90),
    )
    assert gap.reason == "CloudTrail keeps its event history for 90 days"


def test_two_requests_a_second_are_not_exceeded(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloudtrail_lookup, "SECONDS_APART", 0.5)
    history.limited = True
    for number in range(120):
        history.add(number, NOW - timedelta(seconds=number + 1))
    began = time.monotonic()
    found = pulling.pages(CONNECTOR, said(history), cursor={"to": NOW.isoformat()})
    assert (len([page for page in found if page.body]), len(history.there.asked)) == (3, 3)
    assert time.monotonic() - began >= 1.0


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (refused("ThrottlingException"), Later, "AWS answered ThrottlingException"),
        (refused("ThrottlingException", **{"Retry-After": "9"}), Later, "asks to wait"),
        (Answer(429, headers={"Retry-After": "9"}), Later, "answered 429 and asks to wait"),
        (Answer(502, "<html>"), Later, "AWS answered 502"),
        (refused("AccessDeniedException"), Stopped, "AWS refused cloudtrail:LookupEvents"),
        (refused("UnrecognizedClientException"), Stopped, "does not accept the credentials"),
        (refused("InvalidSignatureException"), Stopped, "does not accept the credentials"),
        (refused("ExpiredTokenException"), Later, "AWS answered ExpiredTokenException"),
        (refused("InvalidTimeRangeException"), Stopped, "said by CloudTrail"),
        (Answer(404, ""), Stopped, "does not exist"),
        (Answer(200, "no json"), Stopped, "is no list of events"),
        (Answer(200, {"Events": 7}), Later, "failed"),
        (Answer(200, {}), Stopped, "is no list of events"),
        (Answer(200, b" " * (65 << 20)), Stopped, "more than 64 MiB"),
    ],
)
def test_refusal_waits_or_says_what_to_do(
    history: History, answer: Answer, error: type[Exception], words: str
) -> None:
    history.there.on("POST", "/", answer)
    with pytest.raises(error, match=words) as caught:
        pulling.pages(CONNECTOR, said(history))
    if "Retry-After" in answer.headers:
        assert isinstance(caught.value, Later)
        assert caught.value.seconds == 9


def test_checks_ask_every_region(history: History) -> None:
    history.add(1, NOW, "eu-west-1")
    found = pulling.checks(CONNECTOR, said(history, regions="us-east-1,eu-west-1"))
    assert [(one.name, one.ok, one.said) for one in found] == [
        ("credentials", True, "are there"),
        ("cloudtrail:LookupEvents in us-east-1", True, "its event history is empty"),
        ("cloudtrail:LookupEvents in eu-west-1", True, "its event history can be read"),
    ]
    history.there.on("POST", "/", refused("AccessDeniedException"))
    wrong = [one for one in pulling.checks(CONNECTOR, said(history)) if not one.ok]
    assert [one.name for one in wrong] == ["cloudtrail:LookupEvents in us-east-1"]
    assert wrong[0].fix.startswith(
        "Allow cloudtrail:LookupEvents on the event history of us-east-1 for the user or role"
    )


def test_private_endpoint_is_refused_unless_allowed(history: History) -> None:
    with pytest.raises(Stopped, match="does not speak https"):
        pulling.pages(CONNECTOR, said(history), private=False)
    assert history.there.asked == []


def test_secret_is_in_no_cursor_message_or_log(
    history: History, source: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    history.add(1, NOW - timedelta(hours=1))
    made = source()
    pulling.connect(made, "cloudtrail_lookup", said(history))
    pulling.pull(made)
    history.there.on("POST", "/", refused("AccessDeniedException"))
    row = pulling.pull(made, now=NOW + timedelta(hours=1))
    rows = list(Connection.objects.values("cursor", "settings"))
    text = json.dumps([rows, row.problem, row.fix, caplog.text], default=str)
    assert row.state == "failed"
    assert SECRET not in text
    assert datetime.fromisoformat(rows[0]["cursor"]["to"]).tzinfo == UTC
