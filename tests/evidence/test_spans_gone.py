"""Spans that go, by retention and by erasure: what was derived from them goes too, and no more."""

from collections.abc import Callable
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from evidence import links
from evidence.models import Actor, AgentAbove, Event, LegalHold, Retold, Run, Source
from tests.evidence.bodies import export
from tests.evidence.test_erasing import erased, now_minus, take
from tests.evidence.test_retention import AsOwner, prune

type Make = Callable[..., Source]
pytestmark = pytest.mark.django_db(transaction=True)
AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "jane-helper"}
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "read_invoice"}
MCP = {"mcp.method.name": "tools/call", "gen_ai.tool.name": "read_invoice"}
ROOT: dict[str, Any] = {"span": 1, "attributes": AGENT}
FRAMEWORK: dict[str, Any] = {"span": 2, "parent": 1, "attributes": TOOL}
SERVER: dict[str, Any] = {"span": 3, "parent": 2, "attributes": MCP}


def body(*spans: dict[str, Any], at: datetime) -> bytes:
    return bytes(export(*spans, at=at).SerializeToString())


def link() -> None:
    while links.link_next(now=timezone.now()):
        pass


def above() -> dict[int, str]:
    """Of each span that has its agent from above, whose it is."""
    names = dict(Actor.objects.values_list("pk", "value"))
    spans = {(one.at, one.id): one.span or 0 for one in Event.objects.all()}
    return {spans[one.at, one.id]: names[one.agent_id] for one in AgentAbove.objects.all()}


def told_again() -> set[tuple[int, int]]:
    spans = {(one.at, one.id): one.span or 0 for one in Event.objects.all()}
    return {(spans[one.at, one.id], spans[one.by_at, one.by_id]) for one in Retold.objects.all()}


def test_agent_that_only_an_erased_span_gave_is_nobodys(source: Make) -> None:
    traces = source("traces", plane="ai", format="otlp")
    root = take(traces, body(ROOT, at=now_minus(5)))
    take(traces, body(FRAMEWORK, SERVER, at=now_minus(4)))
    link()
    assert (above(), told_again()) == ({2: "jane-helper", 3: "jane-helper"}, {(3, 2)})
    assert Run.objects.get().agent is not None
    erased(root, 0, names=True)
    assert (above(), Run.objects.get().agent) == ({}, None)
    assert Actor.objects.filter(value="jane-helper").count() == 0
    # Nor does it come back with what comes later in the trace; calls are counted as before.
    take(traces, body({"span": 4, "parent": 2, "attributes": MCP}, at=now_minus(3)))
    link()
    assert (above(), told_again()) == ({}, {(3, 2), (4, 2)})
    assert (Run.objects.get().agent, Run.objects.get().tool_calls) == (None, 1)


def test_erased_span_keeps_the_agent_that_another_gave(source: Make) -> None:
    traces = source("traces", plane="ai", format="otlp")
    take(traces, body(ROOT, at=now_minus(5)))
    tools = take(traces, body(FRAMEWORK, at=now_minus(4)))
    take(traces, body(SERVER, at=now_minus(3)))
    link()
    erased(tools, 0, names=True)
    assert above() == {3: "jane-helper"}


def test_nothing_is_said_of_spans_whose_month_gave_way(source: Make, as_owner: AsOwner) -> None:
    first = (timezone.now() - timedelta(days=200)).replace(day=2, hour=3, minute=0, second=0)
    later = first + timedelta(days=40)
    traces = source("traces", plane="ai", format="otlp")
    take(traces, body(ROOT, at=first))
    take(traces, body(FRAMEWORK, SERVER, at=first + timedelta(minutes=1)))
    # The end of a long run, in a month that somebody holds.
    take(traces, body({"span": 4, "parent": 3, "attributes": MCP}, at=later))
    link()
    assert above() == dict.fromkeys((2, 3, 4), "jane-helper")
    assert told_again() == {(3, 2), (4, 3)}
    LegalHold.objects.create(
        reason="court", placed_at=timezone.now(), placed_by="user:1",
        begins=later - timedelta(hours=1), ends=later + timedelta(hours=1),
    )  # fmt: skip
    Source.objects.filter(pk=traces.pk).update(retention_days=30)
    as_owner(
        "SET countersign.letting_go = 'on';"
        " UPDATE evidence_retentionsaid SET said_at = said_at - interval '8 days';"
        " RESET countersign.letting_go"
    )
    assert prune().events == 3
    assert list(Event.objects.values_list("span", flat=True)) == [4]
    # The span that is held has its agent still; what told its call before is not there any more.
    assert (above(), told_again()) == ({4: "jane-helper"}, set())


def test_agents_of_spans_that_were_there_before_are_found_by_the_migration(source: Make) -> None:
    traces = source("traces", plane="ai", format="otlp")
    for trace in (1, 2, 3):
        for span in (SERVER, FRAMEWORK, ROOT):
            take(traces, body(span | {"trace": trace}, at=now_minus(5)))
    link()
    wanted = set(AgentAbove.objects.values_list("at", "id", "agent_id"))
    assert len(wanted) == 6
    with connection.cursor() as cursor:
        # Some are there already, as when it was broken off.
        cursor.execute(
            "DELETE FROM evidence_agentabove WHERE id IN (SELECT id FROM evidence_agentabove LIMIT 4)"
        )
    for _ in range(2):
        import_module("evidence.migrations.0024_agents_of_old_spans").find(None, Editor())
        assert set(AgentAbove.objects.values_list("at", "id", "agent_id")) == wanted


class Editor:
    """What a migration is handed, as far as this one asks for it."""

    connection = connection
