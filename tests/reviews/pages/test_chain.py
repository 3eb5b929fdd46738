"""The chain's layout: what folds, what never does, nothing on each other, names made harmless."""

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reviews.pages import chain as chains

type Drawing = dict[str, Any]


def action(number: int, verdict: str, calls: int = 1) -> Drawing:
    return {"id": f"x{number}", "name": f"s3:Act{number}", "n": calls, "verdict": verdict}


def drawn(**given: Any) -> Drawing:
    return chains.layout(given)


def names(drawing: Drawing, x: int) -> list[str]:
    return [node["name"] for node in drawing["nodes"] if node["x"] == x]


def on_each_other(drawing: Drawing) -> list[tuple[str, str]]:
    found = []
    for x in {node["x"] for node in drawing["nodes"]}:
        column = sorted(
            (node for node in drawing["nodes"] if node["x"] == x), key=lambda node: node["y"]
        )
        found += [
            (one["id"], two["id"])
            for one, two in pairwise(column)
            if one["y"] + one["h"] > two["y"]
        ]
    return found


def test_empty_chain_draws_nothing() -> None:
    drawing = drawn()
    assert drawing["nodes"] == []
    assert drawing["edges"] == []
    assert drawing["arrows"] == []
    assert drawing["words"] == "The chain is empty."


def test_inside_actions_fold_to_the_six_with_most_calls() -> None:
    drawing = drawn(
        actions=[action(number, "inside", calls=number) for number in range(1, 48)],
        actions_url="/events/?identity=NHI-1",
    )
    nodes = [node for node in drawing["nodes"] if node["x"] == chains.X[4]]
    assert [node["name"] for node in nodes] == [
        *(f"s3:Act{number}" for number in range(47, 41, -1)),
        "41 more inside",
    ]
    assert (nodes[-1]["count"], nodes[-1]["url"], nodes[-1]["kind"]) == (
        f"{sum(range(1, 42))}",
        "/events/?identity=NHI-1",
        "more",
    )


def test_seven_inside_actions_are_not_folded_into_one() -> None:
    drawing = drawn(actions=[action(number, "inside") for number in range(7)])
    assert len(drawing["nodes"]) == 7


@pytest.mark.parametrize("verdict", ["outside", "no_run", "unknown"])
def test_what_is_not_inside_never_folds(verdict: str) -> None:
    drawing = drawn(actions=[action(number, verdict) for number in range(40)])
    assert [node["kind"] for node in drawing["nodes"]] == [verdict] * 40
    assert on_each_other(drawing) == []


def test_actions_stand_inside_then_outside_then_without_a_run() -> None:
    drawing = drawn(actions=[action(1, "no_run"), action(2, "outside"), action(3, "inside")])
    assert [node["kind"] for node in drawing["nodes"]] == ["inside", "outside", "no_run"]


def test_unknown_caller_is_a_node_of_its_own() -> None:
    drawing = drawn(
        agents=[
            {"id": "a", "name": "report-agent"},
            {"id": "u", "name": "Nobody known", "note": "198.51.100.77", "unknown": True},
        ],
        credentials=[{"id": "c", "name": "AKIA…QP7D"}],
        edges=[
            {"from": "a", "to": "c", "kind": "inside"},
            {"from": "u", "to": "c", "kind": "no_run"},
        ],
    )
    assert [(node["name"], node["kind"], node["icon"]) for node in drawing["nodes"][:2]] == [
        ("report-agent", "inside", "robot"),
        ("Nobody known", "no_run", "help-circle"),
    ]
    assert [edge["kind"] for edge in drawing["edges"]] == ["inside", "no_run"]
    assert drawing["arrows"] == ["inside", "no_run"]
    assert drawing["nodes"][1]["label"] == "Agent: Nobody known, 198.51.100.77, no run behind it"


def test_action_without_an_edge_hangs_on_the_first_credential() -> None:
    drawing = drawn(
        credentials=[{"id": "c", "name": "key"}, {"id": "d", "name": "other"}],
        actions=[action(1, "outside"), action(2, "inside")],
        edges=[{"from": "d", "to": "x2", "kind": "inside"}],
    )
    assert sorted((edge["title"], edge["kind"]) for edge in drawing["edges"]) == [
        ("key → s3:Act1 (outside authority)", "outside"),
        ("other → s3:Act2 (inside authority)", "inside"),
    ]


def test_edges_of_folded_nodes_lead_to_the_fold_once() -> None:
    drawing = drawn(
        credentials=[{"id": "c", "name": "key"}],
        actions=[action(number, "inside") for number in range(20)],
        edges=[{"from": "c", "to": f"x{number}", "kind": "inside"} for number in range(20)],
    )
    assert len(drawing["edges"]) == len(drawing["nodes"]) - 1 == 7


def test_edge_to_an_id_that_is_not_there_is_left_out() -> None:
    drawing = drawn(
        agents=[{"id": "a", "name": "one"}], edges=[{"from": "a", "to": "gone", "kind": "inside"}]
    )
    assert drawing["edges"] == []


def test_level_edge_crosses_no_node() -> None:
    """An owner's edge past the agents keeps its row free, as in the picture."""
    drawing = drawn(
        grantors=[{"id": "g1", "name": "a"}, {"id": "g2", "name": "b"}],
        owners=[{"id": "o1", "name": "c"}, {"id": "o2", "name": "d"}],
        agents=[{"id": "a1", "name": "e"}, {"id": "a2", "name": "f", "unknown": True}],
        credentials=[{"id": "c1", "name": "g"}],
        edges=[
            {"from": "g1", "to": "o1"},
            {"from": "g2", "to": "o2"},
            {"from": "o1", "to": "a1"},
            {"from": "o2", "to": "c1"},
            {"from": "a1", "to": "c1"},
            {"from": "a2", "to": "c1", "kind": "no_run"},
        ],
    )
    rows = {node["id"]: node["y"] for node in drawing["nodes"]}
    assert rows["o2"] not in {rows["a1"], rows["a2"]}
    assert on_each_other(drawing) == []


@pytest.mark.parametrize(
    ("text", "pixels", "expected"),
    [
        ("report-agent", 200, "report-agent"),
        ("", 10, ""),
        ("abcdefghijklmnop", 40, "abcde…"),
        ("ああああああああ", 40, "あ…"),
    ],
)
def test_text_is_cut_to_the_room(text: str, pixels: int, expected: str) -> None:
    assert chains.cut(text, pixels) == expected


@pytest.mark.parametrize("hidden", ["\u202e", "\u200b", "\x1b", "\x00", "\ue000"])
def test_characters_that_mislead_are_shown(hidden: str) -> None:
    drawing = drawn(agents=[{"id": "a", "name": f"a{hidden}b"}])
    assert drawing["nodes"][0]["name"] == "a\N{REPLACEMENT CHARACTER}b"


names_of = st.text(max_size=60)
rows_of = st.lists(names_of, max_size=9)


@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries(dict.fromkeys(chains.COLUMNS, rows_of)),
    st.lists(st.tuples(st.integers(0, 44), st.integers(0, 44)), max_size=40),
    st.sampled_from(chains.KINDS),
)
def test_any_chain_can_be_drawn(
    columns: dict[str, list[str]], pairs: list[tuple[int, int]], kind: str
) -> None:
    given_chain: Drawing = {
        column: [
            {"id": f"{column}{place}", "name": name, "note": name, "n": 3, "verdict": kind}
            for place, name in enumerate(rows)
        ]
        for column, rows in columns.items()
    }
    ids = [one["id"] for column in chains.COLUMNS for one in given_chain[column]] or ["none"]
    given_chain["edges"] = [
        {"from": ids[a % len(ids)], "to": ids[b % len(ids)], "kind": kind, "words": "w"}
        for a, b in pairs
    ]
    drawing = chains.layout(given_chain)
    assert on_each_other(drawing) == []
    assert all(
        node["x"] >= 0 and node["x"] + node["w"] <= drawing["width"] for node in drawing["nodes"]
    )
    assert all(node["y"] + node["h"] <= drawing["height"] for node in drawing["nodes"])
    assert all(re.fullmatch(r"[MCL0-9e. -]+", edge["d"]) for edge in drawing["edges"])
    assert json.loads(json.dumps(drawing)) == drawing
