"""What each move makes of a statement in each of its states; test_stating_confirmed.py plays it."""

from identities.actions.revocations.stating import NOTHING
from identities.models.unfinished import STATEMENT_STATES

type Came = list[str] | str
SAME: dict[str, Came] = {state: [state] for state in STATEMENT_STATES}
STATEMENTS: dict[str, dict[str, Came]] = {
    "sign": dict.fromkeys(STATEMENT_STATES, NOTHING) | {"proposed": ["stands"]},
    "refuse": dict.fromkeys(STATEMENT_STATES, NOTHING) | {"proposed": ["refused"]},
    "contradict": SAME | {"stands": ["contradicted"]},
    "overtake": SAME | {"stands": ["over"]},
}
