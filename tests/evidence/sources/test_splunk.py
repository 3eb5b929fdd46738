"""Splunk's saved searches: stretches of indexing time, originals, refusals, and the events."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from evidence.models import Connection, Event, Pull, Source
from evidence.sources import splunk
from evidence.sources.contract import Page
from evidence.sources.failures import Later, Stopped
from evidence.sources.splunk import CONNECTOR
from tests.connector_secrets import Kept
from tests.evidence.bodies import record
from tests.evidence.sources import pulling, refusals
from tests.evidence.sources.pulling import NOW
from tests.evidence.sources.server import Answer, Request, There, serving

TOKEN = "s3cret.splunk"
HEAD = re.compile(r"\| head (\d+)")


class Search:
    """One saved search over an index whose rows were indexed at some second."""

    def __init__(self, there: There) -> None:
        self.there = there
        self.text = "index=aws sourcetype=aws:cloudtrail"
        self.rows: list[tuple[int, dict[str, Any]]] = []
        there.on("GET", "/servicesNS/-/sec/saved/searches/All%20trails", self.saved)
        there.on("GET", "/services/authentication/current-context", self.context)
        there.on("POST", "/services/search/v2/jobs/export", self.export)

    def refused(self, request: Request) -> Answer | None:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer(401, {"messages": [{"type": "WARN", "text": "call not properly"}]})
        return None

    def context(self, request: Request) -> Answer:
        body = {"entry": [{"content": {"username": "countersign"}}]}
        return self.refused(request) or Answer(body=body)

    def saved(self, request: Request) -> Answer:
        body = {"entry": [{"name": "All trails", "content": {"search": self.text}}]}
        return self.refused(request) or Answer(body=body)

    def export(self, request: Request) -> Answer:
        said = request.form()
        assert said["search"].startswith("search index=aws")
        assert "| fields - _bkt" in said["search"]
        first, last = int(said["index_earliest"]), int(said["index_latest"])
        assert int(said["earliest_time"]) < first < last < int(said["latest_time"])
        rows = [row for at, row in self.rows if first <= at < last]
        head = HEAD.search(said["search"])
        rows = rows[: int(head[1])] if head is not None else rows
        lines = [{"preview": True, "offset": 0, "result": {"_raw": "a preview"}}]
        lines += [{"preview": False, "offset": n, "result": row} for n, row in enumerate(rows)]
        lines.append({"preview": False, "lastrow": True})
        return self.refused(request) or Answer(body="\n".join(map(json.dumps, lines)))

    def settings(self, **said: str) -> dict[str, str]:
        return {
            "url": self.there.url,
            "token": "SPLUNK_TOKEN",
            "search": "All trails",
            "app": "sec",
        } | said

    def add(self, *numbers: int, indexed: datetime = NOW - timedelta(hours=2)) -> None:
        for number in numbers:
            self.rows.append(
                (
                    int(indexed.timestamp()) + number,
                    {
                        "_raw": json.dumps(record(number, at=NOW - timedelta(hours=3))),
                        "_time": "2026-11-24T09:00:00.000+00:00",
                        # What Splunk found in the text, under half of its names.
                        "eventName": "GetObject",
                        "eventSource": "s3.amazonaws.com",
                        "userIdentity.arn": "arn:aws:iam::123456789012:user/svc-report",
                    },
                )
            )


@pytest.fixture
def search(secret_file: Kept) -> Iterator[Search]:
    secret_file("SPLUNK_TOKEN", TOKEN)
    with serving() as there:
        yield Search(there)


@pytest.fixture
def connected(search: Search, source: Callable[..., Source], settings: Any) -> Source:
    settings.ALLOW_PRIVATE = True
    made = source("splunk")
    pulling.connect(made, "splunk", search.settings())
    return made


def brought(found: list[Page]) -> list[int]:
    said = b"".join(page.body for page in found).decode()
    return [int(number) for number in re.findall(r"REQ(\d+)", said)]


def test_first_pull_brings_all_and_the_next_what_is_new(search: Search) -> None:
    search.add(1, 2, 3)
    first = pulling.pages(CONNECTOR, search.settings())
    assert (brought(first), first[-1].reached) == ([1, 2, 3], NOW)
    search.add(9, indexed=NOW)
    later = NOW + timedelta(minutes=5)
    second = pulling.pages(CONNECTOR, search.settings(), cursor=first[-1].cursor, now=later)
    assert brought(second) == [9]


def test_event_that_was_indexed_late_is_found_whenever_it_happened(search: Search) -> None:
    first = pulling.pages(CONNECTOR, search.settings())
    search.add(1, indexed=NOW + timedelta(seconds=30))
    # Searchable only a while after its time of indexing.
    search.add(2, indexed=NOW - timedelta(minutes=4))
    later = NOW + timedelta(minutes=1)
    second = pulling.pages(CONNECTOR, search.settings(), cursor=first[-1].cursor, now=later)
    assert sorted(brought(second)) == [1, 2]


def test_stretches_are_halved_until_they_fit_a_page(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splunk, "LIMIT", 3)
    search.add(*range(1, 21))
    # More of one second than a page has: they come whole.
    for number in range(30, 40):
        search.add(number, indexed=NOW - timedelta(hours=1, seconds=number))
    found = pulling.pages(CONNECTOR, search.settings())
    assert sorted(brought(found)) == [*range(1, 21), *range(30, 40)]
    assert found[-1].reached == NOW


def test_search_of_nothing_is_a_pull_without_bodies(search: Search) -> None:
    found = pulling.pages(CONNECTOR, search.settings())
    assert [page.body for page in found] == [b""] * 4
    assert found[-1].reached == NOW


@pytest.mark.parametrize("text", ["search index=aws", "| search index=aws", "index=aws"])
def test_search_is_run_as_splunk_wants_it(search: Search, text: str) -> None:
    search.text = text
    search.there.on("POST", "/services/search/v2/jobs/export", Answer(body=b""))
    pulling.pages(CONNECTOR, search.settings())
    said = search.there.asked[1].form()["search"]
    assert said.startswith(text if text.startswith(("search", "|")) else f"search {text}")


@refusals.EVERY
def test_answers_that_are_no_search(
    search: Search, answer: Answer, kind: type[Exception], seconds: float | None
) -> None:
    refused = (answer, kind, seconds)
    refusals.met(search.there, CONNECTOR, search.settings(), refused, secret=TOKEN)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Answer(429, headers={"Retry-After": "9"}), Later, "answered 429"),
        (Answer(200, b'{"result":{"_raw":"a"}}\n{"resu'), Later, "broken off"),
        (Answer(200, b"[]"), Stopped, "no export"),
        (Answer(200, {"messages": [{"type": "FATAL", "text": "peer is down"}]}), Later, "peer is"),
        (Answer(400, {"messages": [{"type": "FATAL", "text": "Unknown x"}]}), Stopped, "Unknown x"),
        (Answer(403, {"messages": [{"type": "WARN", "text": "insufficient permission"}]}),
         Stopped, "insufficient permission"),
    ],
)  # fmt: skip
def test_answers_that_are_no_export(
    search: Search, answer: Answer, kind: type[Exception], words: str
) -> None:
    search.there.fail(None, answer)
    with pytest.raises(kind, match=words):
        pulling.pages(CONNECTOR, search.settings())


def test_answer_that_is_too_large_is_asked_for_in_halves(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals.bound(monkeypatch)
    search.add(1, 2)
    search.there.fail(None, refusals.LARGE)
    assert brought(pulling.pages(CONNECTOR, search.settings())) == [1, 2]


def test_address_that_is_away_private_or_endless(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    search.add(1)
    refusals.unreachable(CONNECTOR, search.settings())
    refusals.huge(CONNECTOR, search.settings(), monkeypatch, 200)


def test_checks_say_what_is_missing(search: Search, secret_file: Kept) -> None:
    search.add(-5, indexed=NOW)
    found = pulling.checks(CONNECTOR, search.settings())
    assert [(one.ok, one.said) for one in found] == [
        (True, "the token is of the user countersign"),
        (True, "the saved search is: search index=aws sourcetype=aws:cloudtrail"),
        (True, "it finds 1 of what was indexed in the last minute"),
    ]
    found = pulling.checks(CONNECTOR, search.settings(search="Other"))
    assert [one.ok for one in found] == [True, False, False]
    assert found[1].said == "There is no saved search 'Other' in the app sec."
    secret_file("SPLUNK_TOKEN", "another")
    found = pulling.checks(CONNECTOR, search.settings())
    assert [one.ok for one in found] == [False, False, False]


def test_pull_that_is_cut_after_any_page_loses_and_doubles_nothing(
    connected: Source, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splunk, "LIMIT", 3)
    search.add(*range(1, 21))
    now = NOW
    while pulling.pull(connected, now=now, enough=lambda: True).state != "done":
        now += timedelta(seconds=1)
    assert Event.objects.count() == 20


def test_events_are_the_vendors_with_principal_and_key(
    connected: Source, search: Search, caplog: pytest.LogCaptureFixture
) -> None:
    search.add(1, 2)
    cef = (
        "<5>1 2026-11-24T09:00:00Z VAULT01 CEF:0|Cyber-Ark|Vault|12.6|22|CPM Verify|5|"
        'suser=PVWAAppUser cs2Label="Safe Name" cs2="Linux" fname=db1'
    )
    search.rows.append((int((NOW - timedelta(hours=2)).timestamp()), {"_raw": cef, "host": "a"}))
    row = pulling.pull(connected)
    assert (row.state, row.problem, row.events, row.rejects) == ("done", "", 3, 0)
    assert pulling.named("principal") == {
        ("aws:123456789012", "arn", "arn:aws:iam::123456789012:user/svc-report"),
        ("cyberark:vault01", "service", "PVWAAppUser"),
    }
    assert ("aws", "access_key", "AKIAIOSFODNN7EXAMPLE") in pulling.named("credential")
    again = pulling.pull(connected, now=NOW + timedelta(minutes=1))
    assert (again.events, Event.objects.count()) == (0, 3)
    said = str(list(Connection.objects.values())) + str(list(Pull.objects.values())) + caplog.text
    assert TOKEN not in said


def test_rows_that_no_format_knows_say_what_to_do(connected: Source, search: Search) -> None:
    at = int((NOW - timedelta(hours=2)).timestamp())
    search.rows.append((at, {"_raw": "GET / 200", "status": "200"}))
    row = pulling.pull(connected)
    assert (row.state, row.fix) == ("failed", "Name the format in the source's settings.")
