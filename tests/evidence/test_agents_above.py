"""The agent of a span is told the same whether its root came in its body, before or after it."""

from itertools import permutations
from typing import Any

import pytest
from django.db import transaction

from evidence import capsules, links
from evidence.formats import otlp
from evidence.formats.record import ActorName, Record
from evidence.models import Actor, Event, Source
from evidence.names import memory
from evidence.queries import events
from evidence.queries.events import Filter
from evidence.vocabulary import AGENT_RUN, PLANE_AI, TOOL_CALL
from reviews import exports
from tests.evidence.conftest import NOW
from tests.evidence.test_correlation import store
from tests.evidence.test_links_by_key import call, step

pytestmark = pytest.mark.django_db
DESK = ActorName("otel:traces", "service", "desk")


def named(name: str) -> ActorName:
    return ActorName("otel:traces", "agent", name)


def span(number: int, above: int | None, **said: Any) -> Record:
    parent = None if above is None else above.to_bytes(8)
    return step(number, 1, parent_span_id=parent, **{"principal": DESK, "credential": None} | said)


ROOT = span(1, None, activity=AGENT_RUN, agent=named("clerk"))
TOOL = span(2, 1, activity=TOOL_CALL)
API = span(3, 2, request_id="REQ")
# An agent that the first one called, and its own call; and a span whose parent was never sent.
INNER = span(4, 1, activity=AGENT_RUN, agent=named("helper"))
BELOW = span(5, 4, activity=TOOL_CALL)
LOST = span(6, 99, activity=TOOL_CALL)


def told(*bodies: list[Record]) -> dict[str, str | None]:
    """What the exports of events and links say, and what the page of each event does."""
    memory.forget()
    Source.objects.all().delete()
    said: dict[str, Any] = {"created_at": NOW, "created_by": "test"}
    store(Source.objects.create(name="trail", **said), [call(50, request_id="REQ")])
    traces = Source.objects.create(name="traces", plane="ai", **said)
    for body in bodies:
        store(traces, otlp.with_agents(body))
    while links.link_next(now=NOW):
        pass
    found = {f"span {row['span_id']}": row["agent"] for row in exports.events() if row["trace_id"]}
    found |= {f"link {row['cause']['span_id']}": row["cause"]["agent"] for row in exports.links()}
    everything = events.page(Filter(), scope=None).keys
    refs = capsules.freeze(subject="t", events=everything, query={}, shown={}, by="t", now=NOW)
    by_key = {row["id"]: row for row in refs.body["events"]}
    for event in Event.objects.filter(plane=PLANE_AI):
        key = event.at, event.id
        one = events.one(key, scope=None)
        assert one is not None
        whose = found[f"span {exports.span_hex(event.span)}"]
        assert by_key[str(event.id)]["agent"] == whose
        assert one["agent_id"] == next((who for who, name in all_agents() if name == whose), None)
        for who, name in all_agents():
            # Whoever asks for an agent's events finds it, by its page, by search, and as its reader.
            for asked in (Filter(actor=who), Filter(q=name)):
                assert (key in events.page(asked, scope=None).keys) == (name == whose)
            assert (key in events.page(Filter(), scope=frozenset({who})).keys) == (name == whose)
            assert (events.one(key, scope=frozenset({who})) is not None) == (name == whose)
    return found


def all_agents() -> list[tuple[int, str]]:
    return list(Actor.objects.filter(kind="agent").values_list("pk", "value"))


def test_agent_is_the_nearest_above_in_whatever_order_spans_come() -> None:
    outcomes = []
    bodies = [[ROOT], [TOOL, BELOW], [API, INNER, LOST]]
    for order in ([[*bodies[0], *bodies[1], *bodies[2]]], *permutations(bodies)):
        try:
            with transaction.atomic():
                outcomes.append(told(*order))
                raise LookupError  # nothing of it stays
        except LookupError:
            continue
    expected: dict[str, str | None] = {f"span {n:016x}": "clerk" for n in (1, 2, 3)}
    expected |= {f"span {n:016x}": "helper" for n in (4, 5)} | {f"span {6:016x}": None}
    expected |= {f"link {n:016x}": "clerk" for n in (2, 3)}
    assert outcomes == [expected] * 7
