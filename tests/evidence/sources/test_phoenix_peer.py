"""A real Phoenix, filled by the OpenTelemetry SDK through its own door, then pulled."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from evidence import connecting
from evidence.models import Deposit, Event, Source, Term
from evidence.permissions import COMMAND
from evidence.sources import phoenix
from evidence.stores import bodies
from evidence.vocabulary import AGENT_RUN, TOOL_CALL
from tests.evidence.sources import pulling
from tests.peers import running

pytestmark = [pytest.mark.django_db, pytest.mark.real_clock]


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Peer]:
    with running.phoenix(tmp_path_factory.mktemp("phoenix")) as one:
        yield one


def sent(peer: running.Peer, project: str, count: int, *, begun: datetime | None = None) -> None:
    """Runs of an agent with a tool; back only when Phoenix hands all their spans out."""
    before = len(stored(peer, project))
    named = Resource.create({"service.name": "reports", "openinference.project.name": project})
    provider = TracerProvider(resource=named)
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{peer.url}/v1/traces"))
    )
    tracer = provider.get_tracer("tests")
    start = None if begun is None else int(begun.timestamp() * 1e9)
    for number in range(count):
        agent = {"openinference.span.kind": "AGENT", "gen_ai.agent.name": "report-agent"}
        tool = {
            "openinference.span.kind": "TOOL",
            "tool.name": "read_invoice",
            "input.value": "What does Jane Roe owe?",
            "session.id": "s-1",
        }
        with (
            tracer.start_as_current_span("report", attributes=agent, start_time=start),
            tracer.start_as_current_span(f"read {number}", attributes=tool),
        ):
            pass
    provider.shutdown()
    assert running.eventually(lambda: len(stored(peer, project)) == before + 2 * count)


def stored(peer: running.Peer, project: str) -> list[Any]:
    try:
        with urllib.request.urlopen(  # noqa: S310 - loopback
            f"{peer.url}/v1/projects/{project}/spans?limit=1000"
        ) as answer:
            found: list[Any] = json.load(answer)["data"]
    except urllib.error.HTTPError:
        return []
    return found


def test_spans_of_a_real_phoenix_arrive_once(
    peer: running.Peer,
    source: Callable[..., Source],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.ALLOW_PRIVATE = True
    # Pages of two spans, and pulls that begin one span back.
    monkeypatch.setattr(phoenix, "LIMIT", 2)
    monkeypatch.setattr(phoenix, "OVERLAP", 1)
    sent(peer, "agents", 3)
    sent(peer, "others", 1)
    now = datetime.now(UTC)
    made = source("phoenix", plane="ai", created_at=now)
    connecting.connect(
        source=made,
        connector="phoenix",
        settings={"url": peer.url, "project": "agents"},
        by=COMMAND,
        now=now,
    )
    first = pulling.pull(made, now=now)
    assert (first.state, first.problem, first.events, first.rejects) == ("done", "", 6, 0)
    assert first.pages == 3
    tools = Event.objects.filter(activity=TOOL_CALL).values_list("action_id", flat=True)
    assert (len(tools), str(Term.objects.get(pk__in=tools))) == (3, "read_invoice")
    assert Event.objects.filter(activity=AGENT_RUN).count() == 3
    assert {value for _, _, value in pulling.named("agent")} == {"report-agent"}
    kept = b"".join(bodies.unpack(deposit) for deposit in Deposit.objects.all())
    assert b"Jane Roe" not in kept

    # A run that began long before the first pull and ended after it.
    sent(peer, "agents", 1, begun=now - timedelta(hours=5))
    second = pulling.pull(made, now=datetime.now(UTC))
    assert (second.state, second.events) == ("done", 2)
    third = pulling.pull(made, now=datetime.now(UTC))
    assert (third.state, third.events, Event.objects.count()) == ("done", 0, 8)


def test_checks_of_a_real_phoenix(peer: running.Peer, tmp_path: Path) -> None:
    found = pulling.checks(phoenix.CONNECTOR, {"url": peer.url, "project": "default"})
    assert [one.ok for one in found] == [True, True]
    found = pulling.checks(phoenix.CONNECTOR, {"url": peer.url, "project": "nothing"})
    assert [(one.ok, one.said) for one in found] == [
        (False, "There is no project 'nothing' at this address.")
    ] * 2
