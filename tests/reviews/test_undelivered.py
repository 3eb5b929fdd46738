"""Questions of ownership that reach nobody: over after twice their time, and somebody is told."""

import pytest

from evidence.models import LedgerEntry
from identities.models import User
from reviews.models import Case, Notice, SuccessionItem

from .conftest import DAY, HOUR, NOW, Told, make_user, person_of
from .owning import sweep
from .test_owning_clock import WEEK, asked, at_work, offered, sent

pytestmark = pytest.mark.django_db


def subjects(user: User) -> list[str]:
    rows = Notice.objects.filter(person=user.person).order_by("created_at")
    return list(rows.values_list("subject", flat=True))


def test_an_offer_that_is_never_delivered_is_over_and_those_above_are_told(story: Told) -> None:
    row = offered(story)
    at_work((NOW - DAY, NOW + 60 * DAY))
    for days in range(1, 14):
        sweep(NOW + days * DAY)
        row.refresh_from_db()
        assert row.state == "open"
    assert sweep(NOW + 2 * WEEK - HOUR) == 0
    sweep(NOW + 2 * WEEK)
    row.refresh_from_db()
    assert (row.state, row.settled_reason) == ("over", "the question reached nobody")
    assert LedgerEntry.objects.get(act="owner.over").at == NOW + 2 * WEEK
    story.identity.refresh_from_db()
    assert str(story.identity.owner) == "Ines"
    assert subjects(story.ines) == [f"{story.identity.key}: nobody answered"]
    assert subjects(story.rita) == [f"{story.identity.key}: a question reached nobody"]
    assert sweep(NOW + 3 * WEEK) == 0


def test_time_without_countersign_is_no_time_in_which_it_could_be_delivered(story: Told) -> None:
    row = offered(story)
    at_work((NOW - DAY, NOW + HOUR), (NOW + 20 * DAY, NOW + 80 * DAY))
    sweep(NOW + 20 * DAY)
    row.refresh_from_db()
    assert row.state == "open"
    ends = NOW + 20 * DAY + 2 * WEEK - HOUR
    sweep(NOW + 20 * DAY + WEEK)
    sweep(ends - HOUR)
    row.refresh_from_db()
    assert (row.state, row.deadline_at) == ("open", ends)
    sweep(ends)
    row.refresh_from_db()
    assert row.state == "over"


def test_delivered_late_it_still_has_its_whole_time(story: Told) -> None:
    row = offered(story)
    at_work((NOW - DAY, NOW + 60 * DAY))
    sweep(NOW + WEEK)
    sent(NOW + 13 * DAY)
    sweep(NOW + 2 * WEEK)
    row.refresh_from_db()
    assert (row.state, row.deadline_at) == ("open", NOW + 20 * DAY)


def test_a_succession_goes_through_its_heirs_and_ends_in_a_review(story: Told) -> None:
    """No mail is delivered at all: each heir has twice the time, then nobody is left."""
    row = asked(story, story.ines)
    at_work((NOW - DAY, NOW + 90 * DAY))
    sweep(NOW + WEEK)
    row.refresh_from_db()
    assert (str(row.heir), row.deadline_at) == ("Marek", NOW + 2 * WEEK)
    sweep(NOW + 2 * WEEK)
    row.refresh_from_db()
    assert str(row.heir) == "Leila"
    entry = LedgerEntry.objects.get(act="succession.passed_on")
    assert "goes on from Marek: the question reached nobody" in entry.words
    assert f"{row.succession.key}: a question reached nobody" in subjects(story.rita)
    sweep(NOW + 3 * WEEK)
    sweep(NOW + 4 * WEEK)
    row = SuccessionItem.objects.get(pk=row.pk)
    assert row.state == "unowned"
    assert row.case is not None
    case = Case.objects.get(pk=row.case)
    assert (case.state, case.identity) == ("open", story.identity)


def test_whoever_was_never_told_keeps_nothing_open(story: Told) -> None:
    """The team that is asked has nobody in it any more who was told of it."""
    row = offered(story)
    nora = person_of(User.objects.get(username="nora"))
    Notice.objects.filter(person=nora).delete()
    make_user("other", "owner")
    at_work((NOW - DAY, NOW + 60 * DAY))
    sweep(NOW + WEEK)
    sweep(NOW + 2 * WEEK)
    row.refresh_from_db()
    assert row.state == "over"
