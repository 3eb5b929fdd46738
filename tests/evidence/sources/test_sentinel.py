"""Sentinel's queries: pages by the time of ingestion, saved searches, refusals, and the events."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from evidence.models import Connection, Event, Pull, Source
from evidence.sources import sentinel
from evidence.sources.contract import Page
from evidence.sources.failures import Stopped
from evidence.sources.sentinel import CONNECTOR
from tests.connector_secrets import Kept
from tests.evidence.sources import pulling, refusals
from tests.evidence.sources.pulling import NOW
from tests.evidence.sources.server import Answer, Request, There, serving

SECRET, TOKEN = "client-s3cret", "bearer-s3cret"
TENANT = "6f0c1a52-7d11-4b0e-9a55-0c1f2d3e4f50"
SAVED = "/subscriptions/s/resourceGroups/g/providers/x/workspaces/w/savedSearches/signins"
BOUND = re.compile(
    r"\(CountersignIngestedAt (>=|>|==) datetime\((\S+)\) and CountersignIngestedAt <"
    r" datetime\((\S+)\)\)"
)
TOP = re.compile(r"top (\d+) by CountersignIngestedAt asc nulls first")
COLUMNS = (
    *("TenantId", "TimeGenerated", "OperationName", "Category", "ResultType", "AADTenantId"),
    *("UserPrincipalName", "UserId", "AppId", "IPAddress", "Id", "CorrelationId"),
    *("UniqueTokenIdentifier", "ServicePrincipalId", "Type", "CountersignIngestedAt"),
)


class Workspace:
    """Sign-ins of a workspace, each with the moment of its ingestion."""

    def __init__(self, there: There) -> None:
        self.there = there
        self.rows: list[tuple[datetime, int]] = []
        self.loses_time = False
        there.on("POST", f"/{TENANT}/oauth2/v2.0/token", self.token)
        there.on("GET", SAVED, self.saved)
        there.on("POST", "/v1/workspaces/w-1/query", self.query)

    def token(self, request: Request) -> Answer:
        form = request.form()
        assert form["scope"] == f"{self.there.url}/.default"
        if form["client_secret"] != SECRET:
            return Answer(401, {"error_description": "AADSTS7000215: Invalid client secret"})
        return Answer(body={"access_token": TOKEN, "expires_in": 3599})

    def saved(self, request: Request) -> Answer:
        assert request.query["api-version"]
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        return Answer(body={"properties": {"query": "SigninLogs | where ResultType == 0"}})

    def query(self, request: Request) -> Answer:
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        asked = request.json()
        assert asked["query"].startswith("SigninLogs")
        said, top = BOUND.search(asked["query"]), TOP.search(asked["query"])
        assert said is not None
        bound, end = datetime.fromisoformat(said[2]), datetime.fromisoformat(said[3])
        fits = {">=": bound.__le__, ">": bound.__lt__, "==": bound.__eq__}[said[1]]
        rows = [(at, number) for at, number in sorted(self.rows) if fits(at) and at < end]
        rows = rows[: int(top[1])] if top is not None else rows
        begins, _, ends = asked["timespan"].partition("/")
        assert datetime.fromisoformat(begins) < bound < datetime.fromisoformat(ends)
        table = {
            "name": "PrimaryResult",
            "columns": [{"name": name, "type": "string"} for name in COLUMNS],
            "rows": [self.row(at, number) for at, number in rows],
        }
        return Answer(body={"tables": [table]})

    def row(self, at: datetime, number: int) -> list[Any]:
        moment = "2026-11-24T08:00:00.1234567Z"
        ingested = at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"
        return [
            *("11111111-2222-4333-8444-555555555555", moment, "Sign-in activity", "SignInLogs"),
            *("0", TENANT, "rosa@example.com", "u-1", "app-1", "203.0.113.9", f"id-{number}"),
            *("cor-1", f"uti-{number}", None, "SigninLogs", None if self.loses_time else ingested),
        ]

    def settings(self, **said: str) -> dict[str, str]:
        return {
            "tenant": TENANT,
            "client_id": "client-1",
            "secret": "SENTINEL_SECRET",
            "workspace": "w-1",
            "query": "SigninLogs",
            "url": self.there.url,
            "resources": self.there.url,
            "login": self.there.url,
        } | said

    def add(self, *numbers: int, ingested: datetime = NOW - timedelta(hours=2)) -> None:
        self.rows += [(ingested + timedelta(seconds=number), number) for number in numbers]


@pytest.fixture
def workspace(secret_file: Kept) -> Iterator[Workspace]:
    secret_file("SENTINEL_SECRET", SECRET)
    with serving() as there:
        yield Workspace(there)


@pytest.fixture
def connected(workspace: Workspace, source: Callable[..., Source], settings: Any) -> Source:
    settings.ALLOW_PRIVATE = True
    made = source("sentinel")
    pulling.connect(made, "sentinel", workspace.settings())
    return made


def brought(found: list[Page]) -> list[int]:
    """Numbers of the sign-ins, each once: pages overlap by what came at one moment."""
    said = b"".join(page.body for page in found).decode()
    return list(dict.fromkeys(int(number) for number in re.findall(r'"id-(\d+)"', said)))


def test_first_pull_brings_all_and_the_next_what_is_new(workspace: Workspace) -> None:
    workspace.add(1, 2, 3)
    first = pulling.pages(CONNECTOR, workspace.settings())
    assert (brought(first), first[-1].reached) == ([1, 2, 3], NOW)
    assert b"Countersign" not in first[0].body
    workspace.add(9, ingested=NOW)
    later = NOW + timedelta(minutes=5)
    second = pulling.pages(CONNECTOR, workspace.settings(), cursor=first[-1].cursor, now=later)
    assert brought(second) == [9]


def test_row_that_was_late_is_found_in_the_overlap(workspace: Workspace) -> None:
    first = pulling.pages(CONNECTOR, workspace.settings())
    workspace.add(1, ingested=NOW - timedelta(minutes=9))
    later = NOW + timedelta(minutes=1)
    second = pulling.pages(CONNECTOR, workspace.settings(), cursor=first[-1].cursor, now=later)
    assert brought(second) == [1]


def test_pages_go_on_at_the_newest_moment_of_the_last(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentinel, "LIMIT", 3)
    workspace.add(*range(1, 8))
    # More rows of one moment than a page has: they come whole, and what is after them too.
    for number in range(20, 27):
        workspace.add(number, ingested=NOW - timedelta(hours=1, seconds=number))
    workspace.add(30, ingested=NOW - timedelta(minutes=40))
    found = pulling.pages(CONNECTOR, workspace.settings())
    assert brought(found) == [*range(1, 8), *range(20, 27), 30]


def test_saved_search_is_read_from_azure(workspace: Workspace) -> None:
    workspace.add(1)
    found = pulling.pages(CONNECTOR, workspace.settings(query=SAVED))
    assert brought(found) == [1]
    said = workspace.there.asked[-1].json()["query"]
    assert said.startswith("SigninLogs | where ResultType == 0\n| extend")


def test_workspace_without_rows_is_a_pull_without_bodies(workspace: Workspace) -> None:
    (page,) = pulling.pages(CONNECTOR, workspace.settings())
    assert (page.body, page.reached) == (b"", NOW)


def test_query_that_loses_the_time_of_ingestion_is_refused(workspace: Workspace) -> None:
    workspace.add(1)
    workspace.loses_time = True
    with pytest.raises(Stopped, match="loses the time of ingestion"):
        pulling.pages(CONNECTOR, workspace.settings())
    found = pulling.checks(CONNECTOR, workspace.settings())
    assert [one.ok for one in found] == [True, True, False]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {"tables": [], "error": {"code": "PartialError", "message": "too much"}}),
        refusals.LARGE,
    ],
)
def test_answer_that_is_too_large_is_asked_for_in_smaller_pages(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    refusals.bound(monkeypatch)
    monkeypatch.setattr(sentinel, "LIMIT", 8)
    workspace.add(*range(1, 8))
    workspace.there.fail(None, answer)
    assert brought(pulling.pages(CONNECTOR, workspace.settings())) == [*range(1, 8)]
    assert "top 8" in workspace.there.asked[1].json()["query"]
    assert "top 2" in workspace.there.asked[2].json()["query"]


@pytest.mark.parametrize("after", [0, 1])
@refusals.EVERY
def test_answers_that_are_no_page(
    workspace: Workspace, answer: Answer, kind: type[Exception], seconds: float | None, after: int
) -> None:
    refused, settings = (answer, kind, seconds), workspace.settings()
    refusals.met(workspace.there, CONNECTOR, settings, refused, after=after, secret=SECRET)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Answer(400, {"error": {"code": "BadArgumentError", "message": "syntax"}}),
         Stopped, "BadArgumentError: syntax"),
        (Answer(403, {"error": {"code": "InsufficientAccessError", "message": "no"}}),
         Stopped, "InsufficientAccessError: no"),
    ],
)  # fmt: skip
def test_errors_of_a_query_are_said(
    workspace: Workspace, answer: Answer, kind: type[Exception], words: str
) -> None:
    workspace.there.fail(None, answer)
    with pytest.raises(kind, match=words):
        pulling.pages(CONNECTOR, workspace.settings())


def test_address_that_is_away_private_or_endless(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.add(1, 2)
    refusals.unreachable(CONNECTOR, workspace.settings())
    refusals.huge(CONNECTOR, workspace.settings(), monkeypatch, 400)


def test_checks_say_what_is_missing(workspace: Workspace, secret_file: Kept) -> None:
    workspace.add(1)
    found = pulling.checks(CONNECTOR, workspace.settings(), now=NOW - timedelta(hours=1))
    assert [(one.ok, one.said) for one in found] == [
        (True, f"the application has a token of {TENANT}"),
        (True, "the query is: SigninLogs"),
        (True, "it runs, and keeps the time of ingestion (1 of 10 rows looked at)"),
    ]
    secret_file("SENTINEL_SECRET", "another")
    (one,) = pulling.checks(CONNECTOR, workspace.settings())
    assert one.said == "The sign-in service refuses the application (AADSTS7000215)."


def test_events_have_person_and_token_and_come_once(
    connected: Source,
    workspace: Workspace,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sentinel, "LIMIT", 3)
    workspace.add(*range(1, 8))
    now = NOW
    while pulling.pull(connected, now=now, enough=lambda: True).state != "done":
        now += timedelta(seconds=1)
    assert Event.objects.count() == 7
    assert pulling.named("principal") == {(f"entra:{TENANT}", "user", "rosa@example.com")}
    assert {value for _, _, value in pulling.named("credential")} == {
        f"uti-{number}" for number in range(1, 8)
    }
    said = str(list(Connection.objects.values())) + str(list(Pull.objects.values())) + caplog.text
    assert SECRET not in said
    assert TOKEN not in said
