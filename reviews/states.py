"""The case machine: one table for every door (decisions 13). Pure.

Owns which move leads from which state to which, whose turn it is, and in which rows of data the
doors differ. Knows nothing of rows, people or time: who may make a move is
reviews/permissions.py, and only reviews/actions writes `Case.state`.

``python -m reviews.states`` prints docs/states.md, which a test compares with this table. The
states of smaller rows that stand there as well are row_states.py.
"""

import sys
from typing import NamedTuple

from reviews import row_states

DRAFT, OPEN, DECIDED, CARRYING_OUT = "draft", "open", "decided", "carrying_out"
IN_REVIEW, CLOSED, CANCELLED = "in_review", "closed", "cancelled"
STATES = (DRAFT, OPEN, DECIDED, CARRYING_OUT, IN_REVIEW, CLOSED, CANCELLED)

# (state, move) -> next state. A door allows some of the moves; none has others.
MOVES = {
    (DRAFT, "open"): OPEN,
    (DRAFT, "cancel"): CANCELLED,
    (OPEN, "cancel"): CANCELLED,
    (OPEN, "decide"): DECIDED,
    (OPEN, "bypass"): CARRYING_OUT,
    (DECIDED, "reopen"): OPEN,
    (DECIDED, "carry_out"): CARRYING_OUT,
    (CARRYING_OUT, "carried_out"): CLOSED,
    (CARRYING_OUT, "review"): IN_REVIEW,
    (IN_REVIEW, "send_back"): OPEN,
    (IN_REVIEW, "close"): CLOSED,
}
# What each move says has happened.
WORDS = {
    "open": "it is put before its seats",
    "cancel": "it is ended without a decision",
    "decide": "every item has its outcome",
    "bypass": "access is given before the seats have answered, and they are told",
    "reopen": "an answer is taken back",
    "carry_out": "no answer can be taken back any more, and the outcomes go out",
    "carried_out": "everything went out and needs no look back",
    "review": "everything went out, and somebody else looks back at it",
    "send_back": "the look back found it unfinished, and the seats answer again",
    "close": "the look back is written down",
}
# Whose turn it is; "nobody" where nothing comes after.
TURNS = {
    DRAFT: "opener",
    OPEN: "seats",
    DECIDED: "Countersign",
    CARRYING_OUT: "Countersign",
    IN_REVIEW: "closer",
    CLOSED: "nobody",
    CANCELLED: "nobody",
}


class Door(NamedTuple):
    """A row of data: all that a door differs in.

    `seats`: the signatures it needs, ``ai_owner`` once per AI system concerned. `gate`: what must
    be true before it may be closed, checked by the actions; the sentence says it to people.
    """

    words: str
    seats: tuple[str, ...]
    moves: frozenset[str]
    gate: str
    gate_words: str


_ALWAYS = frozenset({"open", "cancel", "decide", "reopen", "carry_out"})
DOORS = {
    "access_review": Door(
        "access review",
        ("identity_owner", "ai_owner"),
        _ALWAYS | {"carried_out"},
        "effective",
        "every outcome is carried out and every revocation is effective",
    ),
    "access_request": Door(
        "access request",
        ("identity_owner", "ai_owner"),
        _ALWAYS | {"carried_out"},
        "effective",
        "the delegation is in force or refused, and every revocation is effective",
    ),
    "break_glass": Door(
        "break-glass",
        ("identity_owner", "second", "closer"),
        # What is denied needs no look back.
        _ALWAYS | {"bypass", "carried_out", "review", "send_back", "close"},
        "use_reviewed",
        "the grant has ended, and its use is classified by somebody who did not use it",
    ),
    "incident": Door(
        "incident",
        ("identity_owner", "ai_owner", "closer"),
        _ALWAYS | {"review", "send_back", "close"},
        "questions_answered",
        "every question is answered with events or dropped, every revocation is effective, nothing"
        " of its gate is missing (incidents.md), and the closer has not acted in it",
    ),
}


def why_not(state: str, move: str, *, door: str) -> str | None:
    """The sentence why this move is not possible; None when it is."""
    if state not in STATES:
        return f"{state!r} is no state of a case: it is one of {', '.join(STATES)}."
    if door not in DOORS:
        return f"{door!r} is no door: it is one of {', '.join(DOORS)}."
    row = DOORS[door]
    doing = move.replace("_", " ")
    if move not in WORDS:
        return f"{doing!r} is no move of a case: it is one of {', '.join(WORDS)}."
    if move not in row.moves:
        return f"{row.words.capitalize()} cases have no move {doing!r}."
    if (state, move) in MOVES:
        return None
    if TURNS[state] == "nobody":
        return f"This case is {_said(state)}: nothing comes after that."
    able = ", ".join(one.replace("_", " ") for one in possible(state, door=door))
    only = f"only {able}" if able else "nothing is"
    return f"This case is {_said(state)}, where {doing!r} is not possible: {only}."


def after(state: str, move: str, *, door: str) -> str:
    """The state after this move, or NotPossible with the sentence why not."""
    why = why_not(state, move, door=door)
    if why is not None:
        # Imported late: the table, its document and its pages need nothing of Django.
        from identities.permissions import NotPossible

        raise NotPossible(why)
    return MOVES[state, move]


def possible(state: str, *, door: str) -> tuple[str, ...]:
    """The moves that this door has from this state, in the table's order."""
    return tuple(move for from_, move in MOVES if from_ == state and move in DOORS[door].moves)


def turn(state: str) -> str:
    """Whose turn it is: opener, seats, Countersign, closer or nobody."""
    return TURNS[state]


def ended(state: str) -> bool:
    """Whether nothing comes after this state."""
    return TURNS[state] == "nobody"


def document() -> str:
    """docs/states.md."""
    lines = [
        "# States of a case",
        "",
        "Written by `python -m reviews.states > docs/states.md`; a test compares the two.",
        "One table for every door; a door differs only in its row below.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        f"  [*] --> {DRAFT}",
    ]
    lines += [f"  {from_} --> {to}: {move}" for (from_, move), to in MOVES.items()]
    lines += [f"  {state} --> [*]" for state in STATES if ended(state)]
    lines += ["```", "", "| state | whose turn |", "| --- | --- |"]
    lines += [f"| {_said(state)} | {TURNS[state]} |" for state in STATES]
    lines += ["", "| move | it means | doors |", "| --- | --- | --- |"]
    for move, words in WORDS.items():
        doors = [row.words for row in DOORS.values() if move in row.moves]
        which = "all" if len(doors) == len(DOORS) else ", ".join(doors)
        lines.append(f"| {move.replace('_', ' ')} | {words} | {which} |")
    lines += ["", "| door | seats | closed only when |", "| --- | --- | --- |"]
    for row in DOORS.values():
        seats = ", ".join(seat.replace("_", " ") for seat in row.seats)
        lines.append(f"| {row.words} | {seats} | {row.gate_words} |")
    lines += row_states.document()
    return "\n".join(lines) + "\n"


def _said(state: str) -> str:
    return state.replace("_", " ")


if __name__ == "__main__":
    sys.stdout.write(document())
