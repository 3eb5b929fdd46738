"""Exact or claimed: SQL and the pure rule say the same, and many copies of one id cost their number."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evidence.formats.record import ActorName
from evidence.models import Actor, Deposit, Event, Source
from evidence.vocabulary import CLAIMED, EXACT, KEY
from identities.acting import COMMAND
from identities.actions import bindings
from identities.judging import holders, scope
from identities.models import Binding, Finding, Identity
from tests.evidence.test_correlation import BASE, store
from tests.evidence.test_links_by_key import step
from tests.identities.conftest import NOW
from tests.identities.test_claimed_links import actor, arrive, calls, key_of, traces, trail
from tests.identities.test_following import Make
from tests.identities.test_key_users import LATER, judge

__all__ = ["traces", "trail"]
pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
WHEN = (
    (None, None),
    (None, NOW + HOUR),
    (NOW - HOUR, None),
    (None, NOW - HOUR),
    (NOW + HOUR, None),
)
NAMES = ("agent", "above", "service", "principal", "role", "key")
LINKS = st.fixed_dictionaries(
    {
        name: st.lists(
            st.tuples(
                st.integers(0, 2),
                st.sampled_from(WHEN),
                st.sampled_from(("confirmed", "confirmed", "proposed", "rejected")),
                st.booleans(),
            ),
            max_size=2,
            unique_by=lambda one: one[0],
        )
        for name in NAMES
    }
)
REALMS = st.sampled_from(([], ["aws:111122223333"], ["k8s:elsewhere"], ["aws", "k8s:elsewhere"]))


ROLE = ActorName("aws:111122223333", "arn", "arn:aws:iam::111122223333:role/reporter")
SESSION = ActorName(
    ROLE.realm, "role_session", "arn:aws:sts::111122223333:assumed-role/reporter/x", ROLE
)
SERVICE = ActorName("otel:traces", "service", "service")
ABOVE = ActorName("otel:traces", "agent", "above")
AGENT = ActorName("otel:traces", "agent_id", "agent", ABOVE)


@pytest.fixture
def world(trail: Source, traces: Source, identity: Make) -> tuple[dict[str, Actor], list[Identity]]:
    """A call by a session of a role, with a key; a span with its id by an agent that belongs to
    another, and one by a service that names no agent."""
    arrive(trail, calls(0, "R1", principal=SESSION))
    made: dict[str, Any] = {"request_id": "R1", "credential": None, "principal": SERVICE}
    arrive(traces, [step(1, 1, agent=AGENT, **made), step(2, 2, **made)])
    names = {
        "agent": AGENT, "above": ABOVE, "service": SERVICE, "principal": SESSION, "role": ROLE,
    }  # fmt: skip
    actors = {name: actor(one.kind, one.value) for name, one in names.items()}
    return actors | {"key": actor("access_key", "AKIA1")}, [identity(one) for one in "abc"]


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(linked=LINKS, realms=REALMS)
def test_database_grades_a_claim_as_the_pure_rule_does(
    world: tuple[dict[str, Actor], list[Identity]], linked: Any, realms: list[str]
) -> None:
    actors, identities = world
    with transaction.atomic():
        Source.objects.filter(name="traces").update(realms=realms)
        Binding.objects.bulk_create(
            Binding(
                identity=identities[number], actor=actors[name], basis="declared", state=state,
                shared=True, during=during, recorded_at=NOW, by="test",
                superseded_at=NOW if over else None,
            )
            for name, rows in linked.items() for number, during, state, over in rows
        )  # fmt: skip
        assert graded() == modelled(actors, realms)
        transaction.set_rollback(True)


def graded() -> list[tuple[bool, bool, int]]:
    """Of the agent's span and the service's: whether who called agrees, differs, and how strong."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT identities_caller_agrees(e.at, e.id, s.at, s.id),"
            " identities_caller_differs(e.at, e.id, s.at, s.id),"
            " identities_link_strength(e.at, e.id, s.at, s.id, 1::smallint, 3::smallint)"
            " FROM evidence_event e JOIN evidence_event s ON s.request_id = e.request_id"
            " AND s.plane = 2 WHERE e.plane = 1 ORDER BY s.trace"
        )
        return list(cursor.fetchall())


def modelled(actors: dict[str, Actor], realms: list[str]) -> list[tuple[bool, bool, int]]:
    pk = {name: one.pk for name, one in actors.items()}
    known = holders.Holders(pk.values())
    accounts = known.at(pk["principal"], NOW) + known.at(pk["key"], NOW)
    found = []
    for agent in (pk["agent"], None):
        named = known.at(agent, NOW) or known.at(pk["service"], NOW)
        agrees = holders.agree(named, accounts, realm=actors["principal"].realm, realms=realms)
        found.append((agrees, holders.differ(named, accounts), EXACT if agrees else CLAIMED))
    return found


MANY = 2_000


def rows_read(plan: dict[str, Any]) -> int:
    """How many rows all steps of a plan gave, over all their rounds."""
    below = sum(rows_read(one) for one in plan.get("Plans", ()))
    return int(plan["Actual Rows"] * plan["Actual Loops"]) + below


@pytest.mark.parametrize("linked", [True, False])
def test_copies_of_one_id_are_graded_once_each(
    trail: Source, traces: Source, active: Make, linked: bool
) -> None:
    reporter = active("reporter")
    arrive(trail, calls(0, "R1"))
    key_of(reporter)
    name = ActorName("otel:traces", "agent", "reporter")
    store(
        traces,
        [
            step(n, n, agent=name, credential=None, request_id="R1", at=BASE)
            for n in range(1, MANY + 1)
        ],
    )
    judge()
    if linked:
        bindings.bind(identity=reporter, actor=actor("agent", "reporter"), by=COMMAND, now=LATER)
    event = Event.objects.get(plane=1)
    with connection.cursor() as cursor:
        # Only the owner gathers statistics, and sees no rows that are not committed. What other
        # tests left there must not choose the plan.
        for way in ("seqscan", "bitmapscan", "mergejoin", "hashjoin", "material"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute(
            "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON)"
            " SELECT strength, runs FROM evidence_shownlink WHERE effect_at = %s AND effect_id = %s",
            [event.at, event.id],
        )
        ((plan,),) = cursor.fetchone()
        cursor.execute("SELECT DISTINCT strength, runs FROM evidence_shownlink")
        assert cursor.fetchall() == ([(KEY, MANY)] if linked else [(CLAIMED, 0)])
    assert rows_read(plan["Plan"]) < 20 * MANY, plan
    judge()
    seen = scope.of(Deposit.objects.get(source=traces))
    assert len(seen.claims[event.at, event.id]) == MANY
    assert set(seen.contested) == ({(event.at, event.id)} if linked else set())
    found = Finding.objects.get(rule="conflicting_trace")
    assert (found.count, found.events.count()) == (1, 1)
