"""Stages in a campaign: the dry run and progress know them, and each person is told once a day."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from identities.models import User
from identities.permissions import NotPossible
from reviews import actions
from reviews.campaigns import launching, preview, progress, steering
from reviews.models import Burst, Campaign, Case, Notice, Provisional, Rung, Seat, Stage

from . import crowd, stages
from .conftest import DAY, HOUR, NOW, Told, everything_counts, make_user, person_of
from .test_campaigns import drain

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign(db: None) -> Campaign:
    """Three reviews in two stages; the second is a team's."""
    rita, ivo = make_user("rita", "reviewer"), make_user("ivo", "owner")
    stages.team("IAM", ivo)
    stages.team("AI risk", make_user("ada", "owner"))
    owners = crowd.people(2)
    crowd.identities(3, owners=owners, of=crowd.services(1, owners))
    made = steering.make(
        name="Yearly",
        policy=stages.policy(stages.FIRST, stages.SECOND),
        scope={},
        by=rita,
        now=NOW,
        reason="once a year",
    )
    dry = preview.look(made.policy, {}, now=NOW)
    assert {one.person.name: one.reviews for one in dry.asked} == {
        "owner 0000": 2,
        "owner 0001": 3,
        "Ivo": 3,
        "Ada": 3,
    }
    launching.launch(campaign=made, by=rita, now=NOW, reason="go")
    drain()
    Notice.objects.update(sent_at=NOW)
    everything_counts(Case.objects.filter(campaign=made)[0], until=NOW + 30 * DAY)
    made.refresh_from_db()
    return made


def told(user: str) -> list[str]:
    rows = Notice.objects.filter(person__users__username=user).order_by("created_at")
    return list(rows.values_list("occasion", flat=True))


def test_each_person_of_the_next_stage_is_told_once_for_all_reviews(campaign: Campaign) -> None:
    assert (told("ivo"), told("ada")) == ([], [])
    stages.sweep(NOW + 48 * HOUR)
    assert {case.stage for case in Case.objects.filter(campaign=campaign)} == {"Second look"}
    assert told("ivo") == [f"{campaign.key} Second look 2026-11-26"]
    # Being told once a day is being reached: the time of the stage counts.
    case = Case.objects.filter(campaign=campaign).first()
    assert case is not None
    stages.sweep(case.deadline_at)
    assert {one.silence_done_at for one in Case.objects.filter(campaign=campaign)} == {
        case.deadline_at
    }


def test_progress_counts_a_seat_when_its_turn_has_come(campaign: Campaign) -> None:
    before = progress.count(campaign, now=NOW)
    assert sum(one.reviews for one in before.seats) == 6
    assert before.stages == [("Owners", 3, 0, 0, 0), ("Second look", 0, 0, 3, 0)]
    stages.sweep(NOW + 48 * HOUR)
    after = progress.count(campaign, now=NOW + 49 * HOUR)
    assert sum(one.reviews for one in after.seats) == 12
    assert after.stages == [("Owners", 0, 3, 0, 0), ("Second look", 3, 0, 0, 0)]
    # Decided by what the owners said: its second stage is not needed any more.
    first = Case.objects.filter(campaign=campaign)[0]
    Case.objects.filter(pk=first.pk).update(state="decided")
    Stage.objects.filter(case=first, name="Second look").update(state="waiting")
    assert progress.count(campaign, now=NOW + 49 * HOUR).stages[1] == ("Second look", 2, 0, 0, 1)


def test_a_paused_campaign_goes_on_to_no_stage(campaign: Campaign) -> None:
    rita = User.objects.get(username="rita")
    steering.pause(campaign=campaign, by=rita, now=NOW + HOUR, reason="wait")
    stages.sweep(NOW + 60 * HOUR)
    assert set(Case.objects.values_list("stage", flat=True)) == {"Owners"}


def test_answers_of_a_stage_that_is_over_are_not_asked_for_again(story: Told) -> None:
    stages.team("IAM", make_user("ivo", "owner"))
    stages.team("AI risk", make_user("ada", "owner"))
    case = stages.opened(story, stages.FIRST, stages.SECOND)
    stages.both(case, story, "keep")
    burst = Burst.objects.create(person=person_of(story.ines), since=NOW, until=NOW, answers=50)
    Provisional.objects.create(case=case, burst=burst, marked_at=NOW)
    now = stages.after_undo(NOW)
    # Answers that were given too fast are looked at before the next stage builds on them.
    stages.sweep(now)
    assert stages.fresh(case).stage == "Owners"
    Seat.objects.filter(case=case, stage__name="Owners").update(turn="past")
    look: dict[str, Any] = {"case": case, "reason": "x", "by": story.rita, "now": now}
    with pytest.raises(NotPossible, match="Their stage is over"):
        actions.look_again(how="ask_again", **look)
    Seat.objects.filter(case=case, stage__name="Owners").update(turn="now")
    actions.look_again(how="confirm", **look)
    stages.sweep(now + HOUR)
    assert stages.fresh(case).stage == "Second look"


def test_many_stages_that_are_due_cost_as_many_statements_as_one(campaign: Campaign) -> None:
    first = Case.objects.filter(campaign=campaign).order_by("number")[0]
    Case.objects.filter(pk=first.pk).update(deadline_at=NOW + 40 * HOUR)
    Rung.objects.filter(case=first, does="due").update(at=NOW + 40 * HOUR)
    many = []
    for now in (NOW + 40 * HOUR, NOW + 48 * HOUR):
        with CaptureQueriesContext(connection) as found:
            assert actions.deadlines_next(now=now) is True
        many.append(len(found))
    assert {case.stage for case in Case.objects.filter(campaign=campaign)} == {"Second look"}
    assert many[0] == many[1]
