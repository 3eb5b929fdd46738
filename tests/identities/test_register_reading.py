"""A registration file that is wrong: each mistake is named with its place and what to write."""

import pytest

from identities.register import RegisterError, read


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "people: [{nme: x}]",
            [
                "people[0].nme: nobody knows this; known are name, email, logins, team, manager, left, moved",
                "people[0].name: is needed",
            ],
        ),
        (
            "a: &x [1]\nb: *x",
            ["line 2, column 4: anchors and aliases are not taken; write the entry out"],
        ),
        ("people: [\n", ["line 2, column 1: expected the node content, but found '<stream end>'"]),
        ("people: {}\npeople: []", ["line 2, column 1: 'people' stands twice here"]),
        ("- 1", ["(file): its top level must be a mapping of people, services, …"]),
        (
            "identities: [{name: a, kind: robot}]",
            [
                (
                    "identities[0].kind: 'robot' is not one of agent, service_account, workload,"
                    " integration, human"
                )
            ],
        ),
        (
            "identities: [{name: a, kind: agent, actors: [{agent: x}]}]",
            ["identities[0].actors[0]: say whose name 'x' is: add `source:` beside `agent:`"],
        ),
        (
            "identities: [{name: a, kind: agent, expires: soon}]",
            [
                (
                    "identities[0].expires: 'soon' is no moment; write 2027-01-31, 2027-01-31T12:00Z or"
                    " 90d"
                )
            ],
        ),
        (
            "identities: [{name: a, kind: agent}, {name: a, kind: agent}]",
            ["identities[1]: the identity a stands already at identities[0]"],
        ),
        (
            "delegations: [{grantee: a, actions: [], resources: [x]}]",
            ["delegations[0].actions: is needed: a list of at least one"],
        ),
        (
            (
                "delegations: [{grantee: a, actions: [s3:GetObject], resources: [x], starts: 2027-01-02,"
                " ends: 2027-01-01}]"
            ),
            ["delegations[0].ends: lies before `starts`"],
        ),
    ],
)
def test_reading_names_place_and_fix(text: str, problems: list[str]) -> None:
    with pytest.raises(RegisterError) as refused:
        read("x.yaml", text)
    assert [f"{path}: {what}" for path, what in refused.value.problems] == problems
