"""A finding of a run names a run, never the trace that the SDK's span alone stands in."""

import itertools
from typing import Any

import pytest

from evidence.formats.record import ActorName, Record
from evidence.models import Actor, Run, Source
from evidence.vocabulary import AGENT_RUN, API_CALL, EXACT, INFERRED, TOOL_CALL
from identities import judging
from identities.models import Binding, Finding, Identity
from tests.evidence.test_correlation import BASE, MINUTE
from tests.evidence.test_links_by_key import call, step
from tests.identities.chains import bind
from tests.identities.test_claimed_links import arrive, source
from tests.identities.test_following import Make
from tests.identities.test_key_users import LATER

pytestmark = pytest.mark.django_db
SECRET = "secretsmanager:GetSecretValue"
RUN, ORPHAN = 1, 9
OF_RUN, OF_SDK = RUN.to_bytes(16).hex(), ORPHAN.to_bytes(16).hex()
SECOND = 1_000_000


def spans(sdk_in: int) -> tuple[list[Record], list[Record]]:
    """A run whose tool read a secret, and the SDK's span of that call in the trace `sdk_in`."""
    agent = ActorName("otel:traces", "agent", "invoicer")
    service = ActorName("otel:traces", "service", "invoice-service")
    said: dict[str, Any] = {"at": BASE + MINUTE, "credential": None, "principal": service}
    run = [
        step(1, RUN, activity=AGENT_RUN, action="invoke_agent", agent=agent,
             duration=20 * SECOND, **said),
        step(2, RUN, activity=TOOL_CALL, action="get_secret_value", agent=agent,
             parent_span_id=(1).to_bytes(8), duration=10 * SECOND, **said),
    ]  # fmt: skip
    said["at"] += SECOND
    above = {"parent_span_id": (2).to_bytes(8)} if sdk_in == RUN else {}
    sdk = [step(3, sdk_in, activity=API_CALL, action=SECRET, request_id="R1", **above, **said)]
    return run, sdk


@pytest.fixture
def invoicer(active: Make) -> None:
    """An identity linked to a user's account, to its agent and to its service."""
    trail = source("trail")
    source("traces", plane="ai", watermark=LATER, completeness="declared")
    user = ActorName("aws:1", "arn", "arn:aws:iam::1:user/svc-other")
    read = call(
        4, at=BASE + MINUTE + 2 * SECOND, action=SECRET, resource="prod/db", principal=user,
        request_id="R1", realm="aws:1",
    )  # fmt: skip
    arrive(trail, [read])
    identity = active("invoicer")
    for name in Actor.objects.filter(kind="arn"):
        bind(identity, name)


def link(*kinds: str) -> None:
    identity = Identity.objects.get(name="invoicer")
    linked = Binding.objects.values("actor")
    for name in Actor.objects.filter(kind__in=kinds).exclude(pk__in=linked):
        bind(identity, name)
    judging.again(identities=[identity], now=LATER)
    judging.judge_all(now=LATER)


def left() -> list[tuple[str, int]]:
    found = Finding.objects.filter(rule="left_task", state="open").order_by("number")
    return [(one.trace.hex if one.trace else "", one.strength) for one in found]


@pytest.mark.usefixtures("invoicer")
def test_run_of_the_sdks_own_span_is_exact() -> None:
    traces = Source.objects.get(name="traces")
    run, sdk = spans(RUN)
    arrive(traces, run + sdk)
    link("agent", "service")
    assert left() == [(OF_RUN, EXACT)]


@pytest.mark.usefixtures("invoicer")
@pytest.mark.parametrize("order", list(itertools.permutations((0, 1))), ids=str)
def test_span_alone_in_its_trace_names_the_run_of_its_tool(order: tuple[int, ...]) -> None:
    traces = Source.objects.get(name="traces")
    parts = spans(ORPHAN)
    for place in order:
        arrive(traces, parts[place])
        link("agent", "service")
    assert list(Run.objects.values_list("trace", flat=True)) != []
    assert left() == [(OF_RUN, INFERRED)]
    assert set(Finding.objects.filter(state="open").values_list("rule", "strength")) == {
        ("left_task", INFERRED),
        ("no_authority", EXACT),
    }


@pytest.mark.usefixtures("invoicer")
def test_span_of_no_run_leaves_no_task() -> None:
    _, sdk = spans(ORPHAN)
    arrive(Source.objects.get(name="traces"), sdk)
    link("service")
    assert left() == []
    assert Finding.objects.get(state="open").rule == "no_authority"
    assert OF_SDK not in Finding.objects.values_list("family", flat=True)
