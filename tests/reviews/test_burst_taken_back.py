"""A burst that is taken back within its seconds leaves nothing for somebody else to look at."""

import pytest

from evidence.models import LedgerEntry
from reviews import actions
from reviews.actions import tell_provisional_next
from reviews.models import Case, Decision, Notice, Provisional

from .conftest import HOUR, NOW, Told, seat_of
from .hurry import SECOND, answer, kept, lines

pytestmark = pytest.mark.django_db


@pytest.fixture
def hurried(story: Told, case: Case) -> list[Decision]:
    """Two signed answers of a burst of fifty, whose other 48 are not standing any more."""
    kept(case, story.ines, 48, at=NOW + 10 * SECOND)
    rows = [answer(case, one, story.ines, now=NOW + 20 * SECOND) for one in lines(case, 2)]
    assert Provisional.objects.get().settled_at is None
    Decision.objects.exclude(pk__in=[one.pk for one in rows]).update(superseded_at=NOW)
    return rows


def mark() -> tuple[str, bool]:
    row = Provisional.objects.get()
    return row.how, row.settled_at is not None


def test_undoing_the_last_of_them_settles_the_mark(
    story: Told, case: Case, hurried: list[Decision]
) -> None:
    first, second = hurried
    actions.undo(case=case, item=first.item, by=story.ines, now=NOW + 21 * SECOND)
    assert mark() == ("", False)
    actions.undo(case=case, item=second.item, by=story.ines, now=NOW + 22 * SECOND)
    assert mark() == ("taken_back", True)
    # Nobody had heard of it, and nobody does.
    before = Notice.objects.count()
    while tell_provisional_next(now=NOW + 30 * SECOND):
        pass
    assert Notice.objects.count() == before
    assert not LedgerEntry.objects.filter(act="case.provisional").exists()


def test_a_stop_in_place_of_the_last_of_them_settles_it_too(
    story: Told, case: Case, hurried: list[Decision]
) -> None:
    while tell_provisional_next(now=NOW + 30 * SECOND):
        pass
    for row in hurried:
        assert mark() == ("", False)
        answer(case, row.item, story.ines, "dont_know", now=NOW + HOUR)
    assert mark() == ("taken_back", True)
    # What the ledger said waits, it says is over.
    acts = ("case.provisional", "case.taken_back")
    said = LedgerEntry.objects.filter(act__in=acts).order_by("recorded_at", "pk")
    assert tuple(said.values_list("act", flat=True)) == acts


def test_keeping_it_again_is_no_second_look(
    story: Told, case: Case, hurried: list[Decision]
) -> None:
    """What a burst let in is not cleared by who gave it."""
    for row, said in zip(hurried, ("keep", "dont_know"), strict=True):
        answer(case, row.item, story.ines, said, now=NOW + HOUR)
    assert mark() == ("", False)


def test_what_another_takes_back_settles_no_mark_of_the_hurry(
    story: Told, case: Case, hurried: list[Decision]
) -> None:
    hers = [row.item for row in hurried]
    for item in hers:
        answer(
            case, item, story.samuel, "dont_know", now=NOW + HOUR, seat=seat_of(case, "ai_owner")
        )
    assert mark() == ("", False)
