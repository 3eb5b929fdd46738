"""The states of the smaller rows: quarantines, rungs, offers, automatic holds, statements. Pure.

Owns what each move makes of each state, as docs/states.md shows it; what is not here is refused or
changes nothing. Tests put every state before every move. Cases are states.py.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple


class Machine(NamedTuple):
    """`moves`: (state, move) -> the next state; `words`: what each move means."""

    title: str
    states: Mapping[str, str]  # and what each means
    moves: Mapping[tuple[str, str], str]
    words: Mapping[str, str]

    def after(self, state: str, move: str) -> str:
        """The state after a move that is possible."""
        return self.moves[state, move]


QUARANTINE = Machine(
    "A quarantine",
    {
        "held": "stopped, reversibly, until a stored end",
        "restored": "let go inside its window, and asked about again",
        "revoked": "its window was over, and it is cut for good",
        "over": "the seats decided otherwise meanwhile, and it goes on",
    },
    {
        ("held", "restore"): "restored",
        ("held", "end"): "revoked",
        ("held", "decide otherwise"): "over",
    },
    {
        "restore": "one click, by whoever sits in the case or a responder, until its end",
        "end": "its end has come",
        "decide otherwise": "an answer was taken back, and the new ones cut nothing",
    },
)
RUNG = Machine(
    "A rung of silence",
    {
        "waiting": "for its moment",
        "held": "its moment came in an outage or a freeze, or a brake stopped it: a person looks",
        "done": "what it says has happened",
        "dropped": "a person looked, and it never happens",
        "over": "something else came first",
    },
    {
        ("waiting", "climb"): "done",
        ("waiting", "hold"): "held",
        ("waiting", "end"): "over",
        ("held", "release"): "waiting",
        ("held", "drop"): "dropped",
        ("held", "end"): "over",
        ("done", "extend"): "waiting",
        ("over", "extend"): "waiting",
    },
    {
        "climb": "its moment has come, and nobody has decided",
        "hold": "its moment has come, and it may not happen by itself",
        "release": "a person lets it go its way, with a reason",
        "drop": "a person says that it never happens, with a reason",
        "extend": "the deadline has moved: a reminder is said anew, all others only come later",
        "end": "the case is decided or ended",
    },
)
OFFER = Machine(
    "An offer of ownership",
    {
        "open": "a person or team is asked, and the old owner answers until then",
        "accepted": "they own it",
        "declined": "they do not, and are not asked again for a year",
        "passed": "they do not, and have named who is asked now",
        "withdrawn": "the question was taken back",
        "over": "nobody answered in time",
    },
    {
        ("open", "accept"): "accepted",
        ("open", "decline"): "declined",
        ("open", "pass on"): "passed",
        ("open", "withdraw"): "withdrawn",
        ("open", "lapse"): "over",
    },
    {
        "accept": "by whoever is asked",
        "decline": "by whoever is asked, with a reason",
        "pass on": "by whoever is asked, with a reason and a name",
        "withdraw": "by whoever asked, or answers for it until then",
        "lapse": "its deadline has passed",
    },
)
AUTOMATIC_HOLD = Machine(
    "An automatic hold",
    {
        "asked": "nothing was held by itself, and a person was asked instead",
        "held": "stopped by itself, reversibly, until people say what becomes of it",
        "released": "let go, and never held again by itself for this finding",
        "final": "what was held is revoked or narrowed for good, by an answer",
    },
    {
        ("held", "release"): "released",
        ("held", "make final"): "final",
    },
    {
        "release": "by whoever may hold it, or because its incident keeps or replaces it",
        "make final": "what its incident decided has gone out",
    },
)
STATEMENT = Machine(
    "A statement that something was done by hand",
    {
        "proposed": "a second person is missing; where one is enough it begins with the next",
        "stands": "it counts: the revocation is effective, as people state it",
        "refused": "not believed, or taken back: the revocation waits as before",
        "contradicted": "the target showed otherwise: the revocation has failed, and names who"
        " stated it",
        "over": "something later made or un-made what it says",
    },
    {
        ("proposed", "sign"): "stands",
        ("proposed", "refuse"): "refused",
        ("stands", "contradict"): "contradicted",
        ("stands", "overtake"): "over",
    },
    {
        "sign": "by another person than who states it; both confirm who they are",
        "refuse": "by a second person, or by who states it, with a reason",
        "contradict": "a look at the target shows something else, ten minutes later still",
        "overtake": "the revocation is not effective by it any more, when it is looked at next",
    },
)
MACHINES = (QUARANTINE, RUNG, OFFER, AUTOMATIC_HOLD, STATEMENT)


def document() -> Iterator[str]:
    """The lines of docs/states.md about them."""
    for one in MACHINES:
        yield from ("", f"## {one.title}", "", "| state | it is | moves |", "| --- | --- | --- |")
        for state, words in one.states.items():
            moves = [f"{move} → {to}" for (of, move), to in one.moves.items() if of == state]
            yield f"| {state} | {words} | {', '.join(moves) or 'none'} |"
        yield from ("", "| move | it means |", "| --- | --- |")
        yield from (f"| {move} | {words} |" for move, words in one.words.items())
