"""A request id is a claim until the agent of its span is linked to the account that called."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from evidence.formats.record import ActorName, Record
from evidence.models import Actor, Link, Source
from evidence.names import memory
from evidence.queries import events
from evidence.vocabulary import AGENT_RUN, API_CALL, CLAIMED, EXACT, KEY, TOOL_CALL, proof_words
from identities import coverage
from identities.acting import COMMAND
from identities.actions import bindings
from identities.models import Attribution, Binding, Credential, Finding, Identity
from identities.models.behaviour import AS_AGENT, BY_EXACT
from tests.evidence.conftest import NOW
from tests.evidence.test_correlation import BASE, MINUTE, store
from tests.evidence.test_links_by_key import call, step
from tests.identities.chains import bind
from tests.identities.test_following import Make
from tests.identities.test_key_users import LATER, judge

pytestmark = pytest.mark.django_db
HOME, AWAY = "10.0.0.1", "203.0.113.9"


@pytest.fixture
def trail(db: None) -> Source:
    memory.forget()
    return source("trail")


@pytest.fixture
def traces(trail: Source) -> Source:
    return source("traces", plane="ai", watermark=LATER, completeness="declared")


def source(name: str, **said: Any) -> Source:
    return Source.objects.create(name=name, created_at=NOW, created_by="test", **said)


def run(
    number: int,
    agent: str,
    *requests: str,
    of: str = "traces",
    operation: str = "s3:GetObject",
    trace: int = 0,
) -> list[Record]:
    """A run of this agent whose tool made calls with these request ids."""
    first = 100 * number
    at = BASE + number * MINUTE
    name = ActorName(f"otel:{of}", "agent", agent)
    tool = (first + 1).to_bytes(8)
    said: dict[str, Any] = {"at": at, "credential": None, "agent": name}
    return [
        step(first, trace or number, activity=AGENT_RUN, **said),
        step(first + 1, trace or number, activity=TOOL_CALL, parent_span_id=first.to_bytes(8), **said),
        *(
            step(
                first + 2 + place,
                trace or number,
                activity=API_CALL,
                request_id=request,
                parent_span_id=tool,
                action=operation,
                **said,
            )
            for place, request in enumerate(requests)
        ),
    ]  # fmt: skip


def calls(number: int, *requests: str, address: str = HOME, **said: Any) -> list[Record]:
    at = BASE + number * MINUTE
    return [
        call(100 * number + 50_000 + place, request_id=request, at=at, address=address, **said)
        for place, request in enumerate(requests)
    ]


def arrive(where: Source, records: list[Record]) -> None:
    store(where, records)
    judge()


def actor(kind: str, value: str) -> Actor:
    return Actor.objects.get(kind=kind, value=value)


def key_of(identity: Identity) -> Actor:
    """The key of the calls becomes this identity's."""
    key = Actor.objects.get(kind="access_key")
    bind(identity, key)
    Credential.objects.get_or_create(
        actor=key,
        defaults={"identity": identity, "kind": "access_key", "standing": True, "state_at": NOW},
    )
    return key


def shown() -> set[tuple[int, int]]:
    """(strength, runs) of the links that are shown."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT strength, runs FROM evidence_shownlink")
        return set(cursor.fetchall())


def by_runs(identity: Identity) -> int:
    """How many API events a run of this identity is behind."""
    return Attribution.objects.filter(
        identity_no=identity.number, role=AS_AGENT, strength=BY_EXACT, plane=1
    ).count()


def test_link_is_exact_while_the_agent_is_linked_to_the_account(
    trail: Source, traces: Source, active: Make
) -> None:
    reporter = active("reporter")
    arrive(trail, calls(1, "R1"))
    key_of(reporter)
    arrive(traces, run(1, "reporter", "R1"))
    assert shown() == {(CLAIMED, 0)}
    assert by_runs(reporter) == 0
    stated = Link.objects.get(proof=1)
    (link, *_) = events.linked((stated.cause_at, stated.cause_id))
    assert proof_words(link.proof, link.runs, link.surplus) == (
        "same request id; claimed: its agent is not linked to the account that called"
    )

    linked = bindings.bind(
        identity=reporter, actor=actor("agent", "reporter"), by=COMMAND, now=LATER
    )
    judge()
    assert shown() == {(EXACT, 1)}
    assert by_runs(reporter) == 1

    bindings.unbind(binding=linked, by=COMMAND, now=LATER, reason="mistaken")
    judge()
    assert shown() == {(CLAIMED, 0)}
    assert by_runs(reporter) == 0


def test_copied_request_ids_explain_nothing_and_accuse_nobody(
    trail: Source, traces: Source, active: Make
) -> None:
    reporter, delta = active("reporter"), active("delta")
    arrive(trail, calls(1, "R1", "R2"))
    key_of(reporter)
    arrive(traces, run(1, "reporter", "R1", "R2"))
    bindings.bind(identity=reporter, actor=actor("agent", "reporter"), by=COMMAND, now=LATER)
    arrive(trail, calls(2, "S1", "S2", address=AWAY))
    stolen = Finding.objects.get(rule="no_run")
    assert (stolen.state, stolen.count) == ("open", 2)

    forger = source("forger", plane="ai", watermark=LATER, completeness="declared")
    arrive(forger, run(2, "delta", "S1", "S2", "R1", of="forger"))
    bindings.bind(identity=delta, actor=actor("agent", "delta"), by=COMMAND, now=LATER)
    judge()
    stolen.refresh_from_db()
    assert (stolen.state, stolen.count) == ("open", 2)
    assert by_runs(delta) == 0
    assert by_runs(reporter) == 2
    assert not Finding.objects.filter(identity=delta).exists()
    # That another agent names calls of this key is asked about, and no more than that.
    shared = Finding.objects.get(rule="shared_credential")
    assert (shared.strength, shared.identity) == (1, reporter)


def test_while_no_agent_is_linked_only_the_sources_of_the_question_answer_it(
    trail: Source, traces: Source, active: Make
) -> None:
    reporter = active("reporter")
    arrive(trail, calls(1, "R1"))
    key_of(reporter)
    arrive(traces, run(1, "reporter", "R1"))
    arrive(trail, calls(2, "S1", "S2", address=AWAY))
    stolen = Finding.objects.get(rule="no_run")
    assert (stolen.count, stolen.details["sources"]) == (2, ["traces"])
    found = coverage.of_identity(reporter.number, until=LATER)
    assert (found.claimed, found.exact, found.none) == (1, 0, 2)
    assert "nobody has linked their agents" in found.switch

    forger = source("forger", plane="ai", watermark=LATER, completeness="declared")
    arrive(forger, run(2, "reporter", "S1", "S2", of="forger"))
    arrive(forger, [step(900, 9, credential=calls(1, "x")[0].credential, at=BASE + 2 * MINUTE)])
    stolen.refresh_from_db()
    assert (stolen.state, stolen.count) == ("open", 2)
    # The source that it rests on was not complete after all, and runs call from there.
    arrive(traces, run(3, "reporter", "S1"))
    stolen.refresh_from_db()
    assert (stolen.state, stolen.count) == ("withdrawn", 0)

    own = Actor.objects.get(realm="otel:traces", kind="agent")
    bindings.bind(identity=reporter, actor=own, by=COMMAND, now=LATER)
    judge()
    found = coverage.of_identity(reporter.number, until=LATER)
    assert (found.claimed, found.exact, found.key + found.untold + found.outside) == (0, 2, 1)


def test_of_two_linked_runs_that_state_one_id_neither_is_exact(
    trail: Source, traces: Source, active: Make
) -> None:
    reporter = active("reporter")
    arrive(trail, calls(1, "R1"))
    key_of(reporter)
    arrive(traces, run(1, "reporter", "R1"))
    bindings.bind(identity=reporter, actor=actor("agent", "reporter"), by=COMMAND, now=LATER)
    judge()
    assert (shown(), by_runs(reporter)) == ({(EXACT, 1)}, 1)
    arrive(traces, run(2, "reporter", "R1"))
    assert (shown(), by_runs(reporter)) == ({(KEY, 2)}, 0)
    found = coverage.of_identity(reporter.number, until=LATER)
    assert (found.exact, found.untold) == (0, 1)


def test_one_trace_that_two_sources_send_is_one_run(
    trail: Source, traces: Source, active: Make
) -> None:
    reporter = active("reporter")
    arrive(trail, calls(1, "R1"))
    key_of(reporter)
    arrive(traces, run(1, "reporter", "R1"))
    arrive(source("copies", plane="ai"), run(2, "reporter", "R1", of="copies", trace=1))
    for one in Actor.objects.filter(kind="agent"):
        bindings.bind(identity=reporter, actor=one, by=COMMAND, now=LATER)
    judge()
    assert (shown(), by_runs(reporter)) == ({(EXACT, 1)}, 1)


def test_source_speaks_for_its_realms_only(trail: Source, traces: Source, active: Make) -> None:
    reporter = active("reporter")
    arrive(trail, calls(1, "R1"))
    key = key_of(reporter)
    arrive(traces, run(1, "reporter", "R1"))
    bindings.bind(identity=reporter, actor=actor("agent", "reporter"), by=COMMAND, now=LATER)
    Source.objects.filter(name="traces").update(realms=["k8s:elsewhere"])
    assert shown() == {(CLAIMED, 0)}
    Source.objects.filter(name="traces").update(realms=[key.realm])
    assert shown() == {(EXACT, 1)}


def test_run_takes_no_call_of_another_operation(trail: Source, traces: Source) -> None:
    arrive(trail, calls(1, "R1", action="s3:DeleteObject"))
    arrive(traces, run(1, "reporter", "R1"))
    assert Link.objects.count() == 0


def test_account_link_counts_for_its_time(trail: Source, traces: Source, active: Make) -> None:
    reporter = active("reporter")
    arrive(trail, calls(1, "R1"))
    key_of(reporter)
    arrive(traces, run(1, "reporter", "R1"))
    bind(reporter, actor("agent", "reporter"))
    assert shown() == {(EXACT, 1)}
    Binding.objects.filter(actor=actor("agent", "reporter")).update(during=(LATER, None))
    assert shown() == {(CLAIMED, 0)}
    Binding.objects.filter(actor=actor("agent", "reporter")).update(
        during=(NOW - timedelta(days=1), LATER)
    )
    assert shown() == {(EXACT, 1)}
