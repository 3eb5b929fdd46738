"""Steps over all reviews of a campaign: in parts, one after the other, killed and repeated."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from evidence.models import LedgerEntry
from identities.models import User
from identities.permissions import NotAllowed
from reviews import actions
from reviews.campaigns import launching, rows, steering, steps
from reviews.models import Campaign, CampaignStep, Case, Heartbeat, Notice, Rung

from . import crowd
from .conftest import DAY, HOUR, NOW, make_user
from .test_campaign_steering import worked
from .test_campaigns import launched, prepared

pytestmark = pytest.mark.django_db
LATER = NOW + DAY


@pytest.fixture
def rita(db: None) -> User:
    return make_user("rita", "reviewer")


@pytest.fixture
def campaign(rita: User, monkeypatch: pytest.MonkeyPatch) -> Campaign:
    """Of seven identities whose owners are three, looked at three at a time."""
    monkeypatch.setattr(steps, "PART", 3)
    crowd.identities(7, owners=crowd.people(3), of=[])
    return launched(rita)


def extended(campaign: Campaign, by: User) -> Campaign:
    return steering.extend(
        campaign=campaign, to=NOW + 10 * DAY, by=by, now=LATER, reason="holidays"
    )


def deadlines() -> list[timedelta]:
    return [at - NOW for at in Case.objects.order_by("pk").values_list("deadline_at", flat=True)]


def test_act_answers_before_any_review_is_touched(rita: User, campaign: Campaign) -> None:
    extended(campaign, rita)
    assert deadlines() == [7 * DAY] * 7
    campaign.refresh_from_db()
    assert (campaign.deadline_at, campaign.moving) == (NOW + 10 * DAY, True)
    # Two whole parts, and one of what is left.
    assert worked(now=LATER) == 3
    campaign.refresh_from_db()
    assert (deadlines(), campaign.moving) == ([10 * DAY] * 7, False)
    step = CampaignStep.objects.get()
    assert (step.done, step.reviews, step.ended_at) == (7, 7, LATER)
    said = LedgerEntry.objects.get(act="campaign.moved")
    assert said.words == "7 deadlines of Yearly moved by 72 h 0 min"


def test_act_asks_the_same_of_the_database_for_few_and_many(rita: User) -> None:
    owners = crowd.people(2)

    def queries(count: int) -> list[int]:
        crowd.identities(count, owners=owners, of=[], name=f"of{count}")
        campaign = launched(rita, name=str(count))
        found = []
        for act in (
            lambda: steering.reiterate(campaign=campaign, by=rita, now=LATER, reason="x"),
            lambda: steering.pause(campaign=campaign, by=rita, now=LATER, reason="x"),
            lambda: steering.resume(campaign=campaign, by=rita, now=LATER, reason="x"),
            lambda: extended(campaign, rita),
            lambda: steering.close(campaign=campaign, by=rita, now=LATER, reason="x"),
        ):
            with CaptureQueriesContext(connection) as asked:
                act()
            found.append(len(asked))
            worked(now=LATER)
        return found

    assert queries(1) == queries(30)


def test_step_killed_in_the_middle_goes_on_where_it_was(
    rita: User, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    extended(campaign, rita)
    assert steps.next_part(now=LATER)
    with monkeypatch.context() as killed:
        # Dies after the deadlines of the part are moved and before it is committed.
        killed.setattr(CampaignStep, "save", _die)
        with pytest.raises(KeyboardInterrupt):
            steps.next_part(now=LATER)
    assert deadlines() == [10 * DAY] * 3 + [7 * DAY] * 4
    worked(now=LATER)
    assert deadlines() == [10 * DAY] * 7
    assert set(Rung.objects.filter(does="due").values_list("at", flat=True)) == {NOW + 10 * DAY}


def _die(*args: Any, **kwargs: Any) -> None:
    raise KeyboardInterrupt


def test_no_rung_is_climbed_before_every_deadline_is_moved(rita: User, campaign: Campaign) -> None:
    Heartbeat.objects.create(since=NOW - DAY, until=NOW + 30 * DAY)
    Notice.objects.update(sent_at=NOW)
    just_in_time = NOW + 7 * DAY - HOUR
    steering.extend(campaign=campaign, to=NOW + 10 * DAY, by=rita, now=just_in_time, reason="x")
    late = NOW + 7 * DAY + HOUR
    assert (actions.remind_due(now=late), actions.deadlines_next(now=late)) == (0, False)
    worked(now=late)
    assert actions.deadlines_next(now=late) is False
    assert actions.deadlines_next(now=NOW + 10 * DAY + HOUR) is True
    assert Case.objects.filter(silence_done_at=None).count() == 0


def test_asking_again_gathers_over_its_parts(rita: User, campaign: Campaign) -> None:
    steering.reiterate(campaign=campaign, by=rita, now=LATER, reason="late")
    assert steps.next_part(now=LATER)
    assert sum(CampaignStep.objects.get().found.values()) == 3
    worked(now=LATER)
    told = Notice.objects.filter(occasion__contains="asked again").order_by("person__name")
    assert [one.body.split(" for your")[0] for one in told] == [
        "Yearly asks you again about access. 3 reviews wait",
        "Yearly asks you again about access. 2 reviews wait",
        "Yearly asks you again about access. 2 reviews wait",
    ]


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("why_not_pause", "is being extended, 3 of 7 reviews are done: wait for the rest."),
        ("why_not_extend", "is being extended, 3 of 7 reviews are done: wait for the rest."),
        ("why_not_reiterate", "is being extended, 3 of 7 reviews are done: wait for the rest."),
        ("why_not_close", "is being extended, 3 of 7 reviews are done: wait for the rest."),
    ],
)
def test_one_step_after_the_other(rita: User, campaign: Campaign, verb: str, words: str) -> None:
    extended(campaign, rita)
    steps.next_part(now=LATER)
    assert getattr(rows, verb)(rita, Campaign.objects.get()) == f"{campaign.key} {words}"
    with pytest.raises(NotAllowed, match="wait for the rest"):
        extended(campaign, rita)
    worked(now=LATER)
    assert getattr(rows, verb)(rita, Campaign.objects.get()) is None


def test_two_steps_at_once_cannot_be(rita: User, campaign: Campaign) -> None:
    extended(campaign, rita)
    with pytest.raises(IntegrityError), transaction.atomic():
        steps.begin(campaign, "reiterate", by=rita, now=LATER, reason="x")


def test_resumed_campaign_stands_still_until_all_are_moved(rita: User, campaign: Campaign) -> None:
    steering.pause(campaign=campaign, by=rita, now=NOW, reason="freeze")
    steering.resume(campaign=campaign, by=rita, now=LATER, reason="thaw")
    states = []
    while steps.next_part(now=LATER):
        states.append(Campaign.objects.values_list("state", flat=True).get())
    assert states == ["paused", "paused", "running"]
    assert deadlines() == [8 * DAY] * 7


def test_review_of_a_closed_campaign_joins_no_other_before_it_is_moved(
    rita: User, campaign: Campaign
) -> None:
    steering.pause(campaign=campaign, by=rita, now=NOW, reason="freeze")
    steering.close(campaign=campaign, by=rita, now=LATER, reason="enough")
    again = launching.launch(campaign=prepared(rita, name="Again"), by=rita, now=LATER, reason="go")
    launching.launch_next(now=LATER)
    assert (again.cases.count(), campaign.cases.count()) == (0, 7)
    worked(now=LATER)
    assert deadlines() == [8 * DAY] * 7
