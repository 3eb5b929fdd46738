"""Elasticsearch's queries: points in time, search_after, originals, refusals, and the events."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from evidence.models import Connection, Event, Pull, Source
from evidence.sources import elastic
from evidence.sources.contract import Page
from evidence.sources.elastic import CONNECTOR
from evidence.sources.failures import Later, Stopped
from tests.connector_secrets import Kept
from tests.evidence.bodies import record
from tests.evidence.sources import pulling, refusals
from tests.evidence.sources.pulling import NOW
from tests.evidence.sources.server import Answer, Request, There, serving

KEY = "VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6czNjcmV0"


def _missing() -> Answer:
    cause = {"type": "search_context_missing_exception", "reason": "No search context found"}
    return Answer(404, {"error": {"root_cause": [cause], "type": "search_phase"}, "status": 404})


class Cluster:
    """Documents of `logs-*` under the time of their ingestion; points in time that are let go."""

    def __init__(self, there: There) -> None:
        self.there = there
        self.rows: list[tuple[datetime, dict[str, Any]]] = []
        self.points: dict[str, list[tuple[datetime, dict[str, Any]]]] = {}
        there.on("POST", "/logs-*/_pit", self.opened)
        there.on("DELETE", "/_pit", self.closed)
        there.on("POST", "/_search", self.search)
        there.on("GET", "/_security/_authenticate", self.who)
        there.on("POST", "/_render/template", self.template)
        self.queries: list[Any] = []

    def refused(self, request: Request) -> Answer | None:
        if request.headers.get("authorization") != f"ApiKey {KEY}":
            return Answer(401, {"error": {"type": "security_exception", "reason": "unable"}})
        return None

    def who(self, request: Request) -> Answer:
        return self.refused(request) or Answer(body={"username": "countersign"})

    def template(self, request: Request) -> Answer:
        assert request.json() == {"id": "trails", "params": {}}
        body = {"template_output": {"query": {"term": {"event.dataset": "aws.cloudtrail"}}}}
        return self.refused(request) or Answer(body=body)

    def opened(self, request: Request) -> Answer:
        assert request.query == {"keep_alive": "5m"}
        name = f"pit-{len(self.there.asked)}"
        self.points[name] = sorted(self.rows, key=lambda row: row[0])
        return self.refused(request) or Answer(body={"id": name})

    def closed(self, request: Request) -> Answer:
        self.points.pop(request.json()["id"], None)
        return Answer(body={"succeeded": True})

    def search(self, request: Request) -> Answer:
        asked = request.json()
        rows = self.points.get(asked["pit"]["id"])
        if rows is None:
            return _missing()
        query, between = asked["query"]["bool"]["filter"]
        self.queries.append(query)
        first, last = (
            datetime.fromisoformat(between["range"]["event.ingested"][one]) for one in ("gte", "lt")
        )
        assert [list(one) for one in asked["sort"]] == [["event.ingested"], ["_shard_doc"]]
        hits: list[dict[str, Any]] = [
            {"_index": "logs-1", "_source": row, "sort": [at.isoformat(), number]}
            for number, (at, row) in enumerate(rows)
            if first <= at < last
        ]
        after = asked.get("search_after")
        hits = [hit for hit in hits if after is None or hit["sort"][1] > after[1]]
        body = {
            "pit_id": asked["pit"]["id"],
            "timed_out": False,
            "_shards": {"total": 1, "failed": 0},
            "hits": {"hits": hits[: asked["size"]]},
        }
        return self.refused(request) or Answer(body=body)

    def settings(self, **said: str) -> dict[str, str]:
        return {"url": self.there.url, "api_key": "ELASTIC_KEY", "index": "logs-*"} | said

    def add(self, *numbers: int, ingested: datetime = NOW - timedelta(hours=2)) -> None:
        for number in numbers:
            at = ingested + timedelta(seconds=number)
            original = json.dumps(record(number, at=NOW - timedelta(hours=3)))
            ecs = {"dataset": "aws.cloudtrail", "original": original, "action": "GetObject"}
            self.rows.append((at, {"@timestamp": "2026-11-24T09:00:00Z", "event": ecs}))


@pytest.fixture
def cluster(secret_file: Kept, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    secret_file("ELASTIC_KEY", KEY)
    monkeypatch.setattr(elastic, "LIMIT", 3)
    with serving() as there:
        yield Cluster(there)


@pytest.fixture
def connected(cluster: Cluster, source: Callable[..., Source], settings: Any) -> Source:
    settings.ALLOW_PRIVATE = True
    made = source("elastic")
    pulling.connect(made, "elastic", cluster.settings())
    return made


def brought(found: list[Page]) -> list[int]:
    said = b"".join(page.body for page in found).decode()
    return [int(number) for number in re.findall(r"REQ(\d+)", said)]


def test_first_pull_brings_all_and_the_next_what_is_new(cluster: Cluster) -> None:
    cluster.add(*range(1, 8))
    first = pulling.pages(CONNECTOR, cluster.settings())
    assert (brought(first), first[-1].reached) == ([*range(1, 8)], NOW)
    cluster.add(9, ingested=NOW)
    later = NOW + timedelta(minutes=5)
    second = pulling.pages(CONNECTOR, cluster.settings(), cursor=first[-1].cursor, now=later)
    assert brought(second) == [9]
    # Each point in time was let go.
    assert cluster.points == {}


def test_more_documents_of_one_moment_than_a_page_holds_are_all_found(cluster: Cluster) -> None:
    for number in range(1, 9):
        cluster.add(number, ingested=NOW - timedelta(hours=1, seconds=number))
    assert brought(pulling.pages(CONNECTOR, cluster.settings())) == [*range(1, 9)]


def test_pull_that_was_broken_off_goes_on_with_another_point_in_time(cluster: Cluster) -> None:
    cluster.add(*range(1, 8))
    first = pulling.pages(CONNECTOR, cluster.settings())[0]
    cluster.points.clear()
    rest = pulling.pages(CONNECTOR, cluster.settings(), cursor=first.cursor)
    assert brought(rest) == [*range(3, 8)]


def test_document_that_was_late_is_found_in_the_overlap(cluster: Cluster) -> None:
    first = pulling.pages(CONNECTOR, cluster.settings(late_minutes="120"))
    cluster.add(1, ingested=NOW - timedelta(minutes=110))
    said = cluster.settings(late_minutes="120")
    later = NOW + timedelta(minutes=1)
    second = pulling.pages(CONNECTOR, said, cursor=first[-1].cursor, now=later)
    assert brought(second) == [1]


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("template: trails", {"term": {"event.dataset": "aws.cloudtrail"}}),
        ('{"match_all": {}}', {"match_all": {}}),
        ('{"query": {"match_all": {}}}', {"match_all": {}}),
        ("event.dataset:okta*", {"query_string": {"query": "event.dataset:okta*"}}),
    ],
)
def test_query_is_said_in_three_ways(cluster: Cluster, query: str, sent: dict[str, Any]) -> None:
    pulling.pages(CONNECTOR, cluster.settings(query=query))
    assert cluster.queries == [sent]


def test_query_that_is_no_json_is_refused(cluster: Cluster) -> None:
    with pytest.raises(Stopped, match="The query is no JSON"):
        pulling.pages(CONNECTOR, cluster.settings(query='{"match_all"'))


def test_index_without_documents_is_a_pull_without_bodies(cluster: Cluster) -> None:
    (page,) = pulling.pages(CONNECTOR, cluster.settings())
    assert (page.body, page.reached) == (b"", NOW)


@pytest.mark.parametrize("after", [0, 1])
@refusals.EVERY
def test_answers_that_are_no_page(
    cluster: Cluster, answer: Answer, kind: type[Exception], seconds: float | None, after: int
) -> None:
    refused, settings = (answer, kind, seconds), cluster.settings()
    refusals.met(cluster.there, CONNECTOR, settings, refused, after=after, secret=KEY)
    assert cluster.points == {}


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (_missing(), Later, "point in time has ended"),
        (Answer(200, {"timed_out": True}), Later, "could not ask all shards"),
        (Answer(200, {"_shards": {"failed": 1}}), Later, "could not ask all shards"),
        (Answer(403, {"error": {"type": "security_exception", "reason": "is unauthorized"}}),
         Stopped, "security_exception: is unauthorized"),
        (Answer(400, {"error": {"type": "parsing_exception", "reason": "unknown query"}}),
         Stopped, "parsing_exception: unknown query"),
    ],
)  # fmt: skip
def test_errors_of_a_search_are_said(
    cluster: Cluster, answer: Answer, kind: type[Exception], words: str
) -> None:
    cluster.there.fail(None, answer)
    with pytest.raises(kind, match=words):
        pulling.pages(CONNECTOR, cluster.settings())


def test_answer_that_is_too_large_is_asked_for_in_smaller_pages(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals.bound(monkeypatch)
    cluster.add(1, 2, 3)
    cluster.there.fail(None, refusals.LARGE)
    assert brought(pulling.pages(CONNECTOR, cluster.settings())) == [1, 2, 3]
    sizes = [one.json()["size"] for one in cluster.there.asked if one.path == "/_search"]
    assert sizes == [3, 1, 1, 1, 1]


def test_address_that_is_away_private_or_endless(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.add(1)
    refusals.unreachable(CONNECTOR, cluster.settings())
    refusals.huge(CONNECTOR, cluster.settings(), monkeypatch, 200)


def test_checks_say_what_is_missing(cluster: Cluster, secret_file: Kept) -> None:
    cluster.add(1)
    found = pulling.checks(CONNECTOR, cluster.settings(), now=NOW - timedelta(hours=1))
    assert [(one.ok, one.said) for one in found] == [
        (True, "the API key is of countersign"),
        (True, 'the query is: {"query_string":{"query":"*"}}'),
        (True, "it finds 1 documents of the last hour"),
    ]
    secret_file("ELASTIC_KEY", "another")
    found = pulling.checks(CONNECTOR, cluster.settings())
    assert [one.ok for one in found] == [False, True, False]
    assert {one.fix for one in found if not one.ok} == {"Give its encoded form."}


def test_events_are_the_vendors_and_come_once(
    connected: Source, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.add(*range(1, 8))
    now = NOW
    while pulling.pull(connected, now=now, enough=lambda: True).state != "done":
        now += timedelta(seconds=1)
    assert Event.objects.count() == 7
    assert pulling.named("principal") == {
        ("aws:123456789012", "arn", "arn:aws:iam::123456789012:user/svc-report")
    }
    assert ("aws", "access_key", "AKIAIOSFODNN7EXAMPLE") in pulling.named("credential")
    said = str(list(Connection.objects.values())) + str(list(Pull.objects.values())) + caplog.text
    assert KEY not in said
