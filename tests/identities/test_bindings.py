"""Bindings: what links suggest (pure), what people answer, and what stays unclaimed."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from evidence.formats.record import ActorName
from evidence.models import Actor, LedgerEntry
from evidence.names import actor_ids
from identities.acting import COMMAND
from identities.actions import bindings as actions
from identities.actions.bindings import links
from identities.bindings import Count, propose
from identities.models import Binding, Credential, Identity, User
from identities.permissions import NotAllowed, NotPossible
from tests.identities.conftest import DAY, NOW
from tests.linked import link_by_two

Make = Callable[..., Any]

# Agents 1, 2; principals 11, 12; keys 21, 22.
NAMES = {
    1: "invoice-agent",
    2: "triage-agent",
    3: "summary-agent",
    4: "p-agent",
    5: "q-agent",
    11: "arn:user/svc",
    12: "arn:role/r",
    21: "AKIA1",
    22: "AKIA2",
}


def said(
    counts: list[Count], bound: dict[int, set[str]], **more: Any
) -> list[tuple[int, str, int, bool]]:
    held = {actor: frozenset(identities) for actor, identities in bound.items()}
    return [
        (row.actor, row.identity, row.seen, row.shared)
        for row in propose(counts, held, NAMES, **more)
    ]


@pytest.mark.parametrize(
    ("counts", "bound", "wanted"),
    [
        # The principal is known: the agent is asked for.
        ([Count(1, 11, 21, 45)], {11: {"X"}}, [(1, "X", 45, False)]),
        # The key is known.
        ([Count(1, 11, 21, 45)], {21: {"X"}}, [(1, "X", 45, False)]),
        # The agent is known: the principal is asked for.
        ([Count(1, 11, 21, 45)], {1: {"X"}}, [(11, "X", 45, False)]),
        # Nobody is known, or both: nothing to ask.
        ([Count(1, 11, 21, 45)], {}, []),
        ([Count(1, 11, 21, 45)], {1: {"X"}, 11: {"X"}}, []),
        ([Count(1, 11, 21, 45)], {1: {"X"}, 11: {"Y"}}, []),
        ([Count(1, 11, 21, 0)], {11: {"X"}}, []),
        # Two agents on one credential: both, and both say shared.
        (
            [Count(2, 11, 21, 12), Count(3, 11, 21, 8)],
            {11: {"X"}},
            [(2, "X", 12, True), (3, "X", 8, True)],
        ),
        # A set is known on the credential: the agent may be either.
        ([Count(2, 11, 21, 12)], {11: {"X", "Y"}}, [(2, "X", 12, True), (2, "Y", 12, True)]),
        # Two keys of one principal add up.
        ([Count(1, 11, 21, 3), Count(1, 11, 22, 4)], {11: {"X"}}, [(1, "X", 7, False)]),
        # Two principals of one identity add up.
        ([Count(1, 11, 21, 3), Count(1, 12, 22, 4)], {11: {"X"}, 12: {"X"}}, [(1, "X", 7, False)]),
        # Two principals of two identities: one of both.
        (
            [Count(1, 11, 21, 3), Count(1, 12, 22, 4)],
            {11: {"X"}, 12: {"Y"}},
            [(1, "Y", 4, True), (1, "X", 3, True)],
        ),
    ],
)
def test_proposals_from_counts(
    counts: list[Count], bound: dict[int, set[str]], wanted: list[Any]
) -> None:
    assert said(counts, bound) == wanted
    assert said(list(reversed(counts)), bound) == wanted


def test_settled_pairs_are_not_asked_again() -> None:
    assert said([Count(1, 11, 21, 45)], {11: {"X"}}, settled=frozenset({(1, "X")})) == []


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        (
            [Count(1, 11, 21, 45)],
            "45 calls of invoice-agent were made with the key AKIA1 of arn:user/svc",
        ),
        (
            [Count(1, 11, 21, 1)],
            "1 call of invoice-agent was made with the key AKIA1 of arn:user/svc",
        ),
        ([Count(1, 11, None, 3)], "3 calls of invoice-agent were made by arn:user/svc"),
        (
            [Count(1, 11, 21, 3), Count(2, 11, 21, 1)],
            (
                "3 calls of invoice-agent were made with the key AKIA1 of arn:user/svc;"
                " triage-agent used it too"
            ),
        ),
    ],
)
def test_sentence_says_what_was_counted(counts: list[Count], sentence: str) -> None:
    assert propose(counts, {11: frozenset({"X"})}, NAMES)[0].reason == sentence


def test_name_a_sender_chose_is_bounded_in_the_sentence() -> None:
    rows = propose([Count(1, 11, 21, 1)], {11: frozenset({"X"})}, {1: "a" * 5000})
    assert len(rows[0].reason) < 300


# What people answer


def actor(value: str, kind: str = "agent", realm: str = "otel:lab") -> Actor:
    name = ActorName(realm, kind, value)
    return Actor.objects.get(pk=actor_ids([name], now=NOW)[name])


def proposed(identity: Identity, value: str = "invoice-agent", **more: Any) -> Binding:
    return Binding.objects.create(
        **{
            "identity": identity,
            "actor": actor(value),
            "basis": "observed",
            "state": "proposed",
            "seen": 45,
            "reason": "45 calls",
            "during": (None, None),
            "recorded_at": NOW,
            "by": "countersign",
        }
        | more
    )


@pytest.mark.django_db
def test_confirmed_proposal_is_a_new_row_that_names_who(active: Make, user: Make) -> None:
    row = active()
    rita, ron = user("rita", "reviewer"), user("ron", "reviewer")
    (link,) = links.of([proposed(row)])
    made = link_by_two(link, by=rita, second=ron, now=NOW + DAY)
    assert list(
        Binding.objects.order_by("pk").values_list("state", "superseded_at", "by_name")
    ) == [("proposed", NOW + DAY, ""), ("confirmed", None, "Rita")]
    said = "45 calls; signed for svc-report by Ron"
    assert (made.basis, made.seen, made.reason) == ("observed", 45, said)
    assert list(LedgerEntry.objects.order_by("pk").values_list("act", "subject", "by_name")) == [
        ("binding.asked", row.key, "Rita"),
        ("binding.signed", row.key, "Ron"),
        ("binding.confirmed", row.key, "Rita"),
    ]


@pytest.mark.django_db
def test_confirming_gives_the_credentials_to_the_identity(active: Make) -> None:
    row = active()
    arn = actor("arn:aws:iam::123456789012:user/svc", "arn", "aws:123456789012")
    keys = [
        Credential.objects.create(
            actor=actor(f"AKIAEXAMPLE0000{number}", "access_key", "aws"),
            kind="access_key",
            standing=True,
            issued_to=arn,
            state_at=NOW,
        )
        for number in range(2)
    ]
    binding = proposed(row, actor=arn)
    actions.confirm(binding=binding, by=COMMAND, now=NOW)
    assert {key.identity_id for key in Credential.objects.filter(pk__in=[k.pk for k in keys])} == {
        row.pk
    }
    (confirmed,) = Binding.objects.filter(state="confirmed")
    actions.unbind(binding=confirmed, by=COMMAND, now=NOW, reason="a mistake")
    assert set(Credential.objects.values_list("identity", flat=True)) == {None}


@pytest.mark.django_db
def test_credential_of_a_set_belongs_to_no_one_of_it(active: Make) -> None:
    arn = actor("arn:aws:iam::123456789012:user/svc", "arn", "aws:123456789012")
    Credential.objects.create(
        actor=actor("AKIAEXAMPLE00001", "access_key", "aws"),
        kind="access_key",
        standing=True,
        issued_to=arn,
        state_at=NOW,
    )
    for name in ("a", "b"):
        actions.bind(identity=active(name), actor=arn, by=COMMAND, now=NOW, shared=True)
    assert set(Credential.objects.values_list("identity", flat=True)) == {None}


@pytest.mark.django_db
def test_second_identity_on_an_actor_is_refused_unless_both_share(active: Make) -> None:
    one, two = active("a"), active("b")
    actions.confirm(binding=proposed(one), by=COMMAND, now=NOW)
    with pytest.raises(NotPossible, match="is a's: take that back"):
        actions.confirm(binding=proposed(two), by=COMMAND, now=NOW)
    with pytest.raises(NotPossible, match="is a's: take that back"):
        actions.bind(identity=two, actor=actor("invoice-agent"), by=COMMAND, now=NOW, shared=True)
    assert Binding.objects.filter(state="confirmed").count() == 1


@pytest.mark.django_db
def test_answered_proposal_cannot_be_answered_again(active: Make) -> None:
    binding = proposed(active())
    actions.reject(binding=binding, by=COMMAND, now=NOW, reason="another team's")
    with pytest.raises(NotPossible, match="settled invoice-agent in the meantime"):
        actions.confirm(binding=binding, by=COMMAND, now=NOW)


@pytest.mark.django_db
def test_ended_binding_stays_true_for_its_past(active: Make) -> None:
    made = actions.confirm(binding=proposed(active()), by=COMMAND, now=NOW)
    ended = actions.unbind(
        binding=made, by=COMMAND, now=NOW + 2 * DAY, reason="moved", at=NOW + DAY
    )
    assert ended is not None
    ended.refresh_from_db()
    assert (ended.during.lower, ended.during.upper, ended.state) == (None, NOW + DAY, "confirmed")


@pytest.mark.django_db
def test_rule_confirms_the_strong_and_uncontested_only(active: Make) -> None:
    one, two = active("a"), active("b")
    proposed(one, "strong", seen=45)
    proposed(one, "weak", seen=9)
    proposed(one, "shared", seen=80, shared=True)
    proposed(one, "either", seen=50)
    proposed(two, "either", seen=50)
    rule = actions.Rule(least_calls=10)
    assert [row.actor.value for row in actions.preview(rule=rule, now=NOW)] == ["strong"]
    done, left = actions.confirm_by_rule(rule=rule, by=COMMAND, now=NOW)
    assert ([row.actor.value for row in done], left) == (["strong"], [])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("group", "allowed"),
    [
        ("reviewer", True),
        ("administrator", True),
        ("its owner", True),
        ("responder", False),
        ("auditor", False),
        ("owner", False),
    ],
)
def test_who_may_confirm(
    active: Make, user: Callable[..., User], group: str, allowed: bool
) -> None:
    owner = user("ann", "owner")
    binding = proposed(active(owner=owner))
    who = owner if group == "its owner" else user("who", group)
    if allowed:
        (link,) = links.of([binding])
        link_by_two(link, by=who, second=user("second", "reviewer"), now=NOW)
    else:
        with pytest.raises(NotAllowed):
            actions.confirm(binding=binding, by=who, now=NOW)
    assert Binding.objects.filter(state="confirmed").exists() is allowed


@pytest.mark.django_db(transaction=True)
def test_two_people_confirming_for_two_identities_at_once_one_wins(active: Make) -> None:
    rows = [proposed(active(name)) for name in ("a", "b")]
    barrier = threading.Barrier(2)
    outcomes: list[str] = []

    def person(binding: Binding) -> None:
        try:
            barrier.wait()
            actions.confirm(binding=binding, by=COMMAND, now=NOW)
            outcomes.append("confirmed")
        except NotPossible:
            outcomes.append("told")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=person, args=(row,)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["confirmed", "told"]
    assert Binding.objects.filter(state="confirmed", superseded_at__isnull=True).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_people_confirming_the_same_at_once_one_is_told(active: Make) -> None:
    row = proposed(active())
    barrier = threading.Barrier(2)
    outcomes: list[str] = []

    def person() -> None:
        try:
            barrier.wait()
            actions.confirm(binding=row, by=COMMAND, now=NOW)
            outcomes.append("confirmed")
        except NotPossible as problem:
            outcomes.append(str(problem))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=person) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [
        "Somebody settled invoice-agent in the meantime: look again.",
        "confirmed",
    ]


@pytest.mark.django_db
def test_human_binding_ends_only_in_the_past(active: Make) -> None:
    made = actions.confirm(binding=proposed(active()), by=COMMAND, now=NOW)
    with pytest.raises(NotPossible, match="now or in the past"):
        actions.unbind(binding=made, by=COMMAND, now=NOW, reason="x", at=NOW + timedelta(seconds=1))
