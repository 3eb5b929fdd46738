"""Who used a key, while spans come in any order: one agent's own service is never a second user."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from importlib import import_module
from itertools import permutations
from typing import Any

import pytest
from django.db import connection, transaction

from evidence import links
from evidence import tasks as evidence_tasks
from evidence.formats.record import ActorName, Record
from evidence.models import Actor, Progress, Source
from evidence.names import memory
from evidence.vocabulary import AGENT_RUN, TOOL_CALL
from identities import coverage, judging, tasks
from identities.acting import COMMAND
from identities.actions import bindings
from identities.judging import key_users
from identities.models import CredentialAgent, CredentialWatch, Finding
from tests.evidence.conftest import NOW
from tests.evidence.test_correlation import BASE, MINUTE, store
from tests.evidence.test_links_by_key import AKIA, call, step
from tests.identities.test_following import Make

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=4)
REALM = "otel:traces"


def service(name: str) -> ActorName:
    return ActorName(REALM, "service", name)


def agent(name: str) -> ActorName:
    return ActorName(REALM, "agent", name)


def sources() -> tuple[Source, Source]:
    memory.forget()
    said: dict[str, Any] = {"created_at": NOW, "created_by": "test"}
    return (
        Source.objects.create(name="trail", **said),
        Source.objects.create(name="traces", plane="ai", **said),
    )


def run(
    number: int, name: str, *services: str, root: bool = True
) -> tuple[list[Record], list[Record], list[Record]]:
    """The calls of one run in the log; its children, a call through each service; its root."""
    first, calls, children = 100 * number, [], []
    at = BASE + number * MINUTE
    for n, sent_by in enumerate(services, start=1):
        tool, below = first + 10 * n, first + 10 * n + 1
        calls.append(call(below + 50_000, request_id=f"REQ-{below}", at=at, address="10.0.0.1"))
        said: dict[str, Any] = {"principal": service(sent_by), "at": at}
        children += [
            step(tool, number, activity=TOOL_CALL, credential=None, parent_span_id=first.to_bytes(8), **said),
            step(below, number, request_id=f"REQ-{below}", parent_span_id=tool.to_bytes(8), **said),
        ]  # fmt: skip
    top = step(
        first,
        number,
        activity=AGENT_RUN,
        credential=None,
        principal=service(services[0]),
        agent=agent(name) if name else None,
        at=at,
    )
    return calls, children, [top] if root else []


def arrive(batches: Iterable[Sequence[Record]]) -> list[list[tuple[str, list[str]]]]:
    """What was found after each batch, each a deposit of its own that is judged before the next."""
    trail, traces = sources()
    found = []
    for records in batches:
        store(trail if records[0].credential == AKIA and records[0].trace_id is None else traces,
              list(records))  # fmt: skip
        judge()
        found.append(shared())
    return found


def judge() -> None:
    while links.link_next(now=LATER):
        pass
    judging.judge_all(now=LATER)
    judging.judge_credentials(now=LATER)


def shared() -> list[tuple[str, list[str]]]:
    rows = Finding.objects.filter(rule="shared_credential").order_by("number")
    return [(row.state, row.details["agents"]) for row in rows]


def remembered() -> set[tuple[str, str, Any, Any]]:
    names = dict(Actor.objects.values_list("pk", "value"))
    return {
        (names[row.agent_actor], names[row.service_actor], row.first_at, row.last_at)
        for row in CredentialAgent.objects.all()
    }


class Undo(Exception):
    """Nothing of an order stays for the next."""


def in_every_order(*batches: Sequence[Record]) -> list[Any]:
    """What was found on the way and in the end, once for each order of arrival."""
    outcomes = []
    for order in permutations(batches):
        try:
            with transaction.atomic():
                on_the_way = arrive(order)
                outcomes.append((on_the_way, remembered()))
                raise Undo
        except Undo:
            continue
    return outcomes


def test_one_agent_is_never_found_to_share_its_key() -> None:
    outcomes = in_every_order(*run(1, "payer", "payer"))
    assert [on_the_way for on_the_way, _ in outcomes] == [[[]] * 3] * 6
    assert {frozenset(rows) for _, rows in outcomes} == {frozenset(outcomes[0][1])}
    assert {row[:2] for row in outcomes[0][1]} == {("payer", "payer")}


def test_nor_one_whose_run_goes_through_several_services() -> None:
    calls, children, root = run(1, "payer", "payer-svc", "payer-tools")
    outcomes = in_every_order(calls, children[:2], children[2:], root)
    assert [on_the_way for on_the_way, _ in outcomes] == [[[]] * 4] * 24
    assert {frozenset(rows) for _, rows in outcomes} == {frozenset(outcomes[0][1])}
    assert {row[:2] for row in outcomes[0][1]} == {("payer", "payer-svc"), ("payer", "payer-tools")}


def test_two_runs_of_one_agent_are_one_user_in_any_order_and_when_sent_again() -> None:
    one, two = run(1, "payer", "payer-svc"), run(2, "payer", "payer-svc")
    outcomes = in_every_order(one[0] + two[0], one[1] + two[1] + two[2], one[2] + one[1])
    assert [on_the_way for on_the_way, _ in outcomes] == [[[]] * 3] * 6
    assert {frozenset(rows) for _, rows in outcomes} == {frozenset(outcomes[0][1])}


def test_two_agents_with_one_key_are_found_in_any_order() -> None:
    one, two = run(1, "payer", "desk"), run(2, "buyer", "desk")
    outcomes = in_every_order(one[0] + two[0], one[1] + two[1], one[2] + two[2])
    ends = [on_the_way[-1] for on_the_way, _ in outcomes]
    assert ends == [[("open", ["buyer", "payer"])]] * 6
    assert {frozenset(rows) for _, rows in outcomes} == {frozenset(outcomes[0][1])}


def test_two_services_that_name_no_agent_are_found_though_their_roots_never_come() -> None:
    one, two = run(1, "", "left", root=False), run(2, "", "right", root=False)
    assert arrive([one[0] + two[0], one[1], two[1]])[-1] == [("open", ["left", "right"])]


def test_two_services_of_one_run_without_an_agent_are_one_user() -> None:
    calls, children, _ = run(1, "", "left", "right", root=False)
    assert arrive([calls, children]) == [[], []]


def test_agent_and_service_of_another_run_are_two_users() -> None:
    one, two = run(1, "payer", "desk"), run(2, "", "elsewhere")
    assert arrive([one[0] + two[0], one[1] + one[2] + two[1] + two[2]])[-1] == [
        ("open", ["elsewhere", "payer"])
    ]


def test_what_was_remembered_before_is_forgotten_when_it_is_judged_again() -> None:
    calls, children, root = run(1, "payer", "payer-svc")
    arrive([calls, children, root])
    row = CredentialAgent.objects.get()
    # As the version before had it: the service beside its agent, and the finding that follows.
    CredentialAgent.objects.update(service_actor=0)
    own = Actor.objects.get(kind="service", value="payer-svc")
    CredentialAgent.objects.create(
        credential_actor=row.credential_actor,
        agent_actor=own.pk,
        address_id=row.address_id,
        source_id=row.source_id,
        first_at=row.first_at,
        last_at=row.last_at,
    )
    CredentialWatch.objects.update(dirty=True)
    judging.judge_credentials(now=LATER)
    assert shared() == [("open", ["payer", "payer-svc"])]
    migration = import_module("identities.migrations.0016_services_of_agents")
    with connection.cursor() as cursor:
        cursor.execute(migration.SERVICES)
        cursor.execute(migration.AGAIN)
    assert Progress.objects.filter(consumer="judging", done_at=None).count() == 1
    judge()
    assert [state for state, _ in shared()] == ["withdrawn"]
    assert {row[:2] for row in remembered()} == {("payer", "payer-svc")}


def test_worker_that_meets_the_root_last_finds_nothing() -> None:
    trail, traces = sources()
    calls, children, root = run(1, "payer", "payer-svc")
    seen = []
    for source, records in ((trail, calls), (traces, children), (traces, root), (traces, children)):
        store(source, records)
        evidence_tasks.link_stored()
        tasks.judge_stored()
        seen.append(shared())
    assert seen == [[]] * 4
    assert {row[:2] for row in remembered()} == {("payer", "payer-svc")}


def test_pages_and_proposals_count_an_agent_once(active: Make) -> None:
    one, two = run(1, "payer", "payer-svc"), run(2, "", "payer-svc", root=False)
    # The service is seen from another address as well, where it has named no agent yet.
    two = ([one_._replace(address="10.0.0.2") for one_ in two[0]], *two[1:])
    arrive([one[0] + two[0], one[1] + one[2], two[1]])
    assert {row[:2] for row in remembered()} == {("payer", "payer-svc"), ("payer-svc", "payer-svc")}
    key = Actor.objects.get(kind="access_key")
    assert [row.service_actor for row in key_users.seen_with(key.pk)] == [
        Actor.objects.get(kind="service").pk
    ]
    bound = active("svc-payer")
    bindings.bind(identity=bound, actor=key, by=COMMAND, now=NOW)
    judge()
    assert coverage.shared(bound.number, until=LATER) == []
