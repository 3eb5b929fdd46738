"""Agents that are named in another body than their spans: the same links, runs and agents as when
all of a trace comes at once, for links of every strength."""

import random
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evidence import bulk, links
from evidence.formats import aws, otlp
from evidence.formats.record import ActorName, Issued, Record
from evidence.models import Acquaintance, Actor, Run, Source
from evidence.names import memory
from evidence.queries import agents
from evidence.vocabulary import (
    AGENT_RUN,
    API_CALL,
    BECAUSE_ADDRESS,
    BECAUSE_KNOWN,
    BECAUSE_NAMED,
    BECAUSE_OPERATION,
    BECAUSE_WITHIN,
    PLANE_AI,
    PLANE_IDENTITY,
    PROOF_INFERRED,
    STEP,
    STRENGTHS,
    TOOL_CALL,
    USE,
)
from tests.evidence import test_correlation, test_inferred
from tests.evidence.conftest import NOW
from tests.evidence.test_bulk import however_few
from tests.evidence.test_correlation import BASE, MINUTE, dealt, in_database, record, store
from tests.evidence.test_inferred import AGENT, OTHER, SECOND

__all__ = ["however_few"]
type Make = Callable[..., Source]
type World = tuple[list[Record], list[Record]]

WAYS: dict[str, Callable[[], object]] = {
    "one by one": lambda: links.link_next(now=NOW),
    "together": lambda: bulk.link_many(now=NOW),
}
AGENTS = f"SELECT e.digest, {agents.of('e')} FROM evidence_event e WHERE e.trace IS NOT NULL"


def told(source: Make, deposits: list[list[Record]], way: str, *, between: int) -> dict[str, Any]:
    """What is written of these bodies, by names; the first `between` are linked as they come."""

    def link(way: str) -> None:
        while WAYS[way]():
            pass

    with transaction.atomic():
        mine = {PLANE_IDENTITY: source("trail"), PLANE_AI: source("traces", plane="ai")}
        for number, records in enumerate(deposits):
            # As the format does within one body.
            store(mine[records[0].plane], otlp.with_agents(records))
            if number < between:
                link("one by one")
        link(way)
        link("one by one")
        name = {None: None} | dict(Actor.objects.values_list("pk", "value"))
        with connection.cursor() as cursor:
            cursor.execute(AGENTS)
            told_by = {digest.bytes: name[agent] for digest, agent in cursor.fetchall()}
        found = {
            "strong": {one for one in in_database() if one[3] > min(STRENGTHS)},
            "inferred": test_inferred.shown(),
            "agents": told_by,
            "runs": {
                (run.trace, name[run.agent_id], name[run.service_id], run.spans)
                for run in Run.objects.all()
            },
            "known": {
                (name[one.caller_id], name[one.agent_id], one.hour)
                # Names that are alike are noted when they are met, whether anything hangs on them.
                for one in Acquaintance.objects.exclude(hour=Acquaintance.ALWAYS)
            },
        }
        transaction.set_rollback(True)
    memory.forget()
    return found


@pytest.mark.django_db
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    world=test_inferred.worlds() | test_correlation.worlds(),
    seed=st.integers(0, 2**32),
    between=st.sampled_from((0, 1, 3, 99)),
    way=st.sampled_from(sorted(WAYS)),
)
def test_agents_and_links_are_those_of_whole_traces_in_any_order(
    source: Make, world: World, seed: int, between: int, way: str
) -> None:
    apis, spans = world
    whole = otlp.with_agents(spans)
    found = told(source, dealt(apis, spans, seed), way, between=between)
    assert found["agents"] == {
        one.digest: one.agent and one.agent.value for one in whole if one.trace_id
    }
    assert found["inferred"] == test_inferred.pure(apis, whole)
    assert found["strong"] == test_correlation.pure(apis, spans)
    in_order = [*([apis] if apis else []), *([spans] if spans else [])]
    assert found == told(source, in_order, "one by one", between=99)


# --- what differed before

ROLE = aws.access_key("ASIA1")
NAMED = PROOF_INFERRED + BECAUSE_NAMED + BECAUSE_WITHIN + BECAUSE_OPERATION
KNOWN = PROOF_INFERRED + BECAUSE_KNOWN + BECAUSE_ADDRESS + BECAUSE_WITHIN + BECAUSE_OPERATION


def span(number: int, trace: int, above: int | None, activity: int, **said: Any) -> Record:
    plain: dict[str, Any] = {
        "plane": PLANE_AI,
        "activity": activity,
        "action": "get_object" if activity == TOOL_CALL else "s3:GetObject",
        # So long after their root that nobody looks at both for one.
        "at": BASE + (10 * MINUTE if above else 0),
        "duration": SECOND,
        "trace_id": trace.to_bytes(16),
        "span_id": number.to_bytes(8),
        "parent_span_id": None if above is None else above.to_bytes(8),
    }
    return record(number, **plain | said)


def call(number: int, **said: Any) -> Record:
    plain: dict[str, Any] = {
        "plane": PLANE_IDENTITY,
        "activity": USE,
        "action": "s3:GetObject",
        "at": BASE + 10 * MINUTE,
        "principal": OTHER,
        "address": "10.0.0.1",
    }
    return record(number, **plain | said)


ROOT = span(1, 1, None, AGENT_RUN, agent=AGENT)
BETWEEN = span(2, 1, 1, STEP)
TOOL = span(3, 1, 2, TOOL_CALL)
CALL = call(100)


def arrivals(
    source: Make, bodies: list[list[Record]], way: str, between: int
) -> list[dict[str, Any]]:
    return [told(source, [*order], way, between=between) for order in permutations(bodies)]


@pytest.mark.django_db
@pytest.mark.parametrize(("way", "between"), [("one by one", 99), ("together", 2)])
def test_link_by_the_name_of_an_agent_that_came_last(source: Make, way: str, between: int) -> None:
    found = arrivals(source, [[ROOT], [BETWEEN], [TOOL], [CALL]], way, between)
    assert [one["inferred"] for one in found] == [{(100, 3, NAMED)}] * 24
    assert [sorted(one["agents"].values()) for one in found] == [[AGENT.value] * 3] * 24


@pytest.mark.django_db
@pytest.mark.parametrize(("way", "between"), [("one by one", 99), ("together", 2)])
def test_caller_is_known_by_the_agent_above_an_exactly_linked_span(
    source: Make, way: str, between: int
) -> None:
    """The same agent in two runs: one shows its calls, the other none. Their names tell nothing."""
    clerk = ActorName("otel:traces", "agent", "clerk")
    sure = [
        span(11, 2, None, AGENT_RUN, agent=clerk),
        span(12, 2, 11, API_CALL, request_id="REQ", at=BASE + 12 * MINUTE),
    ]
    silent = [ROOT._replace(agent=clerk), TOOL._replace(parent_span_id=ROOT.span_id)]
    calls = [CALL, call(101, request_id="REQ", at=BASE + 12 * MINUTE)]
    found = arrivals(source, [sure[:1], sure[1:], silent, calls], way, between)
    assert [one["inferred"] for one in found] == [{(100, 3, KNOWN)}] * 24
    found = arrivals(source, [sure, silent[:1], silent[1:], calls], way, between)
    assert [one["inferred"] for one in found] == [{(100, 3, KNOWN)}] * 24


@pytest.mark.django_db
def test_span_that_is_sent_again_with_its_agent_speaks_for_those_below(source: Make) -> None:
    """Some senders write a span when it begins and again when it ends, and know more then."""
    inner = ActorName("otel:traces", "agent", "inner")
    begun = span(2, 1, 1, AGENT_RUN)
    ended = begun._replace(digest=(22).to_bytes(16, "little"), agent=inner)
    found = arrivals(source, [[ROOT], [begun], [ended], [TOOL]], "one by one", 99)
    expected = {
        ROOT.digest: AGENT.value,
        begun.digest: AGENT.value,
        ended.digest: "inner",
        TOOL.digest: "inner",
    }
    assert [one["agents"] for one in found] == [expected] * 24


@pytest.mark.django_db
def test_use_of_a_key_is_linked_when_its_run_ends_later(source: Make) -> None:
    """A run is known to have been issued a key, whichever of its pieces comes last."""
    tool = span(3, 1, 1, TOOL_CALL)
    sdk = span(4, 1, 3, API_CALL, request_id="REQ")
    late = span(5, 1, 1, STEP, at=BASE + 12 * MINUTE)
    issued = call(100, request_id="REQ", issued=Issued(ROLE, None, False, None))
    use = call(101, at=BASE + 12 * MINUTE, credential=ROLE)
    expected = test_correlation.pure([issued, use], [tool, sdk, late])
    assert len(expected) == 3
    for order in permutations([[tool, sdk], [late], [issued], [use]]):
        assert told(source, [*order], "one by one", between=99)["strong"] == expected


@pytest.mark.django_db
def test_walk_upwards_goes_on_when_a_span_between_comes_last(source: Make) -> None:
    tool = span(1, 1, None, TOOL_CALL)
    spans = [
        tool,
        span(2, 1, 1, STEP),
        span(3, 1, 2, STEP),
        span(4, 1, 3, API_CALL, request_id="R"),
    ]
    calls = [call(100, request_id="R")]
    expected = test_correlation.pure(calls, spans)
    assert len(expected) == 2
    for order in random.Random(0).sample([*permutations([*([one] for one in spans), calls])], 24):
        assert told(source, [*order], "one by one", between=99)["strong"] == expected
