"""Answering planted items: judged like real ones, kept beside them, taken back within seconds."""

from datetime import timedelta
from typing import Any

import pytest

from identities.models import User
from identities.permissions import NotAllowed, NotPossible
from reviews import actions
from reviews.actions import planted_answers
from reviews.models import Case, Decision, PlantedAnswer, PlantedItem, Seat
from reviews.planted_permissions import why_not_answer

from .conftest import HOUR, NOW, make_user, party, person_of
from .plants import answer, moment, olga, only, plant, rita

__all__ = ["moment", "olga", "plant", "rita"]
pytestmark = pytest.mark.django_db


def test_answer_is_kept_beside_the_decisions(plant: PlantedItem, olga: User) -> None:
    row = answer(plant, olga, "keep")
    assert (row.answer, row.item.outcome, row.not_before - NOW) == (
        "keep",
        "keep",
        timedelta(seconds=8),
    )
    again = answer(plant, olga, "revoke", now=NOW + HOUR)
    assert again.item.outcome == "revoke"
    stands = PlantedAnswer.objects.get(superseded_at=None)
    assert (stands.answer, stands.person, PlantedAnswer.objects.count()) == (
        "revoke",
        person_of(olga),
        2,
    )
    assert Decision.objects.count() == 0


def test_answer_is_judged_like_one_on_a_real_item(plant: PlantedItem, olga: User) -> None:
    with pytest.raises(NotPossible, match="is no answer to a"):
        answer(plant, olga, "approve")
    with pytest.raises(NotPossible, match="read it and decide again"):
        answer(plant, olga, version=99)
    with pytest.raises(NotPossible, match="Say why"):
        answer(plant, olga, reason=" ")


def test_what_a_narrowing_leaves_has_to_narrow(plant: PlantedItem, olga: User) -> None:
    PlantedItem.objects.update(
        kind="delegation",
        title="Delegation DLG-900",
        proposal={"actions": ["s3:GetObject"], "resources": ["invoices/*"]},
        snapshot={"unseen": ["s3:PutObject"]},
    )
    row = only()
    with pytest.raises(NotPossible, match="This is wider than DLG-900: s3:DeleteObject"):
        answer(
            row,
            olga,
            "narrow",
            proposal={"actions": ["s3:DeleteObject"], "resources": ["invoices/*"]},
        )
    answer(row, olga, "narrow")
    assert PlantedAnswer.objects.get().proposal["actions"] == ["s3:GetObject"]


def undo(row: PlantedItem, user: User, now: Any = NOW) -> None:
    case = Case.objects.get(pk=row.case_id)
    actions.undo(case=case, item=planted_answers.as_item(row, case), by=user, now=now)


def test_answer_is_taken_back_within_seconds(plant: PlantedItem, olga: User, rita: User) -> None:
    answer(plant, olga, "keep")
    with pytest.raises(NotAllowed, match="You have no answer on this item to take back"):
        undo(plant, rita)
    with pytest.raises(NotAllowed, match="Its 8 seconds to be taken back are over: answer again"):
        undo(plant, olga, NOW + HOUR)
    undo(plant, olga)
    assert not PlantedAnswer.objects.filter(superseded_at=None).exists()
    answer(plant, olga, "keep")
    Case.objects.filter(pk=plant.case_id).update(state="closed")
    with pytest.raises(NotAllowed, match="is closed: it has gone out"):
        undo(plant, olga)


def _second_seat(row: PlantedItem, olga: User) -> None:
    seat = Seat.objects.create(case=row.case, kind="second", party=party(olga), position=7)
    PlantedAnswer.objects.create(
        item=row,
        seat=seat,
        answer="keep",
        reason="x",
        by=olga,
        person=person_of(olga),
        at=NOW,
        not_before=NOW,
    )


@pytest.mark.parametrize(
    ("who", "change", "why"),
    [
        ("olga", lambda _row, _olga: None, None),
        ("nora", lambda _row, _olga: None, "The seat of the identity owner belongs to Olga"),
        ("otto", lambda _row, _olga: None, "auditors read everything and change nothing"),
        (
            "olga",
            lambda row, _: Case.objects.filter(pk=row.case_id).update(state="decided"),
            "is decided: nothing can be answered in it now",
        ),
        (
            "olga",
            lambda _row, _: PlantedItem.objects.update(disclosed_at=NOW),
            "This item was planted and is disclosed",
        ),
        (
            "olga",
            lambda row, _: row.case.seats.filter(position=0).update(kind="closer"),
            "The closer answers conflicts only",
        ),
        ("olga", _second_seat, "You sign as second approver in this case"),
    ],
)
def test_who_may_answer(
    plant: PlantedItem, olga: User, who: str, change: Any, why: str | None
) -> None:
    users = {"olga": olga, "nora": make_user("nora", "owner"), "otto": make_user("otto", "auditor")}
    change(plant, olga)
    case = Case.objects.get(pk=plant.case_id)
    seat = case.seats.order_by("position")[0]
    found = why_not_answer(users[who], case, seat, only(), now=NOW)
    assert (found is None) is (why is None)
    assert why is None or why in str(found)
