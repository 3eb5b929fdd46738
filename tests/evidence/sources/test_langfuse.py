"""Langfuse's observations: windows asked twice, cursors, flat metadata, refusals, and the events."""

import base64
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from evidence.models import Connection, Deposit, Event, Pull, Source
from evidence.sources.contract import Page
from evidence.sources.langfuse import CONNECTOR
from evidence.stores import bodies
from tests.connector_secrets import Kept
from tests.evidence.sources import pulling, refusals
from tests.evidence.sources.pulling import NOW
from tests.evidence.sources.server import Answer, Request, There, serving

PUBLIC, SECRET = "pk-lf-1", "sk-lf-s3cret"


def written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def observation(number: int, *, begun: datetime, seconds: float | None = 1.0) -> dict[str, Any]:
    """A tool's observation that came by OTLP, as version 4 hands it out."""
    return {
        "id": f"{number:016x}",
        "traceId": f"{1000 + number:032x}",
        "startTime": written(begun),
        "endTime": None if seconds is None else written(begun + timedelta(seconds=seconds)),
        "projectId": "project-1",
        "parentObservationId": None,
        "type": "TOOL",
        "name": "read_invoice",
        "level": "DEFAULT",
        "userId": "jane",
        "sessionId": "s-1",
        "metadata": {
            "attributes.gen_ai.tool.name": "read_invoice",
            "attributes.gen_ai.agent.name": "report-agent",
            "attributes.gen_ai.tool.call.arguments": "Jane Roe",
            "attributes.aws.request_id": f"REQ{number:013}",
            "resourceAttributes.service.name": "reports",
            "scope.name": "agents",
        },
    }


class Project:
    """The v2 API of one project: newest first, filter in JSON, an opaque cursor."""

    def __init__(self, there: There) -> None:
        self.there = there
        self.rows: list[dict[str, Any]] = []
        self.page = 1000
        there.on("GET", "/api/public/v2/observations", self.listed)
        there.on("GET", "/api/public/projects", self.projects)

    def signed(self, request: Request) -> bool:
        given = base64.b64encode(f"{PUBLIC}:{SECRET}".encode()).decode()
        return request.headers.get("authorization") == f"Basic {given}"

    def projects(self, request: Request) -> Answer:
        if not self.signed(request):
            return Answer(401, {"message": "Invalid credentials"})
        return Answer(body={"data": [{"id": "project-1", "name": "agents"}]})

    def listed(self, request: Request) -> Answer:
        if not self.signed(request):
            return Answer(401, {"message": "Invalid credentials"})
        assert set(request.query["fields"].split(",")) >= {"core", "basic", "metadata"}
        assert "attributes" in request.query["expandMetadata"]
        asked = json.loads(request.query.get("filter", "[]"))
        rows = [row for row in self.rows if all(_holds(row, one) for one in asked)]
        rows.sort(key=lambda row: (row["startTime"], row["id"]), reverse=True)
        first = int(base64.b64decode(request.query.get("cursor", "") or "MA=="))
        size = min(int(request.query["limit"]), self.page)
        meta = {}
        if first + size < len(rows):
            meta["cursor"] = base64.b64encode(str(first + size).encode()).decode()
        return Answer(body={"data": rows[first : first + size], "meta": meta})

    def settings(self, **said: str) -> dict[str, str]:
        return {
            "url": self.there.url,
            "public_key": "LANGFUSE_PUBLIC",
            "secret_key": "LANGFUSE_SECRET",
        } | said


def _holds(row: dict[str, Any], one: dict[str, str]) -> bool:
    assert one["type"] == "datetime"
    said = row[one["column"]]
    if said is None:
        return False
    there, wanted = datetime.fromisoformat(said), datetime.fromisoformat(one["value"])
    return there >= wanted if one["operator"] == ">=" else there < wanted


@pytest.fixture
def project(secret_file: Kept) -> Iterator[Project]:
    secret_file("LANGFUSE_PUBLIC", PUBLIC)
    secret_file("LANGFUSE_SECRET", SECRET)
    with serving() as there:
        yield Project(there)


@pytest.fixture
def connected(project: Project, source: Callable[..., Source], settings: Any) -> Source:
    settings.ALLOW_PRIVATE = True
    made = source("langfuse", plane="ai")
    pulling.connect(made, "langfuse", project.settings())
    return made


def brought(found: list[Page]) -> list[int]:
    return [
        int(row["id"], 16) for page in found if page.body for row in json.loads(page.body)["data"]
    ]


def filled(project: Project, count: int = 5) -> None:
    for number in range(1, count + 1):
        begun = NOW - timedelta(hours=2) + timedelta(minutes=number)
        project.rows.append(observation(number, begun=begun))


def test_first_pull_brings_all_and_the_next_what_is_new(project: Project) -> None:
    filled(project)
    first = pulling.pages(CONNECTOR, project.settings())
    assert brought(first) == [5, 4, 3, 2, 1]
    assert first[-1].reached == NOW
    project.rows.append(observation(9, begun=NOW + timedelta(minutes=1)))
    later = NOW + timedelta(minutes=5)
    second = pulling.pages(CONNECTOR, project.settings(), cursor=first[-1].cursor, now=later)
    assert brought(second) == [9]


def test_pages_follow_the_cursor_also_behind_an_empty_one(project: Project) -> None:
    filled(project)
    project.page = 2
    assert brought(pulling.pages(CONNECTOR, project.settings())) == [5, 4, 3, 2, 1]
    # Short or empty pages may carry a cursor.
    follow = base64.b64encode(b"0").decode()
    project.there.fail(Answer(body={"data": [], "meta": {"cursor": follow}}))
    found = pulling.pages(CONNECTOR, project.settings())
    assert (found[0].body, brought(found)) == (b"", [5, 4, 3, 2, 1])


def test_observation_that_ran_for_hours_is_found_by_its_end(project: Project) -> None:
    first = pulling.pages(CONNECTOR, project.settings())
    project.rows.append(observation(1, begun=NOW - timedelta(hours=5), seconds=5 * 3600 + 120))
    later = NOW + timedelta(minutes=5)
    second = pulling.pages(CONNECTOR, project.settings(), cursor=first[-1].cursor, now=later)
    assert brought(second) == [1]


def test_late_observation_is_found_in_the_overlap(project: Project) -> None:
    first = pulling.pages(CONNECTOR, project.settings())
    project.rows.append(observation(1, begun=NOW - timedelta(minutes=14), seconds=None))
    later = NOW + timedelta(minutes=1)
    second = pulling.pages(CONNECTOR, project.settings(), cursor=first[-1].cursor, now=later)
    assert brought(second) == [1]


def test_empty_project_is_a_pull_without_bodies(project: Project) -> None:
    found = pulling.pages(CONNECTOR, project.settings())
    assert ([page.body for page in found], found[-1].reached) == ([b"", b""], NOW)


@refusals.EVERY
def test_answers_that_are_no_page(
    project: Project, answer: Answer, kind: type[Exception], seconds: float | None
) -> None:
    settings = project.settings()
    refusals.met(project.there, CONNECTOR, settings, (answer, kind, seconds), secret=SECRET)


def test_answer_that_is_too_large_is_asked_for_in_smaller_pages(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals.bound(monkeypatch)
    filled(project)
    project.there.fail(refusals.LARGE)
    assert brought(pulling.pages(CONNECTOR, project.settings())) == [5, 4, 3, 2, 1]
    assert [one.query["limit"] for one in project.there.asked] == ["1000", "250", "250"]


def test_address_that_is_away_private_or_endless(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(project)
    refusals.unreachable(CONNECTOR, project.settings())
    refusals.huge(CONNECTOR, project.settings(), monkeypatch, 200)


def test_checks_say_what_is_missing(project: Project, secret_file: Kept) -> None:
    found = pulling.checks(CONNECTOR, project.settings())
    assert [(one.ok, one.said) for one in found] == [
        (True, "the keys are of the project agents"),
        (True, "observations can be read"),
    ]
    project.there.fail(None, Answer(404, {"message": "only available in v4 write mode"}))
    found = pulling.checks(CONNECTOR, project.settings())
    assert [one.ok for one in found] == [True, False]
    assert "version 4" in found[1].fix
    secret_file("LANGFUSE_SECRET", "another")
    found = pulling.checks(CONNECTOR, project.settings())
    assert {one.said for one in found} == {"Langfuse does not accept the keys."}


def test_pull_that_is_cut_after_any_page_loses_and_doubles_nothing(
    connected: Source, project: Project
) -> None:
    filled(project, 7)
    project.page = 2
    now = NOW
    while pulling.pull(connected, now=now, enough=lambda: True).state != "done":
        now += timedelta(seconds=1)
    assert Event.objects.count() == 7


def test_events_have_agent_person_and_request_and_no_content(
    connected: Source, project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    filled(project, 2)
    row = pulling.pull(connected)
    assert (row.state, row.events, row.rejects) == ("done", 2, 0)
    again = pulling.pull(connected, now=NOW + timedelta(minutes=1))
    assert (again.state, again.events, Event.objects.count()) == ("done", 0, 2)
    assert pulling.named("principal") == {("otel:langfuse", "service", "reports")}
    assert {value for _, _, value in pulling.named("agent")} == {"report-agent"}
    assert {value for _, _, value in pulling.named("on_behalf")} == {"jane"}
    ids = Event.objects.order_by("at").values_list("request_id", flat=True)
    assert list(ids) == ["REQ0000000000001", "REQ0000000000002"]
    kept = b"".join(bodies.unpack(deposit) for deposit in Deposit.objects.all())
    assert b"Jane Roe" not in kept
    said = str(list(Connection.objects.values())) + str(list(Pull.objects.values())) + caplog.text
    assert SECRET not in said
