"""What a silent stage left open does not stay so for good: its seats are asked again at the end of
the last one, and what they answer ends the case by itself."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.models import LedgerEntry
from identities.permissions import NotAllowed
from reviews import actions
from reviews.models import Campaign, Case, Notice, Rung
from reviews.pages import case as case_page
from reviews.pages import waiting

from . import stages
from .conftest import HOUR, NOW, Told, item_of, make_user
from .stages import FIRST, SECOND, fresh, say, seat
from .test_queue import again
from .test_stages_campaign import campaign

__all__ = ["campaign"]

pytestmark = pytest.mark.django_db
KINDS = ("delegation", "credential")
FIRST_OVER = NOW + 49 * HOUR


@pytest.fixture
def teams(story: Told) -> dict[str, Any]:
    ivo, ada = make_user("ivo", "owner"), make_user("ada", "owner")
    stages.team("IAM", ivo)
    stages.team("AI risk", ada)
    return {"ivo": ivo, "ada": ada}


def half_silent(story: Told, teams: dict[str, Any], *, ines: str = "keep", **said: Any) -> Case:
    """Ines answers in the first stage, Samuel is silent; in the last one both keep everything."""
    first = FIRST | said.pop("first", {})
    case = stages.opened(story, first, SECOND, **said)
    if ines:
        for kind in KINDS:
            say(case, story.ines, ines, seat(case, "identity_owner", "Owners"), kind=kind)
    stages.sweep(FIRST_OVER)
    for kind in KINDS:
        for who, where in (("ivo", "identity_owner"), ("ada", "ai_owner")):
            given = seat(case, where, "Second look")
            say(case, teams[who], "keep", given, kind=kind, now=FIRST_OVER)
    return fresh(case)


def over(case: Case) -> Case:
    stages.sweep(fresh(case).deadline_at + HOUR)
    return fresh(case)


def outcomes_of(case: Case) -> list[str]:
    return [item_of(case, kind).outcome for kind in KINDS]


@pytest.mark.parametrize(
    ("said", "mode", "outcome"),
    [
        # A word of the policy for nobody ends it at the last deadline or before.
        ({"if_nobody_answered": "keep"}, "enforce", "keep"),
        ({"if_nobody_answered": "dont_know"}, "enforce", "dont_know"),
        ({"first": {"if_nobody_answered": "keep"}}, "ask", "keep"),
        # So does what silence cuts.
        ({"silence": "revoke"}, "enforce", "revoke"),
        # One accepting stage is enough under the other strategies.
        ({"strategy": "one_accept_accepts"}, "enforce", "keep"),
        ({"strategy": "one_deny_denies"}, "enforce", "keep"),
        ({"strategy": "accepted_if_not_denied"}, "enforce", "keep"),
        # Without any of it nobody's answer is no outcome.
        ({}, "enforce", ""),
        ({"if_nobody_answered": "no_response"}, "enforce", ""),
        ({"if_no_reviewer": "keep"}, "enforce", ""),
        ({"if_dont_know": "keep"}, "enforce", ""),
        ({"silence": "suspend"}, "enforce", ""),
        ({"silence": "revoke"}, "ask", ""),
        ({"silence": "revoke"}, "observe", ""),
        ({"if_nobody_answered": "revoke", "silence": "revoke"}, "ask", ""),
    ],
)
def test_what_a_half_silent_stage_comes_to(
    story: Told, teams: dict[str, Any], said: dict[str, Any], mode: str, outcome: str
) -> None:
    story.identity.mode = mode
    story.identity.save(update_fields=["mode"])
    case = over(half_silent(story, teams, **said))
    assert outcomes_of(case) == [outcome] * 2
    if outcome:
        assert case.state != "open"
        return
    assert (case.state, case.stage) == ("open", "Owners and Second look")
    # It waits for whoever was silent, and for nobody else.
    queued = [one.kind for one in waiting.for_user(again(story.samuel), now=FIRST_OVER + 99 * HOUR)]
    assert queued == ["ai_owner"]
    assert waiting.for_user(again(teams["ivo"]), now=FIRST_OVER + 99 * HOUR) == []
    for kind in KINDS:
        given = seat(case, "ai_owner", "Owners")
        say(case, story.samuel, "keep", given, kind=kind, now=case.deadline_at + HOUR)
    assert (fresh(case).state, outcomes_of(case)) == ("decided", ["keep", "keep"])


def test_a_stage_that_nobody_answered_is_asked_again_as_a_whole(
    story: Told, teams: dict[str, Any]
) -> None:
    case = over(half_silent(story, teams, ines=""))
    now = case.deadline_at + HOUR
    for user, where in ((story.ines, "identity_owner"), (story.samuel, "ai_owner")):
        assert fresh(case).state == "open"
        for kind in KINDS:
            say(case, user, "keep", seat(case, where, "Owners"), kind=kind, now=now)
    assert (fresh(case).state, outcomes_of(case)) == ("decided", ["keep", "keep"])


def test_one_who_revokes_when_asked_again_ends_it(story: Told, teams: dict[str, Any]) -> None:
    """The deadline is over: beside a silent seat an answer that cuts stands, as everywhere."""
    case = over(half_silent(story, teams, ines=""))
    for kind in KINDS:
        given = seat(case, "identity_owner", "Owners")
        say(case, story.ines, "revoke", given, kind=kind, now=case.deadline_at + HOUR)
    assert (fresh(case).state, outcomes_of(case)) == ("decided", ["revoke", "revoke"])


def test_seats_that_differ_when_asked_again_go_to_the_tie_breaker(
    story: Told, teams: dict[str, Any]
) -> None:
    case = over(half_silent(story, teams))
    given = seat(case, "ai_owner", "Owners")
    say(case, story.samuel, "revoke", given, now=case.deadline_at + HOUR)
    assert item_of(case, "credential").outcome == "conflict"


def test_the_backup_may_answer_for_who_stays_silent(story: Told, teams: dict[str, Any]) -> None:
    case = over(half_silent(story, teams, ines=""))
    now = case.deadline_at + HOUR
    for kind in KINDS:
        say(case, story.marek, "keep", seat(case, "identity_owner", "Owners"), kind=kind, now=now)
        say(case, story.samuel, "keep", seat(case, "ai_owner", "Owners"), kind=kind, now=now)
    assert fresh(case).state == "decided"


def test_being_asked_again_is_said_once(story: Told, teams: dict[str, Any]) -> None:
    case = half_silent(story, teams)
    given = seat(case, "ai_owner", "Owners")
    with pytest.raises(NotAllowed, match="Owners is over"):
        say(case, story.samuel, "keep", given, now=FIRST_OVER)
    case = over(case)
    told = Notice.objects.filter(
        case=case.pk, person=story.samuel.person, occasion__endswith="overdue"
    )
    assert ["Owners is asked again" in one.body for one in told] == [True]
    said = (
        LedgerEntry.objects.filter(subject=case.key, act="case.silence")
        .order_by("pk")
        .values_list("words", flat=True)
    )
    assert ["Owners is asked again" in one for one in said] == [True]
    page = case_page.context(case, again(story.samuel), {}, now=case.deadline_at + HOUR)
    assert [(one["name"], one["state"], one["words"]) for one in page["stages"]] == [
        (
            "Owners",
            "running",
            "Ines and Samuel: asked again for what was missing on 26 Nov 2026 12:00 UTC",
        ),
        (
            "Second look",
            "running",
            f"Ivo and Ada are asked until {case.deadline_at:%-d %b %Y %H:%M} UTC",
        ),
    ]
    version = case.version
    stages.sweep(case.deadline_at + 30 * HOUR)
    assert fresh(case).version == version


def test_an_answered_stage_stays_over(story: Told, teams: dict[str, Any]) -> None:
    case = stages.opened(story, FIRST, SECOND)
    stages.both(case, story, "keep")
    stages.sweep(stages.after_undo(NOW))
    case = over(case)
    assert (case.state, case.stage) == ("open", "Second look")
    assert set(case.seats.filter(stage__name="Owners").values_list("turn", flat=True)) == {"past"}


def test_many_are_asked_again_with_as_many_statements_as_one(campaign: Campaign) -> None:
    stages.sweep(FIRST_OVER)
    due = FIRST_OVER + 24 * HOUR
    first = Case.objects.filter(campaign=campaign).order_by("number")[0]
    Case.objects.filter(pk=first.pk).update(deadline_at=due - HOUR)
    Rung.objects.filter(case=first, does="due", state="waiting").update(at=due - HOUR)
    many = []
    for now in (due - HOUR, due):
        with CaptureQueriesContext(connection) as found:
            assert actions.deadlines_next(now=now) is True
        many.append(len(found))
    stages_now = set(Case.objects.filter(campaign=campaign).values_list("stage", flat=True))
    assert stages_now == {"Owners and Second look"}
    assert many[0] == many[1]
