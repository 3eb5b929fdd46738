"""Questions of ownership count only time in which they had reached somebody and we were at work."""

from datetime import datetime, timedelta

import pytest

from evidence.models import LedgerEntry
from identities.models import User
from reviews.actions import offers
from reviews.models import Heartbeat, Notice, OwnerOffer, SuccessionItem

from .conftest import DAY, HOUR, NOW, Told, make_user, person_of
from .owning import sweep

pytestmark = pytest.mark.django_db
WEEK = 7 * DAY


def at_work(*stretches: tuple[datetime, datetime]) -> None:
    Heartbeat.objects.all().delete()
    Heartbeat.objects.bulk_create(Heartbeat(since=begins, until=ends) for begins, ends in stretches)


def sent(at: datetime) -> None:
    Notice.objects.filter(sent_at__isnull=True).update(sent_at=at)


def offered(story: Told) -> OwnerOffer:
    make_user("nora", "owner")
    return offers.offer(
        identity=story.identity, to="nora", how="hand_over", reason="x", by=story.ines, now=NOW
    )


def asked(story: Told, user: User) -> SuccessionItem:
    person = person_of(user)
    person.left_at = NOW - HOUR
    person.save()
    sweep(NOW)
    row = SuccessionItem.objects.get(role="owner")
    assert (str(row.heir), row.deadline_at) == ("Marek", NOW + WEEK)
    return row


@pytest.mark.parametrize("delivered", [None, timedelta(days=3)], ids=["never", "late"])
def test_an_offer_does_not_lapse_before_it_was_in_hand_for_its_time(
    story: Told, delivered: timedelta | None
) -> None:
    row = offered(story)
    at_work((NOW - DAY, NOW + 30 * DAY))
    if delivered is not None:
        sent(NOW + delivered)
    sweep(NOW + WEEK)
    row.refresh_from_db()
    # Never in hand: all of its time is left. Late: what was lost is added.
    due = NOW + WEEK + (WEEK if delivered is None else delivered)
    assert (row.state, row.deadline_at) == ("open", due)
    if delivered is None:
        sent(NOW + WEEK + DAY)
        sweep(due)
        row.refresh_from_db()
        assert (row.state, row.deadline_at) == ("open", due + DAY)
        due += DAY
    assert sweep(due - HOUR) == 0
    sweep(due)
    row.refresh_from_db()
    assert (row.state, LedgerEntry.objects.get(act="owner.over").at) == ("over", due)


def test_an_offer_does_not_lapse_while_nobody_could_answer_it(story: Told) -> None:
    row = offered(story)
    sent(NOW)
    at_work((NOW - DAY, NOW + HOUR), (NOW + 8 * DAY, NOW + 40 * DAY))
    sweep(NOW + 8 * DAY)
    row.refresh_from_db()
    due = NOW + 8 * DAY + WEEK - HOUR
    assert (row.state, row.deadline_at) == ("open", due)
    sweep(due)
    row.refresh_from_db()
    assert row.state == "over"


def test_a_succession_does_not_pass_on_while_nobody_could_answer_it(story: Told) -> None:
    row = asked(story, story.ines)
    sent(NOW)
    at_work((NOW - DAY, NOW + HOUR), (NOW + 9 * DAY, NOW + 40 * DAY))
    sweep(NOW + 9 * DAY)
    row.refresh_from_db()
    due = NOW + 9 * DAY + WEEK - HOUR
    assert (str(row.heir), row.deadline_at) == ("Marek", due)
    sweep(due)
    row.refresh_from_db()
    entry = LedgerEntry.objects.get(act="succession.passed_on")
    assert (str(row.heir), entry.at) == ("Leila", due)


def test_each_heir_has_the_whole_time(story: Told) -> None:
    """What passes on begins anew: the word to the one before does not count for the next."""
    row = asked(story, story.ines)
    sent(NOW)
    at_work((NOW - DAY, NOW + 90 * DAY))
    sweep(NOW + WEEK)
    row.refresh_from_db()
    assert (str(row.heir), row.deadline_at) == ("Leila", NOW + 2 * WEEK)
    sent(NOW + WEEK + 2 * DAY)
    sweep(NOW + 2 * WEEK)
    row.refresh_from_db()
    assert (str(row.heir), row.deadline_at) == ("Leila", NOW + 2 * WEEK + 2 * DAY)
    sweep(NOW + 2 * WEEK + 2 * DAY)
    row.refresh_from_db()
    assert row.state == "unowned"
