"""Nothing is concluded where a span could not be read, or its agent also sends elsewhere."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest

from evidence import intake
from evidence.models import Deposit, Source
from evidence.vocabulary import TOOL_CALL
from identities.judging import concerned
from identities.models import Finding
from tests.evidence.conftest import NOW
from tests.evidence.test_correlation import BASE, MINUTE, store
from tests.evidence.test_links_by_key import call, step
from tests.identities.test_absence_by_key import LATER, SERVICE, alone, sources

__all__ = ["sources"]

FAR = BASE + 10 * MINUTE
pytestmark = pytest.mark.django_db


def sent(traces: Source, *spans: dict[str, Any]) -> Deposit:
    """Spans sent to this source as OTLP/JSON."""
    whole = {"traceId": "0af7651916cd43dd8448eb211c80319c", "name": "chat"}
    made = [
        {**whole, "spanId": f"b7ad6b716920333{number}", **one} for number, one in enumerate(spans)
    ]
    body = orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": made}]}]})
    taken = intake.take(source=traces, body=body, by="test", now=NOW, format="otlp")
    return Deposit.objects.get(pk=taken.deposit)


def times(at: int, microseconds: int) -> dict[str, str]:
    return {
        "startTimeUnixNano": str(at * 1000),
        "endTimeUnixNano": str((at + microseconds) * 1000),
    }


def backwards(at: int) -> dict[str, str]:
    """A span that ends before it starts, which nobody can place."""
    return times(at, -MINUTE)


def test_call_beside_a_span_that_could_not_be_read_is_no_finding(
    sources: tuple[Source, Source],
) -> None:
    trail, traces = sources
    deposit = sent(traces, times(FAR, MINUTE), backwards(FAR))
    assert (deposit.events, deposit.rejects) == (1, 1)
    store(trail, [call(5, at=FAR, address="198.51.100.7")])
    assert alone() == []


def test_call_before_spans_of_which_none_could_be_read_is_no_finding(
    sources: tuple[Source, Source],
) -> None:
    trail, traces = sources
    assert sent(traces, backwards(FAR)).first_at is None
    store(trail, [call(5, at=FAR, address="198.51.100.7")])
    assert alone() == []


def test_call_days_away_from_what_could_not_be_read_is_one(
    sources: tuple[Source, Source],
) -> None:
    trail, traces = sources
    past = FAR - int(timedelta(days=3).total_seconds()) * 1_000_000
    sent(traces, times(past, MINUTE), backwards(past))
    store(trail, [call(5, at=FAR, address="198.51.100.7")])
    assert alone() == [("open", 1)]


def test_call_beside_spans_that_are_kept_as_old_is_no_finding(
    sources: tuple[Source, Source],
) -> None:
    trail, traces = sources
    traces.retention_days = 1
    traces.save(update_fields=["retention_days"])
    past = FAR - int(timedelta(days=3).total_seconds()) * 1_000_000
    deposit = sent(traces, times(past, MINUTE))
    assert (deposit.events, deposit.rejects, deposit.old) == (0, 0, 1)
    store(trail, [call(5, at=past, address="198.51.100.7")])
    assert alone() == []
    # What is placed in time says nothing of another time.
    store(trail, [call(6, at=FAR, address="198.51.100.7")])
    assert alone() == [("open", 1)]


def span_and_reject(traces: Source, at: int) -> Deposit:
    return sent(traces, times(at, MINUTE), backwards(at))


def reject_alone(traces: Source, at: int) -> Deposit:
    return sent(traces, backwards(at))


@pytest.mark.parametrize("comes", [span_and_reject, reject_alone])
def test_what_could_not_be_read_takes_nothing_back_and_is_said(
    sources: tuple[Source, Source], comes: Callable[[Source, int], Deposit]
) -> None:
    trail, traces = sources
    store(trail, [call(5, at=FAR, address="198.51.100.7")])
    assert alone() == [("open", 1)]
    # Anybody who may send traces can send what nobody reads.
    comes(traces, FAR)
    assert alone() == [("open", 1)]
    found = Finding.objects.get(rule="no_run")
    assert found.words == (
        "1 call from 198.51.100.7 with no run behind it, from an address never seen with one;"
        " since then it is no longer sure: spans of that time may be missing or could not be read"
    )
    # What comes after it is not concluded, and what explains the call takes it back.
    store(trail, [call(6, at=FAR + 1, address="198.51.100.7")])
    assert alone() == [("open", 1)]
    store(traces, [step(7, 1, at=FAR, duration=1, principal=SERVICE)])
    store(traces, [step(8, 1, at=FAR, duration=2, principal=SERVICE)])
    assert alone() == [("withdrawn", 0)]


def test_what_could_not_be_read_elsewhere_or_at_another_time_says_nothing(
    sources: tuple[Source, Source], django_assert_max_num_queries: Any
) -> None:
    trail, traces = sources
    past = FAR - int(timedelta(days=3).total_seconds()) * 1_000_000
    store(trail, [call(5, at=FAR, address="198.51.100.7")])
    assert alone() == [("open", 1)]
    other = Source.objects.create(name="other", plane="ai", created_at=NOW, created_by="test")
    assert concerned.look_again(span_and_reject(other, FAR)) == 0
    assert concerned.look_again(span_and_reject(traces, past)) == 0
    deposit = span_and_reject(traces, FAR)
    deposit.source  # noqa: B018 - asked for by whoever judges it, too
    with django_assert_max_num_queries(4):
        assert concerned.look_again(deposit) == 1
    assert alone() == [("open", 1)]


def sampled(other: Source) -> None:
    Source.objects.filter(pk=other.pk).update(sampling=0.1)


def incomplete(other: Source) -> None:
    Source.objects.filter(pk=other.pk).update(watermark=None)


@pytest.mark.parametrize("made", [sampled, incomplete])
@pytest.mark.parametrize("value", ["agent", "stranger"])
def test_call_of_an_agent_that_also_sends_where_spans_may_be_missing(
    sources: tuple[Source, Source], made: Callable[[Source], None], value: str
) -> None:
    trail, _ = sources
    other = Source.objects.create(
        name="other",
        plane="ai",
        watermark=LATER,
        completeness="declared",
        created_at=NOW,
        created_by="test",
    )
    named = SERVICE._replace(realm="otel:other", value=value)
    store(other, [step(8, 7, activity=TOOL_CALL, credential=None, principal=named)])
    made(other)
    store(trail, [call(5, at=FAR, address="198.51.100.7")])
    assert alone() == ([] if value == "agent" else [("open", 1)])
