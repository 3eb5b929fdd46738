"""A run goes by the earliest name of each kind that its spans say, whichever is written first."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from evidence import bulk, links
from evidence.formats.record import ActorName, Record
from evidence.models import Actor, Run, Source, Term
from evidence.names import memory
from evidence.vocabulary import AGENT_RUN, API_CALL, MODEL_CALL, PLANE_AI, STEP, TOOL_CALL
from tests.evidence.conftest import NOW
from tests.evidence.test_correlation import BASE, record, store

type Told = dict[bytes, tuple[object, ...]]
RUNS = (AGENT_RUN, TOOL_CALL, MODEL_CALL)
# Of each kind the names that the spans of a run say, mostly one.
AGENTS = [ActorName("otel:x", "agent", name) for name in ("planner", "writer", "critic")]
SERVICES = [ActorName("otel:x", "service", name) for name in ("front", "back")]
PEOPLE = [ActorName("otel:x", "user", name) for name in ("ann", "bob")]


def drawn(dice: random.Random) -> list[Record]:
    """Spans of twelve traces, at the same moment often."""
    spans = []
    for number in range(90):
        one_name = number % 12 < 6

        def some(names: list[Any], number: int = number, *, one: bool = one_name) -> Any:
            return dice.choice([None, names[number % len(names)] if not one else names[0]])

        spans.append(
            record(
                number,
                plane=PLANE_AI,
                activity=dice.choice((*RUNS, API_CALL, STEP)),
                action="x",
                at=BASE + dice.randint(0, 3),
                duration=dice.choice((None, 5, 10)),
                trace_id=bytes(15) + bytes([number % 12]),
                span_id=(number + 1).to_bytes(8),
                parent_span_id=None if dice.random() < 0.1 else (1).to_bytes(8),
                principal=some(SERVICES),
                agent=some(AGENTS),
                on_behalf=some(PEOPLE),
                conversation=some(["c-1", "c-2"]),
                task=some(["t-1", "t-2"]),
                release=some(["r-1", "r-2"]),
            )
        )
    return spans


def told(spans: list[Record]) -> Told:
    """What the runs of these spans are."""
    traces: dict[bytes, list[Record]] = {}
    for one in sorted(spans, key=lambda one: (one.at or 0, int.from_bytes(one.digest, "little"))):
        traces.setdefault(one.trace_id or b"", []).append(one)

    def first(of: list[Record], name: str) -> object:
        said = (getattr(one, name) for one in of if getattr(one, name) is not None)
        found = next(said, None)
        return found.value if isinstance(found, ActorName) else found

    return {
        trace: (
            first([one for one in of if one.activity == AGENT_RUN], "agent") or first(of, "agent"),
            *(first(of, name) for name in ("principal", "on_behalf", "conversation")),
            *(first(of, name) for name in ("task", "release")),
            len(of),
            max((one.at or 0) + (one.duration or 0) for one in of) - BASE,
        )
        for trace, of in traces.items()
        if any(one.activity in RUNS for one in of)
    }


def written() -> Told:
    actors = dict(Actor.objects.values_list("pk", "value"))
    terms = dict(Term.objects.values_list("pk", "value"))
    return {
        run.trace.bytes: (
            *(one and actors[one] for one in (run.agent_id, run.service_id, run.on_behalf_id)),
            *(one and terms[one] for one in (run.conversation_id, run.task_id, run.release_id)),
            run.spans,
            round((run.last_at - NOW).total_seconds() * 1_000_000),
        )
        for run in Run.objects.all()
    }


@pytest.mark.django_db
@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_runs_go_by_their_earliest_names(
    source: Callable[..., Source], monkeypatch: pytest.MonkeyPatch, seed: int, *, together: bool
) -> None:
    monkeypatch.setattr(bulk, "LEAST_ROWS", 1)
    monkeypatch.setattr(bulk, "MOST_OLD_ROWS", 10**9)
    dice = random.Random(seed)
    spans = drawn(dice)
    expected = told(spans)
    # More than half of the runs have several names of a kind, and some have none of one.
    assert len(expected) > 10
    dice.shuffle(spans)
    with transaction.atomic():
        traces = source("traces", plane="ai")
        for begins in range(0, len(spans), 30):
            store(traces, spans[begins : begins + 30])
            while not together and links.link_next(now=NOW):
                pass
        while bulk.link_many(now=NOW) if together else links.link_next(now=NOW):
            pass
        assert written() == expected
        transaction.set_rollback(True)
    memory.forget()
