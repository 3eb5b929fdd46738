"""Every state × every move of the small rows: quarantines, rungs, offers, automatic holds.

What a move makes of a row, and the sentence of each move that is refused. The moves of cases are
test_states.py and test_acts_by_state.py, those of campaigns test_campaign_steering.py.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from identities.acting import COUNTERSIGN
from identities.models import Entitlement
from identities.models.unfinished import STATEMENT_STATES
from identities.permissions import NotAllowed, NotPossible
from reviews import actions, row_states
from reviews.actions import consequences, deadlines, grants, offers, quarantining, rungs
from reviews.automatic import settling
from reviews.models import (
    AutomaticHold,
    Case,
    Heartbeat,
    Item,
    Notice,
    OwnerOffer,
    Quarantine,
    Rung,
)
from reviews.models.automatic import HOLD_STATES
from reviews.models.modes import QUARANTINE_STATES
from reviews.models.owning import OFFER_STATES
from reviews.models.rungs import RUNG_STATES

from .conftest import ARN, DAY, HOUR, NOW, Told, everything_counts, item_of, make_user
from .holding import LATER, behaves, ruled, sweep
from .statement_grid import STATEMENTS
from .test_policy_versions import put_in_force

pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]
type Came = list[str] | str


def of_each(
    states: tuple[str, ...],
    rows: Any,
    move: Callable[[], object],
    before: Callable[[str], object] = lambda _: None,
) -> dict[str, Came]:
    """What the move comes to in each state that the one row is put into: the states of all rows
    in the order in which they were made, or the sentence of the refusal. `before`: what a state
    has done to what the row is about."""
    came: dict[str, Came] = {}
    assert rows.count() == 1
    pk = rows.get().pk
    for state in states:
        with transaction.atomic():
            rows.filter(pk=pk).update(state=state)
            before(state)
            try:
                with transaction.atomic():
                    move()
                came[state] = list(rows.order_by("pk").values_list("state", flat=True))
            except (NotAllowed, NotPossible) as refused:
                came[state] = str(refused)
            transaction.set_rollback(True)
    return came


# move of the table: the moves below that make it.
MADE_BY = {
    "climb": ("climb", "remind"),
    "hold": ("climb after an outage",),
    "pass on": ("pass on",),
}
# What begins a row anew, or asks in vain, is no move of the one that is there.
BEGINS = {"hold", "ask again"}


@pytest.mark.parametrize("machine", row_states.MACHINES, ids=lambda one: one.title)
def test_the_table_of_the_document_says_what_happens(machine: row_states.Machine) -> None:
    of = {
        "A quarantine": QUARANTINES,
        "A rung of silence": RUNGS,
        "An offer of ownership": OFFERS,
        "An automatic hold": HOLDS,
        "A statement that something was done by hand": STATEMENTS,
    }
    grid = of[machine.title]
    states = {
        "A quarantine": QUARANTINE_STATES,
        "A rung of silence": RUNG_STATES,
        "An offer of ownership": OFFER_STATES,
        "An automatic hold": HOLD_STATES,
        "A statement that something was done by hand": STATEMENT_STATES,
    }
    assert tuple(machine.states) == states[machine.title]
    assert set(machine.words) == {move for _, move in machine.moves}
    met = set()
    for move in machine.words:
        for made in MADE_BY.get(move, (move,)):
            met.add(made)
            for state in machine.states:
                came = grid[made][state]
                to = came[0] if isinstance(came, list) else state
                assert machine.moves.get((state, move), state) == to, (state, made)
    assert set(grid) - met <= BEGINS


# --- quarantines ---------------------------------------------------------------------------------

GONE = "It is not held any more."
# move: what it makes of each state.
QUARANTINES: dict[str, dict[str, Came]] = {
    "hold": {
        "held": ["held"],
        "restored": ["restored", "held"],
        "revoked": ["revoked"],
        "over": ["over", "held"],
    },
    "restore": {"held": ["restored"], "restored": GONE, "revoked": GONE, "over": GONE},
    "end": {
        "held": ["revoked"],
        "restored": ["restored"],
        "revoked": ["revoked"],
        "over": ["over"],
    },
    "decide otherwise": {
        "held": ["over"],
        "restored": ["restored"],
        "revoked": ["revoked"],
        "over": ["over"],
    },
}


def held_case(story: Told, sign: Sign, kind: str, said: str) -> Case:
    """Both seats have cut it, and it is held for some days."""
    put_in_force(story, quarantine_days=7)
    if kind == "entitlement":
        Entitlement.objects.create(
            identity=story.identity,
            system="aws",
            principal=ARN,
            during=(NOW - DAY, None),
            read_at=NOW,
            digest="x",
            possible=[],
            recorded_at=NOW,
        )
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="yearly")
    sign(case, kind, story.ines, said)
    sign(case, kind, story.samuel, said, seat="ai_owner")
    item = item_of(case, kind)
    if said == "narrow":
        # It goes out with the rest of the case, not at once.
        consequences.carry(case, item, by=COUNTERSIGN, now=NOW)
    return case


@pytest.mark.parametrize("move", QUARANTINES)
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("credential", "revoke"),
        ("delegation", "revoke"),
        ("entitlement", "revoke"),
        ("entitlement", "narrow"),
    ],
)
def test_a_quarantine_in_each_state(
    story: Told, sign: Sign, kind: str, said: str, move: str
) -> None:
    case = held_case(story, sign, kind, said)
    item = item_of(case, kind)
    item.case = case

    def otherwise() -> None:
        item.outcome = "keep"
        quarantining.over(case, item, now=NOW + HOUR)
        item.outcome = said

    moves: dict[str, Callable[[], object]] = {
        "hold": lambda: consequences.carry(case, item, by=COUNTERSIGN, now=NOW + HOUR),
        "restore": lambda: actions.restore(case=case, item=item, by=story.samuel, now=NOW + HOUR),
        "end": lambda: actions.carry_out_next(now=NOW + 7 * DAY),
        "decide otherwise": otherwise,
    }

    def before(state: str) -> None:
        if kind == "delegation" and state in ("restored", "over"):
            stopped = Quarantine.objects.get().stopped
            grants.let_go(stopped, by=COUNTERSIGN.ref, now=NOW + timedelta(minutes=1))

    if kind == "credential" and move == "restore":
        # Its hold has gone out and was seen.
        type(story.credential).objects.update(state="held")
    came = of_each(QUARANTINE_STATES, Quarantine.objects.all(), moves[move], before)
    assert came == QUARANTINES[move]


# --- rungs ---------------------------------------------------------------------------------------

FASTER = "Somebody has released or dropped this already: look again."
SAME: dict[str, Came] = {state: [state] for state in RUNG_STATES}
RUNGS: dict[str, dict[str, Came]] = {
    "climb": SAME | {"waiting": ["done"]},
    "climb after an outage": SAME | {"waiting": ["held"]},
    "remind": SAME | {"waiting": ["done"]},
    "release": dict.fromkeys(RUNG_STATES, FASTER) | {"held": ["waiting"]},
    "drop": dict.fromkeys(RUNG_STATES, FASTER) | {"held": ["dropped"]},
    # A deadline that has moved reminds anew of the later one.
    "extend": SAME | {"done": ["waiting"], "over": ["waiting"]},
    "end": SAME | {"waiting": ["over"], "held": ["over"]},
}


@pytest.mark.parametrize("move", RUNGS)
def test_a_rung_in_each_state(story: Told, case: Case, move: str) -> None:
    late = case.deadline_at + 3 * DAY
    everything_counts(case, until=late)
    Rung.objects.all().delete()
    does = "remind" if move in ("remind", "extend") else "suspend"
    at = case.deadline_at - HOUR if does == "remind" else case.deadline_at + HOUR
    rung = Rung.objects.create(
        case=case, does=does, after=at - case.opened_at, at=at, held_at=NOW, held_why="x"
    )
    if move == "climb after an outage":
        Heartbeat.objects.all().update(until=at - 4 * HOUR)
        Heartbeat.objects.create(since=at + 20 * HOUR, until=late)
    if move == "end":
        Case.objects.filter(pk=case.pk).update(state="cancelled")

    def swept() -> None:
        # Its deadline moves by what did not count, and then it is looked at.
        while deadlines.deadlines_next(now=late):
            pass

    def extend() -> None:
        rungs.move([rungs.Moved(case.pk, 9 * DAY)], now=late)

    moves: dict[str, Callable[[], object]] = {
        "climb": lambda: deadlines.deadlines_next(now=late),
        "climb after an outage": swept,
        "remind": lambda: deadlines.remind_due(now=at),
        "release": lambda: actions.release(case=case, by=story.rita, now=late, reason="looked"),
        "drop": lambda: actions.drop(case=case, by=story.rita, now=late, reason="ill"),
        "extend": extend,
        "end": lambda: rungs.end_past(now=late),
    }
    came = of_each(RUNG_STATES, Rung.objects.filter(pk=rung.pk), moves[move])
    assert came == RUNGS[move]


# --- offers --------------------------------------------------------------------------------------

SETTLED: dict[str, Came] = {
    state: f"This was settled before: {state}." for state in OFFER_STATES if state != "open"
}
STAYS: dict[str, Came] = {state: [state] for state in OFFER_STATES}
AGAIN: dict[str, Came] = {state: [state, "open"] for state in OFFER_STATES}
REFUSED = "Nora refused svc-report on 2026-11-24 (): ask somebody else."
OFFERS: dict[str, dict[str, Came]] = {
    "accept": SETTLED | {"open": ["accepted"]},
    "decline": SETTLED | {"open": ["declined"]},
    "pass on": SETTLED | {"open": ["passed", "open"]},
    "withdraw": SETTLED | {"open": ["withdrawn"]},
    "lapse": STAYS | {"open": ["over"]},
    "ask again": AGAIN
    | {
        "open": "Nora is asked about svc-report already: wait for the answer, or take the question"
        " back.",
        "declined": REFUSED,
        "passed": REFUSED,
    },
}


@pytest.mark.parametrize("move", OFFERS)
def test_an_offer_in_each_state(story: Told, move: str) -> None:
    nora = make_user("nora", "owner")
    make_user("omar", "owner")
    ask: dict[str, Any] = {"how": "hand_over", "reason": "new team", "by": story.ines}
    row = offers.offer(identity=story.identity, to="nora", now=NOW - HOUR, **ask)
    OwnerOffer.objects.update(settled_at=NOW)
    later: datetime = row.deadline_at + timedelta(seconds=1)
    # Only the time in which it was in hand, and could be answered, counts.
    Notice.objects.update(sent_at=NOW - HOUR)
    Heartbeat.objects.create(since=NOW - HOUR, until=later)

    def decline(to: str) -> object:
        return offers.decline(offer=row, reason="no", ask=to, by=nora, now=NOW)

    moves: dict[str, Callable[[], object]] = {
        "accept": lambda: offers.accept(offer=row, by=nora, now=NOW),
        "decline": lambda: decline(""),
        "pass on": lambda: decline("omar"),
        "withdraw": lambda: offers.withdraw(offer=row, by=story.ines, now=NOW),
        "lapse": lambda: offers.lapse_next(now=later),
        "ask again": lambda: offers.offer(identity=story.identity, to="nora", now=NOW, **ask),
    }
    came = of_each(OFFER_STATES, OwnerOffer.objects.all(), moves[move])
    assert came == OFFERS[move]


# --- automatic holds -----------------------------------------------------------------------------

NOTHING = "AH-1 holds nothing now."
HOLDS: dict[str, dict[str, Came]] = {
    "release": {"asked": NOTHING, "held": ["released"], "released": NOTHING, "final": NOTHING},
    "make final": {
        "asked": ["asked"],
        "held": ["final"],
        "released": ["released"],
        "final": ["final"],
    },
}


@pytest.mark.parametrize("move", HOLDS)
def test_an_automatic_hold_in_each_state(story: Told, move: str) -> None:
    ruled(story)
    behaves()
    sweep()
    AutomaticHold.objects.update(number=1, settled_at=LATER, settled_reason="x")
    hold = AutomaticHold.objects.get()
    said: dict[str, Any] = {
        "finding_was": "false",
        "reason": "x",
        "by": story.ines,
        "now": LATER,
    }
    if move == "make final":
        Item.objects.filter(pk=hold.item_id).update(outcome="revoke", carried_out_at=LATER)
    moves: dict[str, Callable[[], object]] = {
        "release": lambda: settling.release(hold=hold, **said),
        "make final": lambda: settling.follow_next(now=LATER),
    }
    assert of_each(HOLD_STATES, AutomaticHold.objects.all(), moves[move]) == HOLDS[move]
