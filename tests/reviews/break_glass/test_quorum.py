"""How signatures add up: tables, and properties over any rule and any people."""

from itertools import combinations
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reviews.break_glass import quorum
from reviews.break_glass.quorum import Place, Rule, Signer
from reviews.policy_reading import Problem

TEAMS = ("A", "B", "C")


def who(number: int, *teams: str, roles: tuple[str, ...] = ()) -> Signer:
    return Signer(UUID(int=number), frozenset(teams), frozenset(roles))


ONE_EACH = quorum.read({"all_of": [{"team": "A"}, {"team": "B"}]})
ASKER = who(9, "C")


@pytest.mark.parametrize(
    ("signers", "carries"),
    [
        # teleport#36854: two approvers of two different teams, and never two of one.
        ([who(1, "A"), who(2, "B")], True),
        ([who(1, "A"), who(2, "A")], False),
        ([who(1, "B"), who(2, "B")], False),
        ([who(1, "A", "B")], False),
        # One person with two logins is one person.
        ([who(1, "A"), who(1, "B")], False),
        # Who is in both teams fills either place, whoever signs first.
        ([who(1, "A", "B"), who(2, "A")], True),
        ([who(2, "A"), who(1, "A", "B")], True),
        # Who asked fills none, whatever teams they are in now.
        ([who(9, "A", "B"), who(2, "B")], False),
        ([], False),
    ],
)
def test_two_teams_are_two_people_of_two_teams(signers: list[Signer], carries: bool) -> None:
    found = quorum.carried(ONE_EACH, signers, asker=ASKER)
    assert (found is not None) is carries


def test_own_team_alone_never_carries() -> None:
    rule = quorum.read({"team": "A", "n": 2})
    two = [who(1, "A"), who(2, "A")]
    assert quorum.carried(rule, two, asker=who(9, "A")) is None
    assert quorum.carried(rule, two, asker=who(9, "B")) is not None
    # Somebody who is in another team as well is of the asker's own all the same.
    assert quorum.carried(rule, [who(1, "A", "B"), who(2, "A")], asker=who(9, "A")) is None


def test_any_of_takes_either_way_and_roles_count() -> None:
    rule = quorum.read({"any_of": [ONE_EACH_SAID, {"role": "responder", "n": 2}]})
    assert rule.words() == "(1 of A and 1 of B) or 2 responder"
    both = [who(1, roles=("responder",)), who(2, roles=("responder",))]
    assert quorum.carried(rule, both, asker=ASKER) == {
        Place("role", "responder", 0): UUID(int=1),
        Place("role", "responder", 1): UUID(int=2),
    }
    assert quorum.carried(rule, both[:1], asker=ASKER) is None


ONE_EACH_SAID: dict[str, Any] = {"all_of": [{"team": "A"}, {"team": "B"}]}


@pytest.mark.parametrize(
    ("value", "at", "says"),
    [
        ([], "", "Write an object"),
        ({}, "", "exactly one of"),
        ({"team": "A", "role": "reviewer"}, "", "exactly one of"),
        ({"team": "A", "n": 0}, ".n", "whole number from 1"),
        ({"team": "A", "n": True}, ".n", "whole number from 1"),
        ({"role": "auditor"}, ".role", "Write one of"),
        ({"all_of": []}, ".all_of", "a list of 1"),
        ({"all_of": [{"team": "A"}, {"team": "A"}]}, ".all_of[1]", "twice"),
        ({"all_of": [{"team": "A", "m": 1}]}, ".all_of[0].m", "not known"),
        ({"all_of": [{"team": one, "n": 5} for one in TEAMS]}, "", "more than 8"),
    ],
)
def test_a_rule_that_cannot_be_read_says_where(value: Any, at: str, says: str) -> None:
    with pytest.raises(Problem) as refused:
        quorum.read(value)
    assert (refused.value.at, says in str(refused.value)) == (at, True)


def test_a_rule_is_not_nested_without_end() -> None:
    value: dict[str, Any] = {"team": "A"}
    for _ in range(50):
        value = {"all_of": [value]}
    with pytest.raises(Problem, match="nested"):
        quorum.read(value)


leaves = st.builds(
    lambda team, n: Rule("one", of="team", name=team, n=n),
    st.sampled_from(TEAMS),
    st.integers(1, 2),
)
rules = st.recursive(
    leaves,
    lambda inner: st.builds(
        lambda how, parts: Rule(how, parts=tuple(parts)),
        st.sampled_from(("all_of", "any_of")),
        st.lists(inner, min_size=1, max_size=2),
    ),
    max_leaves=3,
)
people = st.lists(
    st.builds(
        lambda number, teams: Signer(UUID(int=number), frozenset(teams)),
        st.integers(1, 6),
        st.sets(st.sampled_from(TEAMS)),
    ),
    max_size=6,
)
askers = st.builds(
    lambda number, teams: Signer(UUID(int=number), frozenset(teams)),
    st.integers(1, 6),
    st.sets(st.sampled_from(TEAMS)),
)


def holds(rule: Rule, free: list[Signer]) -> bool:
    """The plain meaning: some way of the rule, and different people for each of its places."""

    def fills(way: tuple[Place, ...], left: list[Signer]) -> bool:
        if not way:
            return True
        return any(
            one.fits(way[0]) and fills(way[1:], [other for other in left if other != one])
            for one in left
        )

    return any(fills(way, free) for way in rule.ways())


@settings(max_examples=300)
@given(rule=rules, signers=people, asker=askers)
def test_carried_is_the_plain_meaning(rule: Rule, signers: list[Signer], asker: Signer) -> None:
    found = quorum.carried(rule, signers, asker=asker)
    free = quorum._others(signers, asker)
    outsiders = [one for one in free if asker.teams.isdisjoint(one.teams)]
    # Brute force: some subset of the people with an outsider in it, all of whom are needed.
    expected = any(
        holds(rule, list(some)) and not holds_without(rule, some, outsiders)
        for size in range(len(free) + 1)
        for some in combinations(free, size)
        if set(some) & set(outsiders)
    )
    assert (found is not None) is expected
    if found is not None:
        assert len(set(found.values())) == len(found)
        assert asker.person not in found.values()
        known = {one.person: one for one in free}
        assert all(known[person].fits(place) for place, person in found.items())
        assert any(known[person] in outsiders for person in found.values())


def holds_without(rule: Rule, some: tuple[Signer, ...], outsiders: list[Signer]) -> bool:
    """Whether these people carry it without using any of the outsiders among them."""
    return holds(rule, [one for one in some if one not in outsiders])


@settings(max_examples=100)
@given(rule=rules, signers=people, asker=askers, more=people)
def test_a_further_signature_never_takes_away(
    rule: Rule, signers: list[Signer], asker: Signer, more: list[Signer]
) -> None:
    new = [one for one in more if one.person not in {known.person for known in signers}]
    if quorum.carried(rule, signers, asker=asker) is not None:
        assert quorum.carried(rule, [*signers, *new], asker=asker) is not None


@settings(max_examples=100)
@given(rule=rules, signers=people, asker=askers)
def test_the_order_of_signatures_does_not_matter(
    rule: Rule, signers: list[Signer], asker: Signer
) -> None:
    forth = quorum.carried(rule, signers, asker=asker) is None
    assert forth == (quorum.carried(rule, signers[::-1], asker=asker) is None)
