"""The claim wave with two at once: one answer to a question, one carrying out, one question each."""

from typing import Any

import pytest
from django.db import transaction

from evidence.models import LedgerEntry
from identities.claims import answering, asking, carrying, proposing
from identities.models import Claim, ClaimAnswer, Identity
from tests.identities.claimed import SOON, carried, crm, owners, team, unowned
from tests.identities.conftest import DAY, NOW
from tests.reviews.test_races import together

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["crm", "team", "unowned"]


def test_two_answers_to_one_question_are_one(crm: dict[str, Any]) -> None:
    found = together(
        lambda: answering.yes(**crm["about"]),
        lambda: answering.not_mine(**crm["about"], reason="no"),
    )
    assert sorted(type(one).__name__ for one in found) == ["ClaimAnswer", "NotPossible"]
    answer = ClaimAnswer.objects.get()
    assert set(Claim.objects.values_list("answer", "state")) == {(answer.pk, "answered")}


def test_two_workers_carry_an_answer_out_once(crm: dict[str, Any]) -> None:
    answering.yes(**crm["about"])
    found = together(lambda: carrying.carry_next(now=SOON), lambda: carrying.carry_next(now=SOON))
    assert sorted(found) == [False, True]
    assert len(owners()) == LedgerEntry.objects.filter(act="identity.owned").count() == 3


def test_undo_and_carrying_out_exclude_each_other(crm: dict[str, Any]) -> None:
    answer = answering.yes(**crm["about"])
    together(
        lambda: carrying.carry_next(now=SOON),
        lambda: answering.undo(answer=answer, by=crm["pia"], now=NOW),
    )
    answer.refresh_from_db()
    assert (answer.undone_at is None) != (answer.carried_at is None)
    assert len(owners()) == (3 if answer.carried_at else 0)


def test_two_sweeps_ask_about_everything_once(crm: dict[str, Any]) -> None:
    Claim.objects.all().delete()
    together(lambda: proposing.look_next(now=NOW), lambda: proposing.new_next(now=NOW))
    assert Claim.objects.count() == Identity.objects.count()
    late = NOW + 15 * DAY
    asking.ask_next(now=NOW)
    together(lambda: asking.pass_silent(now=late), lambda: asking.pass_silent(now=late))
    assert set(Claim.objects.values_list("passed", "step")) == {(1, "sponsor")}


def test_worker_that_died_leaves_the_answer_due(crm: dict[str, Any]) -> None:
    answering.yes(**crm["about"])
    with transaction.atomic():
        assert carrying.carry_next(now=SOON)
        transaction.set_rollback(True)
    assert owners() == {}
    carried()
    assert len(owners()) == 3
