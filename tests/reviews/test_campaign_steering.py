"""A campaign that runs: its pause is nobody's silence, more time, asking again, the end."""

from datetime import timedelta
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.permissions import NotAllowed, NotPossible
from reviews import actions, policies
from reviews.actions import clock
from reviews.campaigns import launching, steering, steps
from reviews.models import Campaign, CampaignIdentity, CampaignPause, Case, Notice, Rung
from tests import once

from . import crowd
from .conftest import DAY, HOUR, NOW, Told, everything_counts, make_user
from .test_campaigns import launched, prepared

pytestmark = pytest.mark.django_db


@pytest.fixture
@once.told
def campaign(story: Told) -> Campaign:
    """Launched for the story's identity; everybody was told at once, and we are at work."""
    row = launched(story.rita)
    everything_counts(Case.objects.get(), until=NOW + 30 * DAY)
    Notice.objects.update(sent_at=NOW)
    return row


def worked(*, now: Any = NOW) -> int:
    """The worker does all that waits; in how many parts."""
    parts = 0
    while steps.next_part(now=now):
        parts += 1
    return parts


def silence_at(now: Any) -> bool:
    """Whether the sweep of deadlines does what silence does at this moment."""
    while actions.deadlines_next(now=now):
        pass
    return Case.objects.get().silence_done_at is not None


def test_notice_of_the_campaign_reaches_its_seats(campaign: Campaign) -> None:
    Notice.objects.update(sent_at=NOW + HOUR)
    case = Case.objects.get()
    assert clock.read(case, now=NOW + DAY).clock.since == NOW + HOUR
    Notice.objects.update(sent_at=None)
    assert clock.read(case, now=NOW + DAY).clock.since is None


def test_pause_stops_reminders_and_deadlines(story: Told, campaign: Campaign) -> None:
    steering.pause(campaign=campaign, by=story.rita, now=NOW + DAY, reason="freeze")
    told = Notice.objects.count()
    assert silence_at(NOW + 20 * DAY) is False
    assert actions.remind_due(now=NOW + 20 * DAY) == 0
    assert Notice.objects.count() == told


def test_pause_counts_as_nobodys_silence(story: Told, campaign: Campaign) -> None:
    steering.pause(campaign=campaign, by=story.rita, now=NOW + DAY, reason="freeze")
    case = Case.objects.get()
    # Six of the seven days are left, however long it stands still.
    assert clock.read(case, now=NOW + 10 * DAY).clock.due == NOW + 16 * DAY
    steering.resume(campaign=campaign, by=story.rita, now=NOW + 11 * DAY, reason="thaw")
    assert worked(now=NOW + 11 * DAY) == 1
    case.refresh_from_db()
    campaign.refresh_from_db()
    assert (case.deadline_at, case.not_counted) == (NOW + 17 * DAY, 10 * DAY)
    assert campaign.deadline_at == NOW + 17 * DAY
    assert Rung.objects.get(does="due").at == NOW + 17 * DAY
    assert clock.read(case, now=NOW + 12 * DAY).clock.due == NOW + 17 * DAY
    assert silence_at(NOW + 17 * DAY - HOUR) is False
    assert silence_at(NOW + 17 * DAY + HOUR) is True


def test_paused_reviews_can_still_be_answered(story: Told, campaign: Campaign, sign: Any) -> None:
    steering.pause(campaign=campaign, by=story.rita, now=NOW + DAY, reason="freeze")
    row = sign(Case.objects.get(), "credential", story.ines, "keep", now=NOW + 2 * DAY)
    assert row.answer == "keep"


def test_launch_stands_still_while_paused(story: Told) -> None:
    campaign = prepared(story.rita)
    launching.launch(campaign=campaign, by=story.rita, now=NOW, reason="go")
    steering.pause(campaign=campaign, by=story.rita, now=NOW, reason="wait")
    assert launching.launch_next(now=NOW) is False
    steering.resume(campaign=campaign, by=story.rita, now=NOW + HOUR, reason="go on")
    assert launching.launch_next(now=NOW + HOUR) is False
    worked(now=NOW + HOUR)
    assert launching.launch_next(now=NOW + HOUR) is True
    assert Case.objects.get().campaign == campaign


@pytest.mark.parametrize(
    ("at_work", "paused", "left"),
    [
        ([(0, 9)], [], [(0, 9)]),
        ([(0, 9)], [(2, 4)], [(0, 2), (4, 9)]),
        ([(0, 9)], [(0, 9)], []),
        ([(0, 3), (5, 9)], [(2, 6)], [(0, 2), (6, 9)]),
        ([(3, 5)], [(0, 3), (5, 8)], [(3, 5)]),
        ([(0, 9)], [(1, 2), (4, 5)], [(0, 1), (2, 4), (5, 9)]),
    ],
)
def test_stretches_without_pauses(at_work: Any, paused: Any, left: Any) -> None:
    def moments(pairs: Any) -> list[policies.Stretch]:
        return [(NOW + a * HOUR, NOW + b * HOUR) for a, b in pairs]

    assert policies.without(moments(at_work), moments(paused)) == moments(left)


def test_extend_moves_each_deadline_and_its_rungs(story: Told, campaign: Campaign) -> None:
    before = dict(Rung.objects.values_list("pk", "at"))
    steering.extend(
        campaign=campaign, to=NOW + 10 * DAY, by=story.rita, now=NOW + DAY, reason="holidays"
    )
    worked()
    case = Case.objects.get()
    assert case.deadline_at == NOW + 10 * DAY
    assert {
        pk: at - before[pk] for pk, at in Rung.objects.values_list("pk", "at")
    } == dict.fromkeys(before, 3 * DAY)
    assert silence_at(NOW + 8 * DAY) is False
    assert silence_at(NOW + 10 * DAY + HOUR) is True
    said = LedgerEntry.objects.get(act="campaign.extended")
    assert said.words.endswith("1 review: holidays")


@pytest.mark.parametrize("days", [-1, 3, 7, 400])
def test_extend_to_no_later_moment_is_refused(story: Told, campaign: Campaign, days: int) -> None:
    with pytest.raises(NotPossible):
        steering.extend(campaign=campaign, to=NOW + days * DAY, by=story.rita, now=NOW, reason="x")
    assert Case.objects.get().deadline_at == NOW + 7 * DAY


def test_reiterate_asks_only_those_who_have_not_answered(
    story: Told, campaign: Campaign, sign: Any
) -> None:
    case = Case.objects.get()
    for kind in ("delegation", "credential"):
        sign(case, kind, story.ines, "keep")
    later = NOW + 2 * DAY
    for now, told in ((later, 1), (later + HOUR, 0), (later + DAY, 1)):
        steering.reiterate(campaign=campaign, by=story.rita, now=now, reason="late")
        worked(now=now)
        assert campaign.steps.latest("pk").told == told
    again = Notice.objects.filter(occasion__contains="asked again").earliest("created_at")
    assert (again.person, again.campaign) == (story.samuel.person, campaign.pk)
    said = LedgerEntry.objects.filter(act="campaign.told").order_by("pk")
    assert [one.words for one in said][:2] == [
        "1 person was asked again in Yearly",
        "Nobody was asked again in Yearly: all have answered, or were asked that day",
    ]


def test_reiterate_without_open_reviews_is_refused(story: Told, campaign: Campaign) -> None:
    Case.objects.update(state="closed")
    with pytest.raises(NotPossible, match="no review of it is open"):
        steering.reiterate(campaign=campaign, by=story.rita, now=NOW, reason="late")
    assert not campaign.steps.exists()


def test_close_says_what_is_left_and_changes_no_review(
    story: Told, campaign: Campaign, sign: Any
) -> None:
    case = Case.objects.get()
    sign(case, "credential", story.ines, "keep")
    sign(case, "credential", story.samuel, "keep", seat="ai_owner")
    left = steering.close(campaign=campaign, by=story.rita, now=NOW + DAY, reason="enough")
    assert (left.decided, left.items, left.open_cases) == (1, 2, 1)
    case.refresh_from_db()
    campaign.refresh_from_db()
    assert (campaign.state, campaign.count_at) == ("closed", None)
    assert (case.state, case.deadline_at) == ("open", NOW + 7 * DAY)
    assert silence_at(NOW + 8 * DAY) is True


def test_close_while_paused_lets_the_clocks_go_on(story: Told, campaign: Campaign) -> None:
    steering.pause(campaign=campaign, by=story.rita, now=NOW + DAY, reason="freeze")
    steering.close(campaign=campaign, by=story.rita, now=NOW + 3 * DAY, reason="enough")
    worked(now=NOW + 3 * DAY)
    assert Case.objects.get().deadline_at == NOW + 9 * DAY
    assert not CampaignPause.objects.filter(until=None).exists()
    assert silence_at(NOW + 10 * DAY) is True


def test_close_while_launching_leaves_the_rest_unasked(
    story: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launching, "BATCH", 2)
    owners = crowd.people(2)
    crowd.identities(4, owners=owners, of=[])
    campaign = prepared(story.rita)
    launching.launch(campaign=campaign, by=story.rita, now=NOW, reason="go")
    launching.launch_next(now=NOW)
    steering.close(campaign=campaign, by=story.rita, now=NOW, reason="the wrong scope")
    assert launching.launch_next(now=NOW) is False
    rows = CampaignIdentity.objects.filter(campaign=campaign)
    assert (rows.filter(left_out=steering.STOPPED).count(), Case.objects.count()) == (3, 2)


def test_draft_is_closed_without_asking_anybody(story: Told) -> None:
    campaign = prepared(story.rita)
    steering.close(campaign=campaign, by=story.rita, now=NOW, reason="never mind")
    assert (Campaign.objects.get().state, Case.objects.count()) == ("closed", 0)


@pytest.mark.parametrize(
    "act",
    [
        lambda row, by: steering.pause(campaign=row, by=by, now=NOW, reason="x"),
        lambda row, by: steering.resume(campaign=row, by=by, now=NOW, reason="x"),
        lambda row, by: steering.extend(
            campaign=row, to=NOW + timedelta(days=30), by=by, now=NOW, reason="x"
        ),
        lambda row, by: steering.reiterate(campaign=row, by=by, now=NOW, reason="x"),
        lambda row, by: steering.close(campaign=row, by=by, now=NOW, reason="x"),
    ],
)
def test_act_of_an_owner_is_refused(campaign: Campaign, story: Told, act: Any) -> None:
    with pytest.raises(NotAllowed, match="Only a reviewer or an administrator"):
        act(campaign, story.ines)
    assert Campaign.objects.get().state == "running"


def test_deadline_in_the_past_is_refused(db: None) -> None:
    with pytest.raises(NotPossible, match="has to lie ahead"):
        prepared(make_user("rita", "reviewer"), deadline_at=NOW - DAY)


def test_deadline_that_was_prepared_is_the_one_that_counts(story: Told) -> None:
    row = launched(story.rita, deadline_at=NOW + 3 * DAY)
    case = Case.objects.get()
    assert (row.deadline_at, case.deadline_at) == (NOW + 3 * DAY, NOW + 3 * DAY)
    assert Rung.objects.get(does="due").at == NOW + 3 * DAY


def test_draft_whose_deadline_has_passed_is_not_launched(story: Told) -> None:
    draft = prepared(story.rita, deadline_at=NOW + DAY)
    with pytest.raises(NotPossible, match=r"it was due 2026-.* UTC, which has passed: close this"):
        launching.launch(campaign=draft, by=story.rita, now=NOW + 2 * DAY, reason="go")
    assert CampaignIdentity.objects.count() == 0
