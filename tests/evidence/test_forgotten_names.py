"""Names that an erasure takes out of the dictionary, and those that something else needs."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from evidence import erasing, links
from evidence.models import Actor, Event, Issuance, Run, Source, Term
from evidence.stores import bodies
from tests.evidence.bodies import export, record, trail
from tests.evidence.test_emptying import JANE, JANES_KEY, carried_out, confirmed, janes, three
from tests.evidence.test_erasing import SECRET, erased, now_minus, take

pytestmark = pytest.mark.django_db(transaction=True)


def test_name_that_something_else_needs_stays(source: Callable[..., Source]) -> None:
    deposit = three(source())
    take(deposit.source, trail(janes(7, eventName="PutObject")))
    row = erased(deposit, 2, names=True)
    assert set(Actor.objects.values_list("value", flat=True)) >= {JANE, JANES_KEY}
    assert row.became == {"capsules": 0, "names": 0, "names_kept": 2, "rows": 0, "texts": 0}
    assert erasing.became_words(row) == (
        "0 capsules, 0 texts, 0 names; 2 names stay, because other evidence or a record needs them"
    )
    assert Event.objects.get(deposit_id=deposit.pk, ordinal=2).principal_id is None


def test_name_of_a_parent_stays_with_its_child_and_goes_with_it(
    source: Callable[..., Source],
) -> None:
    def session(number: int, name: str) -> dict[str, Any]:
        made = record(number, at=now_minus(number))
        made["userIdentity"] = {
            "type": "AssumedRole",
            "arn": f"arn:aws:sts::123456789012:assumed-role/of-jane/{name}",
            "accountId": "123456789012",
            "accessKeyId": f"ASIA{name.upper()}EXAMPLE0",
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "arn": "arn:aws:iam::123456789012:role/of-jane",
                    "accountId": "123456789012",
                    "userName": "of-jane",
                }
            },
        }
        return made

    row = source()
    one, two = (
        take(row, trail(session(number, name))) for number, name in ((1, "abc"), (2, "def"))
    )
    role = Actor.objects.get(value="arn:aws:iam::123456789012:role/of-jane")
    erased(one, names=True)
    role.refresh_from_db()
    assert role.value.endswith("of-jane")
    erased(two, names=True)
    assert set(Actor.objects.values_list("value", flat=True)) == {"[erased]"}


def test_what_was_issued_is_forgotten_with_its_name(source: Callable[..., Source]) -> None:
    issued = janes(1, eventName="CreateAccessKey", eventSource="iam.amazonaws.com")
    issued["responseElements"] = {
        "accessKey": {"accessKeyId": "AKIANEWKEYEXAMPLE000", "userName": "jane.doe"}
    }
    deposit = take(source(), trail(issued))
    assert Issuance.objects.count() == 1
    erased(deposit, names=True)
    assert (Issuance.objects.count(), set(Actor.objects.values_list("value", flat=True))) == (
        0, {"[erased]"},
    )  # fmt: skip


def test_run_says_what_is_left_of_its_spans(source: Callable[..., Source]) -> None:
    attributes = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "jane-helper",
        "gen_ai.conversation.id": "jane-7",
    }
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "read_invoice"}
    request = export(
        {"span": 1, "attributes": attributes},
        {"span": 2, "parent": 1, "attributes": tool},
        at=now_minus(5),
    )
    deposit = take(source("traces", plane="ai"), request.SerializeToString(), format="otlp")
    while links.link_next(now=timezone.now()):
        pass
    before = Run.objects.get()
    assert (before.agent, before.conversation) != (None, None)
    # The agent of a step is the agent of its parents.
    erased(deposit, 0, names=True)
    run = Run.objects.get()
    assert (run.agent, run.service, run.spans) == (before.agent, before.service, 2)
    erased(deposit, 1, names=True)
    run = Run.objects.get()
    assert (run.agent, run.service, run.conversation, run.spans) == (None, None, None, 2)
    assert Actor.objects.filter(value="jane-helper").count() == 0
    assert Term.objects.filter(value="jane-7").count() == 0


def test_name_that_comes_again_is_a_new_one(source: Callable[..., Source]) -> None:
    deposit = three(source())
    old = Actor.objects.get(value=JANE).pk
    erased(deposit, 2, names=True)
    # This process still remembers the name by its old id.
    again = take(deposit.source, trail(janes(8)))
    event = Event.objects.get(deposit_id=again.pk)
    actor = Actor.objects.get(value=JANE)
    assert (event.principal_id, actor.pk != old) == (actor.pk, True)
    assert Term.objects.get(pk=event.resource_id or 0).value.endswith(SECRET)


def test_name_erased_while_a_body_is_taken_is_kept_for_it(
    source: Callable[..., Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    deposit = three(source())
    confirmed(deposit, 2)
    pack = bodies.pack
    done: list[int] = []

    def erased_in_between(kept: bytes, digest: str) -> tuple[str, bytes]:
        # The ids of its names were looked up; its events are not there yet.
        if not done:
            done.append(0)
            done[0] = carried_out()
        return pack(kept, digest)

    monkeypatch.setattr(bodies, "pack", erased_in_between)
    again = take(deposit.source, trail(janes(8)))
    event = Event.objects.get(deposit_id=again.pk)
    assert (done, Actor.objects.get(pk=event.principal_id or 0).value) == ([1], JANE)
