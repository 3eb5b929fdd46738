"""MLflow's traces against a small server of its documented shapes: what the real one cannot show."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from evidence.models import Connection, Event, Pull, Source
from evidence.sources import mlflow
from evidence.sources.contract import Page
from evidence.sources.mlflow import CONNECTOR
from tests.connector_secrets import Kept
from tests.evidence.sources import pulling, refusals
from tests.evidence.sources.pulling import NOW
from tests.evidence.sources.server import Answer, Request, There, serving

TOKEN = "s3cret-token"
CLAUSE = re.compile(r"attributes\.(\w+) (>=|<) (\d+)")


class Tracking:
    """The traces of experiment 1: searched by end, handed out in batches or one by one."""

    def __init__(self, there: There) -> None:
        self.there = there
        self.rows: list[dict[str, Any]] = []
        self.partial: set[str] = set()
        self.gone: set[str] = set()
        there.on("POST", "/api/3.0/mlflow/traces/search", self.search)
        there.on("GET", "/api/3.0/mlflow/traces/batchGet", self.batch)
        there.on("GET", "/ajax-api/3.0/mlflow/get-trace-artifact", self.artifact)
        there.on("GET", "/api/2.0/mlflow/experiments/get", self.experiment)

    def add(
        self,
        *numbers: int,
        begun: datetime = NOW - timedelta(hours=2),
        seconds: float = 1.0,
        state: str = "OK",
        place: str = "TRACKING_STORE",
    ) -> None:
        for number in numbers:
            at = begun + timedelta(seconds=number)
            self.rows.append(
                {
                    "trace_id": f"tr-{number:032x}",
                    "request_time": at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
                    "execution_duration": f"{seconds}s",
                    "state": state,
                    "trace_metadata": {"mlflow.trace.user": "jane"},
                    "tags": {"mlflow.trace.spansLocation": place},
                    "begun": int(at.timestamp() * 1000),
                    "ended": int((at + timedelta(seconds=seconds)).timestamp() * 1000),
                }
            )

    def refused(self, request: Request) -> Answer | None:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer(401, "You are not authenticated.")
        return None

    def experiment(self, request: Request) -> Answer:
        if request.query["experiment_id"] != "1":
            body = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No Experiment with id=7"}
            return Answer(404, body)
        return self.refused(request) or Answer(body={"experiment": {"name": "agents"}})

    def search(self, request: Request) -> Answer:
        asked = request.json()
        assert asked["locations"][0]["mlflow_experiment"] == {"experiment_id": "1"}
        rows = sorted(self.rows, key=lambda row: (row["begun"], row["trace_id"]))
        for name, operator, said in CLAUSE.findall(asked["filter"]):
            column = {"end_time_ms": "ended", "timestamp_ms": "begun"}[name]
            rows = [row for row in rows if (row[column] >= int(said)) == (operator == ">=")]
        first = int(asked.get("page_token", 0))
        found = rows[first : first + asked["max_results"]]
        body: dict[str, Any] = {"traces": [info(row) for row in found]}
        if len(found) == asked["max_results"]:
            body["next_page_token"] = str(first + len(found))
        return self.refused(request) or Answer(body=body)

    def batch(self, request: Request) -> Answer:
        wanted = parse_qs(urlsplit(request.target).query)["trace_ids"]
        rows = [
            {"trace_info": info(row), "spans": spans(row, listed=True)}
            for row in self.rows
            if row["trace_id"] in wanted and row["trace_id"] not in self.partial
        ]
        return self.refused(request) or Answer(body={"traces": rows} if rows else {})

    def artifact(self, request: Request) -> Answer:
        wanted = request.query["request_id"]
        if wanted in self.gone:
            return Answer(404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "gone"})
        (row,) = (row for row in self.rows if row["trace_id"] == wanted)
        return Answer(body={"spans": spans(row, listed=False)})

    def settings(self, **said: str) -> dict[str, str]:
        return {"url": self.there.url, "experiments": "1", "secret": "MLFLOW_TOKEN"} | said


def info(row: dict[str, Any]) -> dict[str, Any]:
    return {name: said for name, said in row.items() if name not in ("begun", "ended")}


def spans(row: dict[str, Any], *, listed: bool) -> list[dict[str, Any]]:
    """A trace's one span, as the batch (attributes listed) or the artifact (as JSON text) has it."""
    number = int(row["trace_id"].removeprefix("tr-"), 16)
    said = {"mlflow.spanType": "AGENT", "gen_ai.agent.name": "report-agent"}
    return [
        {
            "trace_id": f"{number:032x}",
            "span_id": f"{number:016x}",
            "name": "report-agent",
            "start_time_unix_nano": row["begun"] * 1_000_000,
            "end_time_unix_nano": row["ended"] * 1_000_000,
            "attributes": [
                {"key": name, "value": {"string_value": value}} for name, value in said.items()
            ]
            if listed
            else {name: json.dumps(value) for name, value in said.items()},
            "status": {"code": "STATUS_CODE_OK"},
        }
    ]


@pytest.fixture
def tracking(secret_file: Kept, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tracking]:
    secret_file("MLFLOW_TOKEN", TOKEN)
    monkeypatch.setattr(mlflow, "LIMIT", 2)
    with serving() as there:
        yield Tracking(there)


@pytest.fixture
def connected(tracking: Tracking, source: Callable[..., Source], settings: Any) -> Source:
    settings.ALLOW_PRIVATE = True
    made = source("mlflow", plane="ai")
    pulling.connect(made, "mlflow", tracking.settings())
    return made


def brought(found: list[Page]) -> list[int]:
    """The numbers of the traces, in the order of the pages; pages overlap by one."""
    numbers = [
        int(said.removeprefix("tr-"), 16)
        for page in found
        for said in re.findall(r"tr-[0-9a-f]{32}", page.body.decode())
    ]
    return list(dict.fromkeys(numbers))


def test_first_pull_brings_all_and_the_next_what_is_new(tracking: Tracking) -> None:
    tracking.add(1, 2, 3, 4, 5)
    first = pulling.pages(CONNECTOR, tracking.settings())
    assert (brought(first), first[-1].reached) == ([1, 2, 3, 4, 5], NOW)
    tracking.add(9, begun=NOW)
    later = NOW + timedelta(minutes=5)
    second = pulling.pages(CONNECTOR, tracking.settings(), cursor=first[-1].cursor, now=later)
    assert brought(second) == [9]


def test_more_traces_of_one_millisecond_than_a_page_holds_are_all_found(
    tracking: Tracking,
) -> None:
    for number in range(1, 6):
        tracking.add(number, begun=NOW - timedelta(hours=1, seconds=number))
    assert brought(pulling.pages(CONNECTOR, tracking.settings())) == [1, 2, 3, 4, 5]


def test_trace_under_way_is_read_when_it_has_ended(tracking: Tracking) -> None:
    tracking.add(1, begun=NOW - timedelta(hours=5), state="IN_PROGRESS", seconds=0)
    first = pulling.pages(CONNECTOR, tracking.settings())
    assert brought(first) == []
    tracking.rows.clear()
    tracking.add(1, begun=NOW - timedelta(hours=5), seconds=5 * 3600 + 60)
    later = NOW + timedelta(minutes=5)
    second = pulling.pages(CONNECTOR, tracking.settings(), cursor=first[-1].cursor, now=later)
    assert brought(second) == [1]


def test_trace_that_came_late_is_found_in_the_overlap(tracking: Tracking) -> None:
    first = pulling.pages(CONNECTOR, tracking.settings())
    tracking.add(1, begun=NOW - timedelta(minutes=9))
    later = NOW + timedelta(minutes=1)
    second = pulling.pages(CONNECTOR, tracking.settings(), cursor=first[-1].cursor, now=later)
    assert brought(second) == [1]


def test_spans_that_lie_elsewhere_or_are_not_all_there_are_fetched_one_by_one(
    connected: Source, tracking: Tracking
) -> None:
    tracking.add(1, 2)
    tracking.add(3, 4, place="ARTIFACT_REPO")
    tracking.partial = {f"tr-{2:032x}"}
    tracking.gone = {f"tr-{4:032x}"}
    row = pulling.pull(connected)
    assert (row.state, row.problem, row.rejects) == ("done", "", 0)
    assert Event.objects.count() == 3
    assert {value for _, _, value in pulling.named("agent")} == {"report-agent"}
    assert {value for _, _, value in pulling.named("on_behalf")} == {"jane"}


def test_user_signs_in_with_a_password(tracking: Tracking) -> None:
    pulling.checks(CONNECTOR, tracking.settings(user="rosa"))
    assert tracking.there.asked[0].headers["authorization"].startswith("Basic ")


def test_empty_experiment_is_a_pull_without_bodies(tracking: Tracking) -> None:
    (page,) = pulling.pages(CONNECTOR, tracking.settings())
    assert (page.body, page.reached) == (b"", NOW)


@pytest.mark.parametrize("after", [0, 1])
@refusals.EVERY
def test_answers_that_are_no_page(
    tracking: Tracking, answer: Answer, kind: type[Exception], seconds: float | None, after: int
) -> None:
    tracking.add(1)
    settings, refused = tracking.settings(), (answer, kind, seconds)
    refusals.met(tracking.there, CONNECTOR, settings, refused, after=after, secret=TOKEN)


def test_traces_that_are_too_large_together_are_fetched_one_by_one(
    tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals.bound(monkeypatch)
    tracking.add(1)
    tracking.there.fail(None, refusals.LARGE)
    assert brought(pulling.pages(CONNECTOR, tracking.settings())) == [1]
    assert tracking.there.asked[-1].path.endswith("/get-trace-artifact")


def test_address_that_is_away_private_or_endless(
    tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking.add(1)
    refusals.unreachable(CONNECTOR, tracking.settings())
    refusals.huge(CONNECTOR, tracking.settings(), monkeypatch, 200)


def test_checks_name_each_experiment(tracking: Tracking) -> None:
    found = pulling.checks(CONNECTOR, tracking.settings(experiments="1, 7"))
    assert [(one.ok, one.said) for one in found[:2]] == [
        (True, "the experiment 1 is called agents"),
        (False, "MLflow refuses: RESOURCE_DOES_NOT_EXIST: No Experiment with id=7"),
    ]


def test_checks_say_that_the_token_is_wrong(tracking: Tracking, secret_file: Kept) -> None:
    secret_file("MLFLOW_TOKEN", "another")
    found = pulling.checks(CONNECTOR, tracking.settings())
    assert [one.ok for one in found] == [False, False]
    assert {one.fix for one in found} == {"Give this source a new one."}


def test_pull_that_is_cut_after_any_page_loses_and_doubles_nothing(
    connected: Source, tracking: Tracking, caplog: pytest.LogCaptureFixture
) -> None:
    tracking.add(*range(1, 8))
    now = NOW
    while pulling.pull(connected, now=now, enough=lambda: True).state != "done":
        now += timedelta(seconds=1)
    assert Event.objects.count() == 7
    said = str(list(Connection.objects.values())) + str(list(Pull.objects.values())) + caplog.text
    assert TOKEN not in said
