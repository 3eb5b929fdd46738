"""Phoenix's spans against a small server of its documented shapes: what the real one cannot show."""

import base64
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from evidence.models import Connection, Event, Pull, Source
from evidence.sources import phoenix
from evidence.sources.contract import Page
from evidence.sources.failures import Stopped
from evidence.sources.phoenix import CONNECTOR
from tests.connector_secrets import Kept
from tests.evidence.sources import pulling, refusals
from tests.evidence.sources.pulling import NOW
from tests.evidence.sources.server import Answer, Request, There, serving

TOKEN = "s3cret.jwt"


def _any(value: str) -> dict[str, Any]:
    kinds = ("array", "bool", "bytes", "double", "int", "kvlist")
    return {f"{kind}_value": None for kind in kinds} | {"string_value": value}


def span(number: int, begun: datetime) -> dict[str, Any]:
    nanos = int(begun.timestamp()) * 1_000_000_000
    said = {"gen_ai.tool.name": "read_invoice", "gen_ai.agent.name": "report-agent"}
    return {
        "attributes": [{"key": name, "value": _any(value)} for name, value in said.items()],
        "dropped_attributes_count": None,
        "end_time_unix_nano": nanos + 1_000_000,
        "events": None,
        "flags": None,
        "kind": "SPAN_KIND_INTERNAL",
        "links": None,
        "name": "read_invoice",
        "parent_span_id": None,
        "span_id": f"{number:016x}",
        "start_time_unix_nano": nanos,
        "status": {"code": 0, "message": None},
        "trace_id": f"{1000 + number:032x}",
        "trace_state": None,
    }


class Store:
    """The spans of one project under the numbers they were stored with, newest first."""

    def __init__(self, there: There) -> None:
        self.there = there
        self.rows: dict[int, dict[str, Any]] = {}
        there.on("GET", "/v1/projects/agents", self.project)
        there.on("GET", "/v1/projects/agents/spans", self.plain)
        there.on("GET", "/v1/projects/agents/spans/otlpv1", self.listed)

    def refused(self, request: Request) -> Answer | None:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer(401, "Invalid token")
        return None

    def project(self, request: Request) -> Answer:
        return self.refused(request) or Answer(body={"data": {"id": "UHJvamVjdDox"}})

    def chosen(self, request: Request) -> tuple[list[int], str | None]:
        numbers = sorted(self.rows, reverse=True)
        if "cursor" in request.query:
            most = int(base64.b64decode(request.query["cursor"]).decode().partition(":")[2])
            numbers = [number for number in numbers if number <= most]
        if "start_time" in request.query:
            first = datetime.fromisoformat(request.query["start_time"]).timestamp() * 1e9
            numbers = [one for one in numbers if self.rows[one]["start_time_unix_nano"] >= first]
        size = int(request.query["limit"])
        following = numbers[size] if len(numbers) > size else None
        return numbers[:size], None if following is None else place(following)

    def plain(self, request: Request) -> Answer:
        numbers, following = self.chosen(request)
        rows = [{"id": place(number), "name": "read_invoice"} for number in numbers]
        return self.refused(request) or Answer(body={"data": rows, "next_cursor": following})

    def listed(self, request: Request) -> Answer:
        numbers, following = self.chosen(request)
        rows = [self.rows[number] for number in numbers]
        return self.refused(request) or Answer(body={"data": rows, "next_cursor": following})

    def settings(self, **said: str) -> dict[str, str]:
        return {"url": self.there.url, "project": "agents", "token": "PHOENIX_KEY"} | said

    def add(self, *numbers: int, begun: datetime = NOW - timedelta(hours=2)) -> None:
        for number in numbers:
            self.rows[number] = span(number, begun + timedelta(seconds=number))


def place(number: int) -> str:
    return base64.b64encode(f"Span:{number}".encode()).decode()


@pytest.fixture
def store(secret_file: Kept, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    secret_file("PHOENIX_KEY", TOKEN)
    monkeypatch.setattr(phoenix, "LIMIT", 2)
    monkeypatch.setattr(phoenix, "OVERLAP", 3)
    with serving() as there:
        yield Store(there)


@pytest.fixture
def connected(store: Store, source: Callable[..., Source], settings: Any) -> Source:
    settings.ALLOW_PRIVATE = True
    made = source("phoenix", plane="ai")
    pulling.connect(made, "phoenix", store.settings())
    return made


def brought(found: list[Page]) -> list[int]:
    return [
        int(one["spanId"], 16)
        for page in found
        if page.body
        for one in json.loads(page.body)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    ]


def test_pull_goes_down_to_where_the_one_before_began(store: Store) -> None:
    store.add(1, 2, 3, 7, 9)
    first = pulling.pages(CONNECTOR, store.settings())
    assert (brought(first), first[-1].cursor["mark"]) == ([9, 7, 3, 2, 1], 9)
    store.add(*range(10, 15), begun=NOW - timedelta(days=3))
    later = NOW + timedelta(minutes=5)
    second = pulling.pages(CONNECTOR, store.settings(), cursor=first[-1].cursor, now=later)
    # Three numbers back are read again, and a page is never cut.
    assert (brought(second), second[-1].cursor["mark"]) == ([14, 13, 12, 11, 10, 9, 7, 3], 14)


def test_first_pull_goes_back_as_far_as_it_was_told(store: Store) -> None:
    store.add(1, 2, begun=NOW - timedelta(days=3))
    store.add(3, 4, 5)
    assert brought(pulling.pages(CONNECTOR, store.settings())) == [5, 4, 3]


def test_pull_that_was_left_goes_on_below_while_new_spans_arrive(store: Store) -> None:
    store.add(1, 2, 3, 4, 5)
    first = pulling.pages(CONNECTOR, store.settings())[0]
    store.add(6, 7)
    rest = pulling.pages(CONNECTOR, store.settings(), cursor=first.cursor)
    assert (brought(rest), rest[-1].cursor["mark"]) == ([3, 2, 1], 5)
    later = NOW + timedelta(minutes=5)
    again = pulling.pages(CONNECTOR, store.settings(), cursor=rest[-1].cursor, now=later)
    assert brought(again)[:2] == [7, 6]


def test_store_that_began_anew_is_read_from_its_beginning(store: Store) -> None:
    store.add(1, 2)
    found = pulling.pages(CONNECTOR, store.settings(), cursor={"mark": 90})
    assert (brought(found), found[-1].cursor["mark"]) == ([2, 1], 2)


def test_empty_project_is_a_pull_without_bodies(store: Store) -> None:
    (page,) = pulling.pages(CONNECTOR, store.settings())
    assert (page.body, page.cursor["mark"]) == (b"", 0)


@pytest.mark.parametrize("after", [0, 1])
@refusals.EVERY
def test_answers_that_are_no_page(
    store: Store, answer: Answer, kind: type[Exception], seconds: float | None, after: int
) -> None:
    store.add(1, 2)
    settings, refused = store.settings(), (answer, kind, seconds)
    refusals.met(store.there, CONNECTOR, settings, refused, after=after, secret=TOKEN)


def test_number_of_another_kind_is_refused(store: Store) -> None:
    store.there.fail(Answer(body={"data": [{"id": "not base64!"}], "next_cursor": None}))
    with pytest.raises(Stopped, match="names its spans in a way that is not known"):
        pulling.pages(CONNECTOR, store.settings())


def test_answer_that_is_too_large_is_asked_for_in_smaller_pages(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals.bound(monkeypatch)
    store.add(1, 2, 3)
    store.there.fail(None, refusals.LARGE)
    assert brought(pulling.pages(CONNECTOR, store.settings())) == [3, 2, 1]
    assert [one.query["limit"] for one in store.there.asked[1:]] == ["2", "1", "1", "1"]


def test_address_that_is_away_private_or_endless(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(1, 2)
    refusals.unreachable(CONNECTOR, store.settings())
    refusals.huge(CONNECTOR, store.settings(), monkeypatch, 200)


def test_checks_say_what_is_missing(store: Store, secret_file: Kept) -> None:
    found = pulling.checks(CONNECTOR, store.settings())
    assert [(one.ok, one.said) for one in found] == [
        (True, "the project agents is there"),
        (True, "spans can be read; there are none yet"),
    ]
    secret_file("PHOENIX_KEY", "another")
    found = pulling.checks(CONNECTOR, store.settings())
    assert [one.ok for one in found] == [False, False]
    assert {one.fix for one in found} == {"Give this source a new one."}


def test_pull_that_is_cut_after_any_page_loses_and_doubles_nothing(
    connected: Source, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.add(*range(1, 8))
    now = NOW
    while pulling.pull(connected, now=now, enough=lambda: True).state != "done":
        now += timedelta(seconds=1)
    assert Event.objects.count() == 7
    assert {value for _, _, value in pulling.named("agent")} == {"report-agent"}
    said = str(list(Connection.objects.values())) + str(list(Pull.objects.values())) + caplog.text
    assert TOKEN not in said
