"""The whole grid of states, moves and doors, and the document made from the table."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from identities.permissions import NotPossible
from reviews import states
from reviews.models import cases as models

# Written out by hand, door by door: what the table has to come to.
ACCESS = {
    ("draft", "open"): "open",
    ("draft", "cancel"): "cancelled",
    ("open", "cancel"): "cancelled",
    ("open", "decide"): "decided",
    ("decided", "reopen"): "open",
    ("decided", "carry_out"): "carrying_out",
    ("carrying_out", "carried_out"): "closed",
}
LOOKED_BACK_AT = {
    ("draft", "open"): "open",
    ("draft", "cancel"): "cancelled",
    ("open", "cancel"): "cancelled",
    ("open", "decide"): "decided",
    ("decided", "reopen"): "open",
    ("decided", "carry_out"): "carrying_out",
    ("carrying_out", "review"): "in_review",
    ("in_review", "send_back"): "open",
    ("in_review", "close"): "closed",
}
EXPECTED = {
    "access_review": ACCESS,
    "access_request": ACCESS,
    "break_glass": LOOKED_BACK_AT
    | {("open", "bypass"): "carrying_out", ("carrying_out", "carried_out"): "closed"},
    "incident": LOOKED_BACK_AT,
}
MOVES = (
    "open",
    "cancel",
    "decide",
    "bypass",
    "reopen",
    "carry_out",
    "carried_out",
    "review",
    "send_back",
    "close",
)


def refused(door: str, state: str, move: str) -> str:
    """The sentence of a move that the table above does not have."""
    table = EXPECTED[door]
    said, doing = state.replace("_", " "), move.replace("_", " ")
    if move not in {one for _, one in table}:
        words = {"access_review": "Access review", "access_request": "Access request"}
        words |= {"break_glass": "Break-glass", "incident": "Incident"}
        return f"{words[door]} cases have no move {doing!r}."
    if state in ("closed", "cancelled"):
        return f"This case is {said}: nothing comes after that."
    back = door in ("break_glass", "incident")
    able = {
        "draft": "only open, cancel",
        "open": "only cancel, decide" + (", bypass" if door == "break_glass" else ""),
        "decided": "only reopen, carry out",
        "carrying_out": {"incident": "only review", "break_glass": "only carried out, review"}.get(
            door, "only carried out"
        ),
        "in_review": "only send back, close" if back else "nothing is",
    }
    return f"This case is {said}, where {doing!r} is not possible: {able[state]}."


# From the table itself: a state, a move or a door that is new there is asked for here.
@pytest.mark.parametrize("door", states.DOORS)
@pytest.mark.parametrize("state", states.STATES)
@pytest.mark.parametrize("move", states.WORDS)
def test_move_on_the_whole_grid(door: str, state: str, move: str) -> None:
    expected = EXPECTED[door].get((state, move))
    if expected is not None:
        assert states.why_not(state, move, door=door) is None
        assert states.after(state, move, door=door) == expected
        return
    with pytest.raises(NotPossible) as caught:
        states.after(state, move, door=door)
    assert str(caught.value) == refused(door, state, move)
    assert states.why_not(state, move, door=door) == refused(door, state, move)


def test_words_are_those_of_the_database() -> None:
    assert models.STATES == states.STATES
    assert tuple(states.DOORS) == models.DOORS
    assert tuple(states.WORDS) == MOVES
    assert tuple(states.TURNS) == states.STATES
    assert {seat for door in states.DOORS.values() for seat in door.seats} <= set(models.SEATS)
    assert {move for door in states.DOORS.values() for move in door.moves} == set(MOVES)
    assert {move for _, move in states.MOVES} == set(MOVES)


@pytest.mark.parametrize(
    ("state", "move", "door", "sentence"),
    [
        ("closed", "decide", "incident", "This case is closed: nothing comes after that."),
        ("cancelled", "open", "incident", "This case is cancelled: nothing comes after that."),
        (
            "open",
            "carry_out",
            "access_review",
            "This case is open, where 'carry out' is not possible: only cancel, decide.",
        ),
        (
            "carrying_out",
            "cancel",
            "incident",
            "This case is carrying out, where 'cancel' is not possible: only review.",
        ),
        ("open", "bypass", "access_request", "Access request cases have no move 'bypass'."),
        (
            "open",
            "sign",
            "incident",
            "'sign' is no move of a case: it is one of " + ", ".join(MOVES) + ".",
        ),
        (
            "lost",
            "open",
            "incident",
            "'lost' is no state of a case: it is one of " + ", ".join(models.STATES) + ".",
        ),
        (
            "open",
            "decide",
            "window",
            "'window' is no door: it is one of access_review, access_request, break_glass, incident.",
        ),
    ],
)
def test_sentence_of_a_move_that_is_not_possible(
    state: str, move: str, door: str, sentence: str
) -> None:
    assert states.why_not(state, move, door=door) == sentence


@pytest.mark.parametrize("door", models.DOORS)
def test_door_leads_from_draft_to_closed_and_nowhere_else_ends(door: str) -> None:
    met, ends = set(), set()
    waiting = ["draft"]
    while waiting:
        state = waiting.pop()
        if state in met:
            continue
        met.add(state)
        moves = states.possible(state, door=door)
        if not moves:
            ends.add(state)
        waiting += [states.after(state, move, door=door) for move in moves]
    assert ends == {"closed", "cancelled"}
    assert ("in_review" in met) == (door in ("break_glass", "incident"))
    assert {state for state in met if states.ended(state)} == ends


@pytest.mark.parametrize(
    ("state", "whose"),
    [
        ("draft", "opener"),
        ("open", "seats"),
        ("decided", "Countersign"),
        ("carrying_out", "Countersign"),
        ("in_review", "closer"),
        ("closed", "nobody"),
        ("cancelled", "nobody"),
    ],
)
def test_turn_in_each_state(state: str, whose: str) -> None:
    assert states.turn(state) == whose


def test_document_is_the_one_in_docs() -> None:
    written = Path(__file__).parents[2] / "docs" / "states.md"
    assert written.read_text(encoding="utf-8") == states.document()


# --- the table against the code ------------------------------------------------------------------


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call of a function of this name in the app, with the file it is in."""
    for path in sorted((Path(__file__).parents[2] / "reviews").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name:
                yield path.name, node


def test_every_move_that_the_code_makes_is_in_the_table() -> None:
    made = {(file, ast.literal_eval(call.args[1])) for file, call in calls("moved")}
    assert {move for _, move in made} == set(MOVES)
    assert made == {
        ("opening.py", "open"),
        ("closing.py", "cancel"),
        ("settling.py", "decide"),
        ("deciding.py", "reopen"),
        ("quarantining.py", "reopen"),
        ("attention.py", "reopen"),
        ("carrying.py", "carry_out"),
        ("carrying.py", "carried_out"),
        ("incidents.py", "review"),
        ("closing.py", "send_back"),
        ("looking.py", "close"),
        ("answering.py", "cancel"),
        ("answering.py", "decide"),
        ("answering.py", "carry_out"),
        ("answering.py", "carried_out"),
        ("bypassing.py", "bypass"),
        ("sweeping.py", "cancel"),
        ("sweeping.py", "review"),
        ("reviewing.py", "close"),
    }


def test_no_case_changes_its_state_past_the_table() -> None:
    wrote = [
        f"{file}:{call.lineno}"
        for file, call in calls("changed")
        for word in call.keywords
        if word.arg == "state"
        and ast.unparse(call.args[0]) == "case"
        and "moved(" not in ast.unparse(word.value)
        and ast.unparse(word.value) not in ("to", "case.state")
    ]
    assert wrote == []
