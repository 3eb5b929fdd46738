"""Two deployed agents of one name: each is seen, their name is what people bind."""

from typing import Any

import pytest

from config import pipeline
from evidence.formats.record import ActorName
from evidence.models import Actor, Source
from evidence.names import memory
from evidence.vocabulary import TOOL_CALL
from identities.acting import COMMAND
from identities.actions import bindings
from identities.models import Attribution, Binding, Finding
from tests.evidence.conftest import NOW
from tests.evidence.test_correlation import store
from tests.evidence.test_links_by_key import call, step
from tests.identities.test_following import Make

pytestmark = pytest.mark.django_db
SERVICE = ActorName("otel:traces", "service", "desk")
CLERK = ActorName("otel:traces", "agent", "clerk")


@pytest.fixture
def seen() -> None:
    """prod-1 and prod-2, both called clerk, call with one key."""
    memory.forget()
    said: dict[str, Any] = {"created_at": NOW, "created_by": "test"}
    trail = Source.objects.create(name="trail", **said)
    traces = Source.objects.create(name="traces", plane="ai", **said)
    store(trail, [call(n, request_id=f"REQ-{n}") for n in (1, 2)])
    for n in (1, 2):
        agent = ActorName("otel:traces", "agent_id", f"prod-{n}/clerk", CLERK)
        about: dict[str, Any] = {"principal": SERVICE, "agent": agent}
        tool, below = 10 * n, 10 * n + 1
        store(
            traces,
            [
                step(tool, n, activity=TOOL_CALL, credential=None, **about),
                step(below, n, request_id=f"REQ-{n}", parent_span_id=tool.to_bytes(8), **about),
            ],
        )
    pipeline.drain(NOW)


def shared() -> list[tuple[str, int]]:
    return list(Finding.objects.filter(rule="shared_credential").values_list("state", "count"))


def test_key_of_two_deployed_agents_is_a_shared_one(seen: None) -> None:
    assert shared() == [("open", 2)]
    assert Finding.objects.get(rule="shared_credential").words.count("/clerk") == 2


def test_name_stands_for_its_ids_on_the_list_of_who_is_nobodys(seen: None, active: Make) -> None:
    rows = {row.actor.value: row.count for row in bindings.unclaimed(now=NOW)}
    assert {name: rows[name] for name in rows if "clerk" in name} == {"clerk": 4}
    clerk = Actor.objects.get(kind="agent", value="clerk")
    bindings.bind(identity=active("svc-clerk"), actor=clerk, by=COMMAND, now=NOW)
    assert [row.actor.value for row in bindings.unclaimed(now=NOW, search="clerk")] == []


def test_name_is_what_is_asked_about_and_what_settles_it(seen: None, active: Make) -> None:
    key = Actor.objects.get(kind="access_key")
    desk = active("svc-clerk")
    bindings.bind(identity=desk, actor=key.parent or key, by=COMMAND, now=NOW)
    bindings.propose_from_links(now=NOW)
    asked = Binding.objects.filter(state="proposed")
    assert [(row.actor.value, row.seen) for row in asked] == [("clerk", 2)]
    bindings.confirm(binding=asked.get(), by=COMMAND, now=NOW)
    pipeline.drain(NOW)
    assert bindings.propose_from_links(now=NOW) == 0
    assert shared() == [("withdrawn", 0)]
    assert Attribution.objects.filter(identity_no=desk.number).count() > 0
