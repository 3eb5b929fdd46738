"""One tool call that framework, client and server each tell is counted once, in any order."""

import json
import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction

from evidence import bulk, intake, links
from evidence.formats.record import Record
from evidence.models import Event, Retold, Run, Source
from evidence.names import memory
from evidence.vocabulary import AGENT_RUN, API_CALL, MODEL_CALL, STEP, TOOL_CALL
from tests.evidence.conftest import NOW
from tests.evidence.test_correlation import store
from tests.evidence.test_links_by_key import step

pytestmark = pytest.mark.django_db
type Make = Callable[..., Source]
DAYS = timedelta(days=3)  # the recording is of days that are to come
SAMPLES = Path(__file__).parent.parent / "samples"


def span(number: int, above: int | None, activity: int, name: str, trace: int = 1) -> Record:
    parent = None if above is None else above.to_bytes(8)
    return step(
        number, trace, parent_span_id=parent, activity=activity, action=name, credential=None
    )


def tool(number: int, above: int | None, name: str = "read_invoice", trace: int = 1) -> Record:
    return span(number, above, TOOL_CALL, name, trace)


# Framework, client and server, a step and a call of HTTP between them; the server's own call.
TRIPLE = [
    span(1, None, AGENT_RUN, "clerk"),
    tool(2, 1),
    span(3, 2, STEP, "MCP session"),
    tool(4, 3),
    span(5, 4, API_CALL, "POST"),
    tool(6, 5),
    span(7, 6, API_CALL, "s3:GetObject"),
]


def counted() -> dict[int, tuple[int, int]]:
    """Of each run its spans and its tool calls."""
    return {run.trace.int: (run.spans, run.tool_calls) for run in Run.objects.all()}


def again() -> set[tuple[int, int]]:
    """(span, span that tells the same above it)."""
    spans = {(one.at, one.id): one.span or 0 for one in Event.objects.all()}
    return {(spans[one.at, one.id], spans[one.by_at, one.by_id]) for one in Retold.objects.all()}


@pytest.mark.parametrize(
    ("spans", "calls", "told_again"),
    [
        (TRIPLE, 1, {(4, 2), (6, 4)}),
        ([tool(1, None), tool(2, 1, "Read_Invoice")], 1, {(2, 1)}),
        # As clients name a server's tool.
        ([tool(1, None, "mcp__billing__read_invoice"), tool(2, 1)], 1, {(2, 1)}),
        ([tool(1, None, "billing.read_invoice"), tool(2, 1)], 1, {(2, 1)}),
        # Another tool, whose name only ends alike; a sign in a name is no wildcard.
        ([tool(1, None, "never_read_invoice"), tool(2, 1)], 2, set()),
        ([tool(1, None), tool(2, 1, "billing__read_invoice")], 2, set()),
        ([tool(1, None, "x__ab"), tool(2, 1, "%")], 2, set()),
        ([tool(1, None, "x__ab"), tool(2, 1, "a_")], 2, set()),
        # Beside one another: called twice, or tried again.
        ([span(1, None, AGENT_RUN, "clerk"), tool(2, 1), tool(3, 1)], 2, set()),
        # Tried again below one call of the framework: the agent called once.
        ([tool(1, None), tool(2, 1), tool(3, 1)], 1, {(2, 1), (3, 1)}),
        # An agent or a model between: another call.
        ([tool(1, None), span(2, 1, AGENT_RUN, "helper"), tool(3, 2)], 2, set()),
        ([tool(1, None), span(2, 1, MODEL_CALL, "m"), tool(3, 2)], 2, set()),
        # Nothing is looked at above another tool.
        ([tool(1, None), tool(2, 1, "other"), tool(3, 2)], 3, set()),
        # In another trace, or with parents that lead round.
        ([tool(1, None), tool(2, 1, trace=2)], 1, set()),
        ([tool(1, 1)], 1, set()),
        ([tool(1, 2), tool(2, 1)], 2, set()),
        ([tool(1, 2), tool(2, 3), tool(3, 1)], 1, {(1, 2), (2, 3), (3, 1)}),
        # A span above was never sent.
        ([tool(1, None), tool(2, 9)], 2, set()),
    ],
)
def test_calls_are_counted_by_what_tells_them_first(
    source: Make, spans: list[Record], calls: int, told_again: set[tuple[int, int]]
) -> None:
    store(source("traces", plane="ai"), spans)
    one_by_one()
    assert again() == told_again
    here = [one for one in spans if one.trace_id == (1).to_bytes(16)]
    assert counted()[1] == (len(here), calls)
    assert Event.objects.count() == len(spans)


@pytest.mark.parametrize("together", [False, True])
def test_count_is_the_same_whatever_comes_first(
    source: Make, together: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "LEAST_ROWS", 1)
    monkeypatch.setattr(bulk, "MOST_OLD_ROWS", 10**9)
    spans = [*TRIPLE, tool(12, 1, "pay"), tool(13, 12, "pay")]
    outcomes = []
    dice = random.Random(46)
    for number in range(6):
        with transaction.atomic():
            traces = source("traces", plane="ai")
            # One by one, and in two pieces, each sent twice.
            cut = 1 if number % 2 else 4
            order = dice.sample(spans, len(spans))
            for start in range(0, len(order), cut):
                store(traces, order[start : start + cut])
                store(traces, order[start : start + cut])
                if not together:
                    one_by_one()
            while together and bulk.link_many(now=NOW):
                pass
            one_by_one()
            outcomes.append((counted(), again()))
            transaction.set_rollback(True)
        memory.forget()
    assert outcomes == [({1: (9, 2)}, {(4, 2), (6, 4), (13, 12)})] * 6


def one_by_one() -> None:
    while links.link_next(now=NOW):
        pass


def test_real_client_and_server_of_mcp_tell_one_call(source: Make) -> None:
    """The spans of the MCP SDK itself: `read_invoice` by its client, and below that its server."""
    lines = (SAMPLES / "agents.jsonl").read_text("utf-8").splitlines()
    (body,) = (line for line in lines if "mcp-python-sdk" in line)
    taken = intake.take(
        source=source("traces", plane="ai"),
        body=body.encode(),
        by="test",
        now=NOW + DAYS,
        format="otlp",
    )
    assert (taken.events, taken.rejects) == (6, 0)
    one_by_one()
    assert Event.objects.filter(activity=TOOL_CALL).count() == 2
    assert counted() == {int("c6fafc6d4e9b69a09409ad68a651fd2a", 16): (2, 1)}
    told = {
        entry["name"]: int(entry["spanId"], 16)
        for entry in json.loads(body)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    }
    server, client = told["tools/call read_invoice"], told["MCP send tools/call read_invoice"]
    assert {(a & (2**64 - 1), b & (2**64 - 1)) for a, b in again()} == {(server, client)}
