"""The end of a ladder nobody answered, and rungs that were held together: frozen moments."""

from collections.abc import Callable
from typing import Any

import pytest

from identities.models import Identity
from reviews import actions
from reviews.models import Case, Rung

from .conftest import HOUR, NOW, Told, item_of
from .test_rungs import at, everything_until, opened, state

pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]
LADDER = [("narrow", 216), ("suspend", 264), ("revoke", 360)]


def carried(hours: float) -> None:
    everything_until(at(hours))
    while actions.carry_out_next(now=at(hours)):
        pass


def test_the_last_rung_of_silence_makes_nothing_work_again(story: Told) -> None:
    case = opened(story, LADDER)
    for hours in (168.1, 216.1, 264.1):
        carried(hours)
    assert state(story) == "suspended"
    carried(360.1)
    carried(361)
    case.refresh_from_db()
    kinds = {one.kind: one.outcome for one in case.items.all()}
    assert (case.state, kinds) == (
        "carrying_out",
        {"delegation": "narrow", "credential": "revoke"},
    )
    assert state(story) == "suspended"


def test_one_seat_alone_makes_nothing_work_again(story: Told, sign: Sign) -> None:
    case = opened(story, LADDER)
    for hours in (168.1, 216.1, 264.1):
        carried(hours)
    sign(case, "credential", story.ines, "keep", now=at(265))
    carried(360.1)
    carried(361)
    assert (Case.objects.get().state, state(story)) == ("carrying_out", "suspended")


def test_what_both_seats_keep_works_again(story: Told, sign: Sign) -> None:
    case = opened(story, LADDER)
    for hours in (168.1, 216.1, 264.1):
        carried(hours)
    sign(case, "credential", story.ines, "keep", now=at(265))
    sign(case, "credential", story.samuel, "keep", seat="ai_owner", now=at(265))
    carried(266)
    assert (item_of(case, "credential").outcome, state(story)) == ("keep", "active")


def held(story: Told) -> Case:
    """All three rungs came due while nobody could have answered, and wait for a person."""
    case = opened(story, LADDER)
    Rung.objects.filter(case=case, does__in=["narrow", "suspend", "revoke"]).update(
        state="held", held_at=at(400), held_why="Countersign was away"
    )
    return case


def due(case: Case) -> dict[str, float]:
    rows = Rung.objects.filter(case=case, does__in=["narrow", "suspend", "revoke"])
    return {one.does: (one.at - NOW) / HOUR for one in rows}


def test_rungs_released_together_keep_their_distance(story: Told) -> None:
    case = held(story)
    actions.release(case=case, by=story.rita, now=at(700), reason="looked at")
    assert due(case) == {"narrow": 700, "suspend": 748, "revoke": 844}
    assert Identity.objects.get().state == "active"


def test_rungs_released_in_any_order_keep_their_distance(story: Told) -> None:
    case = held(story)
    rung = dict(Rung.objects.filter(case=case).values_list("does", "pk"))
    for does in ("suspend", "narrow", "revoke"):
        actions.release(
            case=case, by=story.rita, now=at(700), reason="looked at", rungs=[rung[does]]
        )
    assert due(case) == {"narrow": 700, "suspend": 748, "revoke": 844}
