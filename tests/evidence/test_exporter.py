"""Real agent frameworks with a real OpenTelemetry exporter send to the real door; the run shows.

Two frameworks, two conventions: pydantic-ai writes OpenTelemetry's own; LangGraph (the agents of
LangChain) has OpenInference's written for it. Their models are the fakes that they come with.
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.utils import timezone
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import StructuredTool
from openinference.instrumentation.langchain import LangChainInstrumentor
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from pydantic_ai import Agent
from pydantic_ai.capabilities import Instrumentation
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.models.test import TestModel

from evidence import actions, links
from evidence.models import Deposit, Event, Run, Source, Term
from evidence.permissions import COMMAND
from evidence.stores import bodies
from evidence.vocabulary import AGENT_RUN, MODEL_CALL, TOOL_CALL


@pytest.fixture
def provider(
    source: Callable[..., Source], live_server: Any, transactional_db: None
) -> Callable[..., TracerProvider]:
    """A tracer provider whose exporter holds the token of the source `agents`."""
    _, token = actions.new_token(
        source=source("agents", plane="ai", format="otlp"), by=COMMAND, now=timezone.now()
    )

    def make(compression: Compression, *, batched: bool) -> TracerProvider:
        made = TracerProvider(resource=Resource.create({"service.name": "reporting"}))
        exporter = OTLPSpanExporter(
            endpoint=f"{live_server.url}/v1/traces",
            headers={"Authorization": f"Bearer {token}"},
            compression=compression,
        )
        made.add_span_processor(
            BatchSpanProcessor(exporter) if batched else SimpleSpanProcessor(exporter)
        )
        return made

    return make


def asked(agent: Agent, words: str) -> None:
    """Ask in a thread of its own: the browser tests' loop runs in this one."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(asyncio.run, agent.run(words)).result()


@pytest.mark.django_db(transaction=True)
def test_run_of_a_real_agent_shows(provider: Callable[..., TracerProvider]) -> None:
    tracing = provider(Compression.Gzip, batched=True)
    agent = Agent(
        TestModel(),
        name="report-agent",
        capabilities=[Instrumentation(settings=InstrumentationSettings(tracer_provider=tracing))],
    )

    @agent.tool_plain
    def read_invoice(number: int) -> str:
        """An invoice's text."""
        return f"invoice {number}: the customer's secret wishes"

    asked(agent, "Write the report about Jane Roe.")
    tracing.shutdown()
    while links.link_next(now=timezone.now()):
        pass
    run = Run.objects.get()
    assert run.agent is not None
    assert run.service is not None
    assert (run.agent.value, run.service.value, run.ended) == ("report-agent", "reporting", True)
    assert (run.tool_calls, run.model_calls) == (
        Event.objects.filter(activity=TOOL_CALL).count(),
        Event.objects.filter(activity=MODEL_CALL).count(),
    )
    assert (run.tool_calls, run.model_calls) == (1, 2)


@pytest.mark.django_db(transaction=True)
def test_content_of_a_real_agent_is_not_kept(provider: Callable[..., TracerProvider]) -> None:
    tracing = provider(Compression.NoCompression, batched=False)
    agent = Agent(
        TestModel(custom_output_text="Jane Roe owes nothing"),
        name="report-agent",
        capabilities=[Instrumentation(settings=InstrumentationSettings(tracer_provider=tracing))],
    )
    asked(agent, "What does Jane Roe owe?")
    tracing.shutdown()
    kept = [bodies.unpack(deposit) for deposit in Deposit.objects.all()]
    assert len(kept) > 0
    assert [body for body in kept if b"Jane Roe" in body] == []


class FakeModel(GenericFakeChatModel):  # type: ignore[misc]  # mypy does not follow its types
    """Says what it was given, whatever tools it is told of."""

    def bind_tools(self, *_: Any, **__: Any) -> "FakeModel":
        return self


def read_invoice(number: int) -> str:
    """An invoice's text."""
    return f"invoice {number}: the customer's secret wishes"


@pytest.fixture
def graph_provider(provider: Callable[..., TracerProvider]) -> Iterator[TracerProvider]:
    """A tracer provider to which LangGraph's spans go."""
    tracing = provider(Compression.Gzip, batched=True)
    LangChainInstrumentor().instrument(tracer_provider=tracing)
    yield tracing
    LangChainInstrumentor().uninstrument()


@pytest.mark.django_db(transaction=True)
def test_run_of_a_real_graph_shows(graph_provider: TracerProvider) -> None:
    asks = {"name": "read_invoice", "args": {"number": 4711}, "id": "c1"}
    says = [AIMessage(content="", tool_calls=[asks]), AIMessage(content="Jane Roe owes nothing")]
    read = StructuredTool.from_function(read_invoice)
    agent = create_agent(FakeModel(messages=iter(says)), [read], name="invoice-graph")
    answer = agent.invoke(
        {"messages": [("user", "What does Jane Roe owe?")]},
        config={"configurable": {"thread_id": "thread-9"}},
    )
    assert answer["messages"][-1].content == "Jane Roe owes nothing"
    graph_provider.shutdown()
    while links.link_next(now=timezone.now()):
        pass
    run = Run.objects.get()
    assert (str(run.agent), str(run.service), str(run.conversation), run.ended) == (
        "invoice-graph",
        "reporting",
        "thread-9",
        True,
    )
    assert (run.tool_calls, run.model_calls) == (1, 2)
    events = list(Event.objects.order_by("at", "id"))
    assert {event.agent_id for event in events} == {run.agent_id}
    above = {event.span: event.parent_span for event in events}
    (whole,) = (event for event in events if event.activity == AGENT_RUN)
    actions_named = dict(Term.objects.values_list("pk", "value"))
    assert (actions_named[whole.action_id], whole.parent_span) == ("invoice-graph", None)
    called = [event for event in events if event.activity in (TOOL_CALL, MODEL_CALL)]
    assert [actions_named[e.action_id] for e in called if e.activity == TOOL_CALL] == [
        "read_invoice"
    ]
    # Each stands below its node, and the node below the whole.
    assert [above[above[event.span]] for event in called] == [whole.span] * 3
    kept = [bodies.unpack(deposit) for deposit in Deposit.objects.all()]
    assert len(kept) > 0
    said = (b"Jane Roe", b"4711", b"secret wishes")
    assert [word for word in said for body in kept if word in body] == []
