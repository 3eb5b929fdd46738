"""No run behind a call: a span that used the key for it then says that there is one."""

from datetime import timedelta
from typing import Any

import pytest

from config import pipeline
from evidence.formats.record import ActorName
from evidence.models import Source
from evidence.names import memory
from evidence.vocabulary import TOOL_CALL
from identities.models import Finding
from tests.evidence.conftest import NOW
from tests.evidence.test_correlation import BASE, MINUTE, store
from tests.evidence.test_links_by_key import call, step

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=4)
SERVICE = ActorName("otel:traces", "service", "agent")


@pytest.fixture
def sources() -> tuple[Source, Source]:
    """The key is known from a run at one address; the traces are complete."""
    memory.forget()
    said: dict[str, Any] = {"created_at": NOW, "created_by": "test"}
    trail = Source.objects.create(name="trail", **said)
    traces = Source.objects.create(
        name="traces", plane="ai", watermark=LATER, completeness="declared", **said
    )
    store(trail, [call(1, request_id="REQ", address="10.0.0.1")])
    store(
        traces,
        [
            step(2, 1, activity=TOOL_CALL, credential=None, principal=SERVICE),
            step(3, 1, request_id="REQ", parent_span_id=(2).to_bytes(8), principal=SERVICE),
        ],
    )
    return trail, traces


def alone() -> list[tuple[str, int]]:
    pipeline.drain(LATER)
    return [
        (one.state, one.count) for one in Finding.objects.filter(rule="no_run").order_by("number")
    ]


def test_call_from_elsewhere_is_found_until_a_span_used_its_key_then(
    sources: tuple[Source, Source],
) -> None:
    trail, traces = sources
    far = BASE + 10 * MINUTE
    store(trail, [call(5, at=far, address="198.51.100.7")])
    assert alone() == [("open", 1)]
    store(traces, [step(6, 1, at=far, principal=SERVICE)])
    assert alone() == [("withdrawn", 0)]


def test_more_calls_than_spans_stay_found(sources: tuple[Source, Source]) -> None:
    trail, traces = sources
    far = BASE + 10 * MINUTE
    store(traces, [step(6, 1, at=far, principal=SERVICE)])
    store(trail, [call(one, at=far, address="198.51.100.7") for one in (5, 7)])
    assert alone() == [("open", 2)]


def test_span_in_no_run_is_no_run_behind_it(sources: tuple[Source, Source]) -> None:
    trail, traces = sources
    far = BASE + 10 * MINUTE
    store(traces, [step(6, 9, at=far, principal=SERVICE)])
    store(trail, [call(5, at=far, address="198.51.100.7")])
    assert alone() == [("open", 1)]
