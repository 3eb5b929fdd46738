"""A shared key proves the key, not the run: calls from networks that it is not used from."""

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evidence.formats.record import ActorName, Issued, Record
from evidence.models import Event, Link, Run, Source, Term
from evidence.names import memory
from evidence.queries import events
from evidence.vocabulary import (
    AGENT_RUN,
    BECAUSE_KNOWN,
    BECAUSE_NAMED,
    INFERRED,
    NEW_ADDRESS,
    PROOF_INFERRED,
    TOOL_CALL,
)
from identities import coverage
from identities.acting import COMMAND
from identities.actions import bindings
from identities.judging import absence, key_networks
from identities.models import CredentialWatch, Finding, Identity, User
from reviews import exports
from reviews.pages import details, event
from tests.evidence.conftest import NOW
from tests.evidence.test_correlation import BASE, MINUTE, store
from tests.evidence.test_links_by_key import AKIA, ASIA, call, step
from tests.identities.chains import bind
from tests.identities.test_claimed_links import actor, calls, key_of, run, source
from tests.identities.test_following import Make
from tests.identities.test_key_users import LATER, judge

pytestmark = pytest.mark.django_db
HOME, AWAY = "10.0.0.1", "203.0.113.9"
DAY = f"{NOW:%Y-%m-%d}"
REPORTER = ActorName("otel:traces", "agent", "reporter")


@pytest.fixture
def trail(db: None) -> Source:
    memory.forget()
    return source("trail")


@pytest.fixture
def traces(trail: Source) -> Source:
    return source("traces", plane="ai", watermark=LATER, completeness="declared")


def exact(number: int, many: int, address: str = HOME) -> tuple[list[Record], list[Record]]:
    """The exactly linked calls of one run, and the run."""
    requests = [f"R{number}-{place}" for place in range(many)]
    return calls(number, *requests, address=address), run(number, "reporter", *requests)


def used(number: int, *addresses: str, **said: Any) -> tuple[list[Record], list[Record]]:
    """A call from each of these addresses, and a run whose spans used the key for as many."""
    at = BASE + number * MINUTE
    first = 100_000 + 100 * number
    called = [
        call(first + 50_000 + place, at=at, address=address, **said)
        for place, address in enumerate(addresses)
    ]
    spans = [
        step(first + 50 + place, number, at=at, agent=REPORTER, **said)
        for place in range(len(addresses))
    ]
    return called, [*run(number, "reporter"), *spans]


def bring(trail: Source, traces: Source, *parts: tuple[list[Record], list[Record]]) -> None:
    for called, spans in parts:
        if called:
            store(trail, called)
        if spans:
            store(traces, spans)
    judge()
    judge()


def start(trail: Source, traces: Source, active: Make, many: int = key_networks.LEAST) -> Identity:
    """A key with so many exactly linked calls, all from one network."""
    reporter: Identity = active("reporter")
    called, spans = exact(1, many)
    store(trail, called)
    store(traces, spans)
    judge()
    key_of(reporter)
    bindings.bind(identity=reporter, actor=actor("agent", "reporter"), by=COMMAND, now=LATER)
    judge()
    return reporter


def asked() -> list[tuple[str, str, int]]:
    rows = Finding.objects.filter(rule="no_run").order_by("number")
    return [(row.family, row.state, row.count) for row in rows]


def call_from(address: str) -> events.Key:
    row = Event.objects.get(address_id=Term.objects.get(value=address).pk)
    return row.at, row.id


def said_of(address: str) -> set[str]:
    """What the links of the one call from there say."""
    return {one["proof"] for one in event._links(call_from(address))}


NEW = f"{AKIA.value} 203.0.113.0/24 {DAY}"


def test_live_run_answers_no_question_about_a_call_from_a_new_network(
    trail: Source, traces: Source, active: Make, user: Callable[..., User]
) -> None:
    reporter = start(trail, traces, active)
    bring(trail, traces, used(2, AWAY))
    assert asked() == [(NEW, "open", 1)]
    question = Finding.objects.get(rule="no_run")
    assert (question.identity, question.strength) == (reporter, INFERRED)
    assert question.words == (
        f"1 call on {DAY}: same key, new address 203.0.113.0/24; a run of that key was alive"
    )
    used_then = "same credential and operation, in the span's time"
    assert said_of(AWAY) == {f"{used_then}; same key, new address: maybe not the run's"}
    found = coverage.of_identity(reporter.number, until=LATER)
    assert (found.exact, found.key, found.untold) == (key_networks.LEAST, 0, 1)
    (row,) = (row for row in exports.links() if row["strength"] == "key")
    assert row["surplus"] == NEW_ADDRESS

    shown = details.finding(question, user("auditor", "auditor"), now=LATER)["finding"]["details"]
    assert {"label": "networks of the key", "words": "10.0.0.0/24", "kind": "neutral"} in shown

    # From where it is used, another address of that network included, nothing is asked.
    bring(trail, traces, used(3, "10.0.0.77"))
    assert asked() == [(NEW, "open", 1)]


def test_question_is_one_a_key_network_and_day(trail: Source, traces: Source, active: Make) -> None:
    start(trail, traces, active)
    # No span was in the time of the last of these.
    without = call(199_000, at=BASE + 30 * MINUTE, address="203.0.113.11")
    bring(trail, traces, used(2, AWAY, "203.0.113.10"), ([without], []))
    assert asked() == [(NEW, "open", 3)]
    assert Finding.objects.get(rule="no_run").words == (
        f"3 calls on {DAY}: same key, new address 203.0.113.0/24;"
        " a run of that key was alive at 2 of them"
    )
    tomorrow = 24 * 60 + 2
    bring(trail, traces, used(tomorrow, AWAY), used(4, "198.51.100.7"))
    assert [(family.split()[1:], count) for family, _, count in asked()] == [
        (["203.0.113.0/24", DAY], 3),
        *sorted(
            [
                (["203.0.113.0/24", f"{NOW.replace(day=NOW.day + 1):%Y-%m-%d}"], 1),
                (["198.51.100.0/24", DAY], 1),
            ],
            key=lambda one: one[0][1],
        ),
    ]


def test_nothing_is_concluded_from_addresses_before_twenty_exact_calls(
    trail: Source, traces: Source, active: Make
) -> None:
    reporter = start(trail, traces, active, key_networks.LEAST - 1)
    bring(trail, traces, used(2, AWAY))
    assert asked() == []
    assert said_of(AWAY) == {
        "same credential and operation, in the span's time; addresses not yet learned"
    }
    assert coverage.of_identity(reporter.number, until=LATER).key == 1
    key = actor("access_key", AKIA.value)
    said = "addresses not yet learned: 19 of 20 exactly linked calls"
    assert key_networks.of_key(key.pk) == said

    (of_run,) = Run.objects.filter(trace=UUID(int=2))
    proofs = {one["proof"] for span in details._spans(of_run) for one in span["links"]}
    assert proofs == said_of(AWAY)

    # Names of services are no networks: this one teaches nothing, and is asked nothing.
    bring(trail, traces, exact(3, 1, "cloudformation.amazonaws.com"))
    bring(trail, traces, used(4, "athena.amazonaws.com"))
    assert asked() == []
    bring(trail, traces, exact(5, 1))
    assert asked() == [(NEW, "open", 1)]
    assert key_networks.of_key(key.pk) == "10.0.0.0/24"


def test_exact_call_from_the_new_network_withdraws_the_question(
    trail: Source, traces: Source, active: Make
) -> None:
    start(trail, traces, active)
    bring(trail, traces, used(2, AWAY))
    bring(trail, traces, exact(3, 1, "203.0.113.200"))
    assert asked() == [(NEW, "withdrawn", 0)]
    assert CredentialWatch.objects.get().networks == ["10.0.0.0/24", "203.0.113.0/24"]


def test_call_that_was_asked_about_stays_where_it_was_asked(
    trail: Source, traces: Source, active: Make
) -> None:
    start(trail, traces, active, key_networks.LEAST - 1)
    first, second = (
        call(199_000 + place, at=BASE + 30 * MINUTE, address=address)
        for place, address in enumerate((AWAY, "198.51.100.7"))
    )
    bring(trail, traces, ([first, second], []))
    before = [(f"{AKIA.value} {address}", "open", 1) for address in ("198.51.100.7", AWAY)]
    assert sorted(asked()) == before
    settled = Finding.objects.get(family__endswith=AWAY)
    Finding.objects.filter(pk=settled.pk).update(state="expected")
    bring(trail, traces, exact(3, 1))
    assert sorted(asked()) == [before[0], (f"{AKIA.value} {AWAY}", "expected", 1)]


def test_questions_are_the_same_in_any_order(trail: Source, traces: Source, active: Make) -> None:
    start(trail, traces, active, key_networks.LEAST - 1)
    (called, spans), (moved, of_moved) = used(2, AWAY, "10.0.0.9"), used(4, "192.0.2.7")
    parts = (exact(3, 1), (called + moved, spans + of_moved), exact(5, 1, "192.0.2.1"))
    found = set()
    for order in permutations(parts):
        with transaction.atomic():
            for part in order:
                bring(trail, traces, part)
            found.add(tuple(sorted(row for row in asked() if row[1] != "withdrawn")))
            transaction.set_rollback(True)
        memory.forget()
    assert found == {((NEW, "open", 1),)}


def test_looking_takes_as_many_queries_for_one_call_as_for_many(
    trail: Source, traces: Source, active: Make
) -> None:
    start(trail, traces, active)
    counts = []
    for number, many in ((2, 1), (3, 40)):
        bring(trail, traces, used(number, *[f"203.0.113.{place}" for place in range(many)]))
        with (
            CaptureQueriesContext(
                connection,
            ) as queries,
            transaction.atomic(),
        ):
            absence.look(CredentialWatch.objects.get().pk, None, now=LATER)
        counts.append(len(queries))
    assert counts[0] == counts[1]


# --- keys that an agent issued


def issuing(number: int, *, key: ActorName = ASIA) -> tuple[list[Record], list[Record]]:
    """A run of the reporter whose tool call is issued this key, and lasts for ten minutes."""
    request = f"I{number}"
    at = BASE + number * MINUTE
    issued = call(
        100 * number + 50_000, action="sts:AssumeRole", request_id=request, at=at, address=HOME,
        issued=Issued(key, None, False, None),
    )  # fmt: skip
    spans = run(number, "reporter", request, operation="sts:AssumeRole")
    return [issued], [spans[0]._replace(duration=10 * MINUTE), *spans[1:]]


def test_key_that_an_agent_issued_is_held_against_the_networks_of_its_issuer(
    trail: Source, traces: Source, active: Make
) -> None:
    start(trail, traces, active, key_networks.LEAST - 2)
    bring(trail, traces, issuing(2))
    far, near = (
        call(199_000 + place, at=BASE + 3 * MINUTE, address=address, credential=ASIA)
        for place, address in enumerate((AWAY, "10.0.0.9"))
    )
    bring(trail, traces, ([far, near], []))
    assert asked() == []
    issuance = "its key was issued by this tool call, and the run had not ended"
    assert said_of(AWAY) == {f"{issuance}; addresses not yet learned"}

    bring(trail, traces, exact(4, 1))
    of_issued = f"{ASIA.value} 203.0.113.0/24 {DAY}"
    assert asked() == [(of_issued, "open", 1)]
    assert Finding.objects.get(rule="no_run").words.endswith("a run of that key was alive")
    assert said_of(AWAY) == {f"{issuance}; same key, new address: maybe not the run's"}
    assert said_of("10.0.0.9") == {issuance}

    # Once the run is over no run was alive, and it is asked all the same.
    late = call(199_010, at=BASE + 60 * MINUTE, address="203.0.113.10", credential=ASIA)
    bring(trail, traces, ([late], []))
    assert Finding.objects.get(rule="no_run").words == (
        f"2 calls on {DAY}: same key, new address 203.0.113.0/24;"
        " a run of that key was alive at 1 of them"
    )


def test_key_with_twenty_exact_calls_of_its_own_has_networks_of_its_own(
    trail: Source, traces: Source, active: Make
) -> None:
    reporter = start(trail, traces, active)
    bring(trail, traces, issuing(2))
    bind(reporter, actor("access_key", ASIA.value))
    requests = [f"A{place}" for place in range(key_networks.LEAST)]
    own = calls(3, *requests, address="192.0.2.1", credential=ASIA)
    issued = CredentialWatch.objects.get(credential_actor=actor("access_key", ASIA.value).pk)
    assert issued.networks == ["10.0.0.0/24"]
    bring(trail, traces, (own[1:], run(3, "reporter", *requests)))
    issued.refresh_from_db()
    assert issued.networks == ["10.0.0.0/24", "192.0.2.0/24"]
    bring(trail, traces, (own[:1], []))
    issued.refresh_from_db()
    assert issued.networks == ["192.0.2.0/24"]


# --- inferred links


@pytest.mark.parametrize(("agent", "shown"), [("reporter", True), ("delta", False)])
def test_call_is_inferred_to_no_agent_but_those_its_key_is_exactly_linked_to(
    trail: Source, traces: Source, active: Make, agent: str, shown: bool
) -> None:
    start(trail, traces, active)
    bring(trail, traces, issuing(2))
    called = call(199_000, at=BASE + 30 * MINUTE, address=HOME, credential=ASIA)
    name = ActorName("otel:traces", "agent", agent)
    silent = [
        step(198_000, 30, at=BASE + 30 * MINUTE, credential=None, activity=AGENT_RUN, agent=name),
        step(
            198_001, 30, at=BASE + 30 * MINUTE, credential=None, activity=TOOL_CALL, agent=name,
            parent_span_id=(198_000).to_bytes(8),
        ),
    ]  # fmt: skip
    bring(trail, traces, ([called], silent))
    key = actor("access_key", ASIA.value)
    at, number = Event.objects.values_list("at", "id").get(credential_id=key.pk)
    tool = Event.objects.get(trace=(30).to_bytes(16).hex(), activity=TOOL_CALL)
    Link.objects.create(
        effect_at=at, effect_id=number, cause_at=tool.at, cause_id=tool.id,
        proof=PROOF_INFERRED + BECAUSE_KNOWN + BECAUSE_NAMED, strength=INFERRED, recorded_at=NOW,
    )  # fmt: skip
    assert [one.strength for one in events.linked((at, number))] == [INFERRED] * shown


# --- networks


def network_of(text: str) -> str | None:
    """As Python tells it; `::ffff:` before IPv4 is how sockets of IPv6 write it."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))


@given(
    st.lists(
        st.ip_addresses().map(str)
        | st.ip_addresses(v=6).map(lambda one: one.exploded)
        | st.from_regex(r"\A[0-9a-f:.]{0,24}\Z")
        | st.sampled_from(["", "AWS Internal", "athena.amazonaws.com", "256.1.1.1", "1.2.3.4:80"]),
        min_size=1,
        max_size=50,
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_network_is_the_one_that_python_tells(texts: list[str]) -> None:
    plain = [text for text in texts if "." not in text or ":" not in text]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT array_agg(evidence_network(t) ORDER BY n)"
            " FROM unnest(%s::text[]) WITH ORDINALITY AS u(t, n)",
            [plain],
        )
        ((found,),) = cursor.fetchall()
    assert (found or []) == [network_of(text) for text in plain]


def test_network_of_ipv4_as_ipv6_writes_it_is_that_of_ipv4() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT evidence_network('::FFFF:203.0.113.9')")
        assert cursor.fetchall() == [("203.0.113.0/24",)]
