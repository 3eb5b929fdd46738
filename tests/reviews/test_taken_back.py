"""Taking back a changed answer: what it had changed stands again, and what follows from it."""

from collections.abc import Callable
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.permissions import NotAllowed
from reviews import actions
from reviews.models import Case

from .conftest import HOUR, NOW, Told, item_of

pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]
LATER = NOW + HOUR


def stands(case: Case) -> list[tuple[str, str]]:
    rows = item_of(case, "credential").decisions.filter(superseded_at__isnull=True)
    return sorted((one.by.username, one.answer) for one in rows)


def undo(case: Case, story: Told) -> None:
    actions.undo(case=case, item=item_of(case, "credential"), by=story.ines, now=LATER)


def test_undo_of_a_changed_answer_brings_back_what_stood(
    case: Case, story: Told, sign: Sign
) -> None:
    sign(case, "credential", story.ines, "keep")
    sign(case, "credential", story.ines, "dont_know", now=LATER)
    undo(case, story)
    assert stands(case) == [("ines", "keep")]
    said = LedgerEntry.objects.get(act="item.undone")
    assert said.words.endswith("; keep stands again")
    assert said.data["stands"] == str(
        item_of(case, "credential").decisions.get(superseded_at=None).pk
    )
    # It had gone out long before: it is changed by answering, not taken back.
    with pytest.raises(NotAllowed):
        undo(case, story)


def test_undo_of_a_first_answer_leaves_none(case: Case, story: Told, sign: Sign) -> None:
    sign(case, "credential", story.ines, "keep", now=LATER)
    undo(case, story)
    assert stands(case) == []
    assert LedgerEntry.objects.get(act="item.undone").words.endswith(
        "took back keep on Credential AKIA…0001"
    )


def test_what_stands_again_decides_the_case_with_what_others_said(
    case: Case, story: Told, sign: Sign
) -> None:
    sign(case, "delegation", story.ines, "keep")
    sign(case, "delegation", story.samuel, "keep", seat="ai_owner")
    sign(case, "credential", story.ines, "keep")
    sign(case, "credential", story.ines, "dont_know", now=LATER)
    sign(case, "credential", story.samuel, "keep", seat="ai_owner", now=LATER)
    assert Case.objects.get(pk=case.pk).state == "open"
    undo(case, story)
    assert (item_of(case, "credential").outcome, Case.objects.get(pk=case.pk).state) == (
        "keep",
        "decided",
    )
