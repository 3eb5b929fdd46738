"""A real MLflow, filled by its own client and through its OTLP door, then pulled."""

import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evidence import connecting
from evidence.models import Deposit, Event, Source
from evidence.permissions import COMMAND
from evidence.sources import mlflow
from evidence.stores import bodies
from evidence.vocabulary import AGENT_RUN
from tests.evidence.bodies import export
from tests.evidence.sources import pulling
from tests.peers import running

pytestmark = [pytest.mark.django_db, pytest.mark.real_clock]


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Peer]:
    with running.mlflow(tmp_path_factory.mktemp("mlflow")) as one:
        running.spoken_to(one, "fill_mlflow.py", "agents", "3")
        yield one


def exported(peer: running.Peer) -> None:
    """One span through MLflow's OTLP door, as an exporter sends it."""
    said = {"trace": 77, "name": "S3.GetObject", "attributes": {"aws.request_id": "REQ-OTLP"}}
    body = export(said, at=datetime.now(UTC) - timedelta(minutes=1)).SerializeToString()
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{peer.url}/v1/traces",
        body,
        {"Content-Type": "application/x-protobuf", "x-mlflow-experiment-id": "1"},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
        assert answer.status == 200


def test_traces_of_a_real_mlflow_arrive_once(
    peer: running.Peer,
    source: Callable[..., Source],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.ALLOW_PRIVATE = True
    monkeypatch.setattr(mlflow, "LIMIT", 2)
    now = datetime.now(UTC)
    made = source("mlflow", plane="ai", created_at=now)
    connecting.connect(
        source=made,
        connector="mlflow",
        settings={"url": peer.url, "experiments": "1"},
        by=COMMAND,
        now=now,
    )
    first = pulling.pull(made, now=now)
    assert (first.state, first.problem, first.events, first.rejects) == ("done", "", 6, 0)
    assert Event.objects.filter(activity=AGENT_RUN).count() == 3
    assert {value for _, _, value in pulling.named("agent")} == {"report-agent"}
    assert {value for _, _, value in pulling.named("on_behalf")} == {"jane"}
    ids = Event.objects.exclude(request_id=None).values_list("request_id", flat=True)
    assert set(ids) == {f"REQ{number:013}" for number in range(3)}
    kept = b"".join(bodies.unpack(deposit) for deposit in Deposit.objects.all())
    assert b"Jane Roe" not in kept

    second = pulling.pull(made, now=now + timedelta(minutes=1))
    assert (second.state, second.events, Event.objects.count()) == ("done", 0, 6)
    # All of it was read again, a trace at the edge of two pages twice.
    assert second.duplicates >= 6


def test_run_through_the_otlp_door_of_mlflow_is_pulled_too(peer: running.Peer) -> None:
    exported(peer)
    settings = {"url": peer.url, "experiments": "1"}
    found = pulling.pages(mlflow.CONNECTOR, settings, now=datetime.now(UTC))
    assert b"REQ-OTLP" in b"".join(page.body for page in found)


def test_checks_of_a_real_mlflow(peer: running.Peer) -> None:
    settings = {"url": peer.url, "experiments": "1 77"}
    found = pulling.checks(mlflow.CONNECTOR, settings, now=datetime.now(UTC))
    assert [(one.ok, one.said) for one in found] == [
        (True, "the experiment 1 is called agents"),
        (False, "MLflow refuses: RESOURCE_DOES_NOT_EXIST: No Experiment with id=77 exists"),
        (True, "traces can be searched"),
    ]
