"""Stages of a running case: whose turn it is, going on, stopping, and each one's own deadline."""

from datetime import timedelta
from typing import Any

import pytest

from identities.permissions import NotAllowed
from reviews import actions
from reviews.models import Case, Notice, Rung, Seat

from . import stages
from .conftest import DAY, HOUR, NOW, Told, item_of, make_user, party
from .stages import FIRST, SECOND, fresh, say, seat

pytestmark = pytest.mark.django_db


@pytest.fixture
def teams(story: Told) -> dict[str, Any]:
    ivo, ada = make_user("ivo", "owner"), make_user("ada", "owner")
    stages.team("IAM", ivo)
    stages.team("AI risk", ada)
    return {"ivo": ivo, "ada": ada}


def states(case: Case) -> list[tuple[str, str]]:
    return list(case.stages.order_by("position").values_list("name", "state"))


def test_a_case_without_stages_has_none(case: Case) -> None:
    assert (case.stage, case.next_stage, case.stages.count()) == ("", "", 0)
    assert {(row.turn, row.stage, row.place) for row in case.seats.all()} == {("now", None, 0)}


def test_open_review_in_stages_gives_each_its_seats_and_the_first_its_deadline(
    story: Told, teams: dict[str, Any]
) -> None:
    case = stages.opened(story, FIRST, SECOND)
    assert (case.stage, case.next_stage, case.deadline_at) == (
        "Owners",
        "Second look",
        NOW + 48 * HOUR,
    )
    rows = Seat.objects.filter(case=case).order_by("position").select_related("stage")
    assert [
        (row.stage.name if row.stage else "", row.kind, str(row.party), row.turn) for row in rows
    ] == [
        ("Owners", "identity_owner", "Ines", "now"),
        ("Owners", "ai_owner", "Samuel", "now"),
        ("Second look", "identity_owner", "IAM", "later"),
        ("Second look", "ai_owner", "AI risk", "later"),
        ("", "tie_breaker", "Leila", "now"),
    ]
    # Only who is asked now is told.
    told = Notice.objects.filter(case=case.pk).values_list("person__name", flat=True)
    assert sorted(told) == ["Ines", "Samuel"]
    with pytest.raises(NotAllowed, match="Second look has not begun: Owners is asked first"):
        say(case, teams["ivo"], "keep", seat(case, "identity_owner", "Second look"))


def test_keep_goes_on_when_it_can_be_taken_back_no_more(story: Told, teams: dict[str, Any]) -> None:
    case = stages.opened(story, FIRST, SECOND)
    stages.both(case, story, "keep")
    assert [item.outcome for item in case.items.all()] == ["", ""]
    stages.sweep(NOW + timedelta(seconds=7))
    assert states(case) == [("Owners", "running"), ("Second look", "waiting")]
    actions.undo(case=case, item=item_of(case, "credential"), by=story.samuel, now=NOW + HOUR / 999)
    stages.sweep(NOW + HOUR)
    assert states(case) == [("Owners", "running"), ("Second look", "waiting")]
    later = NOW + 2 * HOUR
    say(case, story.samuel, "keep", seat(case, "ai_owner", "Owners"), now=later)
    stages.sweep(stages.after_undo(later))
    case = fresh(case)
    assert states(case) == [("Owners", "done"), ("Second look", "running")]
    assert (case.stage, case.next_stage, case.state) == ("Second look", "", "open")
    begun = stages.after_undo(later)
    assert (case.deadline_at, case.asked_since) == (begun + 24 * HOUR, begun)
    assert [
        (one.does, one.at - begun)
        for one in Rung.objects.filter(case=case, state="waiting").order_by("at")
    ] == [
        ("remind", 20 * HOUR),
        ("tell", 22 * HOUR),
        ("due", 24 * HOUR),
    ]
    with pytest.raises(NotAllowed, match="Owners is over: what was answered in it stands"):
        say(case, story.ines, "revoke", seat(case, "identity_owner", "Owners"), now=begun)
    for kind in ("delegation", "credential"):
        say(
            case,
            teams["ivo"],
            "keep",
            seat(case, "identity_owner", "Second look"),
            kind=kind,
            now=begun,
        )
        assert fresh(case).state == "open"
        say(case, teams["ada"], "keep", seat(case, "ai_owner", "Second look"), kind=kind, now=begun)
    assert (fresh(case).state, [one.outcome for one in case.items.all()]) == (
        "decided",
        ["keep", "keep"],
    )


def test_an_answer_that_stops_ends_the_item_at_its_stage(
    story: Told, teams: dict[str, Any]
) -> None:
    case = stages.opened(story, FIRST, SECOND)
    stages.both(case, story, "keep")
    for kind, who in (("identity_owner", story.ines), ("ai_owner", story.samuel)):
        say(case, who, "revoke", seat(case, kind, "Owners"))
    # What is agreed to be revoked goes out at once, whatever else goes on.
    item = item_of(case, "credential")
    assert (item.outcome, item.carried_out_at) == ("revoke", NOW)
    stages.sweep(stages.after_undo(NOW))
    assert fresh(case).stage == "Second look"
    now = stages.after_undo(NOW)
    row = seat(case, "identity_owner", "Second look")
    with pytest.raises(NotAllowed, match="It has gone out"):
        say(case, teams["ivo"], "keep", row, now=now)
    say(case, teams["ivo"], "keep", row, kind="delegation", now=now)
    say(
        case,
        teams["ada"],
        "keep",
        seat(case, "ai_owner", "Second look"),
        kind="delegation",
        now=now,
    )
    assert fresh(case).state == "decided"


def test_stages_all_stopped_are_not_followed(story: Told, teams: dict[str, Any]) -> None:
    case = stages.opened(story, FIRST, SECOND)
    stages.both(case, story, "revoke")
    stages.sweep(NOW + HOUR)
    case = fresh(case)
    assert (case.state, case.stage, states(case)[1]) == (
        "decided",
        "Owners",
        ("Second look", "waiting"),
    )


@pytest.mark.parametrize(
    ("said", "goes_on"),
    [
        ({"stop_on": ["keep"]}, False),
        ({"advance_on": ["keep"]}, True),
        ({"advance_on": ["revoke"]}, False),
        ({"stop_on": ["revoke"], "advance_on": ["revoke"]}, True),
    ],
)
def test_what_a_stage_says_of_going_on_replaces_the_default(
    story: Told, teams: dict[str, Any], said: dict[str, Any], goes_on: bool
) -> None:
    case = stages.opened(story, FIRST | said, SECOND)
    stages.both(case, story, "keep")
    stages.sweep(stages.after_undo(NOW))
    case = fresh(case)
    assert (case.stage, case.state) == (
        ("Second look", "open") if goes_on else ("Owners", "decided")
    )


def test_a_stage_nobody_answers_goes_on_at_its_own_deadline_and_the_last_is_silenced(
    story: Told, teams: dict[str, Any]
) -> None:
    case = stages.opened(story, FIRST, SECOND, silence="revoke")
    due = NOW + 48 * HOUR
    stages.sweep(due - HOUR / 60)
    assert fresh(case).stage == "Owners"
    assert Notice.objects.filter(person=story.ines.person, subject__contains="decide soon").exists()
    stages.sweep(due + HOUR / 2)
    case = fresh(case)
    assert (case.stage, case.state, case.silence_done_at) == ("Second look", "open", None)
    assert [item.stage_outcomes for item in case.items.all()] == [{"0": "no_response"}] * 2
    stages.sweep(case.deadline_at + HOUR)
    assert [item.outcome for item in case.items.order_by("position")] == ["revoke", "revoke"]


def test_a_stage_due_without_the_second_seat_has_no_answer(
    story: Told, teams: dict[str, Any]
) -> None:
    case = stages.opened(story, FIRST, SECOND)
    say(case, story.ines, "keep", seat(case, "identity_owner", "Owners"))
    stages.sweep(NOW + 49 * HOUR)
    case = fresh(case)
    # One owner's yes is never enough, in a stage either.
    assert (case.stage, item_of(case, "credential").stage_outcomes) == (
        "Second look",
        {"0": "no_response"},
    )


def test_a_stage_due_with_one_revoke_revokes_by_itself(story: Told, teams: dict[str, Any]) -> None:
    case = stages.opened(story, FIRST, SECOND)
    say(case, story.ines, "revoke", seat(case, "identity_owner", "Owners"))
    stages.sweep(NOW + 49 * HOUR)
    item = item_of(case, "credential")
    assert (item.outcome, item.carried_out_at) == ("revoke", NOW + 49 * HOUR)
    assert (fresh(case).stage, item_of(case, "delegation").outcome) == ("Second look", "")


@pytest.mark.parametrize(
    ("said", "mode", "came_to"),
    [
        ({"if_nobody_answered": "keep"}, "enforce", "keep"),
        ({"if_nobody_answered": "dont_know"}, "enforce", "dont_know"),
        ({"if_nobody_answered": "keep"}, "ask", "keep"),
        ({"if_no_reviewer": "keep"}, "enforce", "no_response"),
    ],
)
def test_a_stage_has_its_own_word_for_nobody(
    story: Told, teams: dict[str, Any], said: dict[str, Any], mode: str, came_to: str
) -> None:
    story.identity.mode = mode
    story.identity.save(update_fields=["mode"])
    case = stages.opened(story, FIRST | said, SECOND)
    stages.sweep(NOW + 49 * HOUR)
    assert [item.stage_outcomes["0"] for item in case.items.all()] == [came_to] * 2


def test_a_stage_without_any_reviewer_has_its_own_default(story: Told) -> None:
    stages.team("IAM")
    stages.team("AI risk")
    case = stages.opened(story, SECOND | {"if_no_reviewer": "dont_know"}, FIRST | {"hours": 24})
    stages.sweep(NOW + 25 * HOUR)
    assert [item.stage_outcomes["0"] for item in case.items.all()] == ["dont_know"] * 2


def test_dont_know_of_a_stage_has_its_own_default(story: Told, teams: dict[str, Any]) -> None:
    case = stages.opened(story, FIRST | {"if_dont_know": "keep"}, SECOND)
    stages.both(case, story, "dont_know")
    stages.sweep(NOW + 49 * HOUR)
    assert item_of(case, "credential").stage_outcomes == {"0": "keep"}


def test_a_conflict_keeps_its_stage_until_the_tie_breaker_decides(
    story: Told, teams: dict[str, Any]
) -> None:
    case = stages.opened(story, FIRST, SECOND)
    stages.both(case, story, "keep")
    say(case, story.samuel, "revoke", seat(case, "ai_owner", "Owners"))
    late = NOW + 49 * HOUR
    stages.sweep(late)
    assert (fresh(case).stage, item_of(case, "credential").held) == ("Owners", "revoke")
    actions.tie_break(
        case=case,
        item=item_of(case, "credential"),
        answer="keep",
        reason="needed",
        by=story.leila,
        now=late,
        version=fresh(case).version,
    )
    stages.sweep(stages.after_undo(late))
    case = fresh(case)
    assert (case.stage, item_of(case, "credential").stage_outcomes) == (
        "Second look",
        {"0": "keep"},
    )
    # What it decided in the stage before says nothing in this one.
    now = stages.after_undo(late)
    say(case, teams["ivo"], "keep", seat(case, "identity_owner", "Second look"), now=now)
    say(case, teams["ada"], "revoke", seat(case, "ai_owner", "Second look"), now=now)
    assert item_of(case, "credential").outcome == "conflict"


def test_nobody_signs_in_two_stages(story: Told) -> None:
    case = stages.opened(story, FIRST, {"name": "Again", "hours": 24})
    again = seat(case, "identity_owner", "Again")
    # The owner sits in the first stage, so the next one of the order sits in the second.
    assert (str(again.party), str(again.backup)) == ("Marek", "Leila")
    Seat.objects.filter(pk=again.pk).update(party=party(story.ines))
    stages.both(case, story, "keep")
    now = stages.after_undo(NOW)
    stages.sweep(now)
    with pytest.raises(NotAllowed, match="one person never signs two seats"):
        say(case, story.ines, "keep", seat(case, "identity_owner", "Again"), now=now)


def test_several_answer_in_one_seat_each_for_himself(story: Told, teams: dict[str, Any]) -> None:
    first = FIRST | {
        "seats": {"identity_owner": ["owner", "backup"]},
        "asks": "each",
        "strategy": "one_deny_denies",
        "if_nobody_answered": "dont_know",
    }
    case = stages.opened(story, first, SECOND)
    ines, marek = (seat(case, "identity_owner", "Owners", place) for place in (0, 1))
    assert (str(ines.party), str(marek.party)) == ("Ines", "Marek")
    say(case, story.samuel, "keep", seat(case, "ai_owner", "Owners"))
    say(case, story.ines, "keep", ines)
    # Marek's denial could still change it.
    assert item_of(case, "credential").stage_outcomes == {}
    say(case, story.marek, "revoke", marek)
    assert (item_of(case, "credential").outcome, item_of(case, "credential").held) == (
        "conflict",
        "revoke",
    )
    say(case, story.marek, "keep", marek, now=NOW + HOUR)
    assert item_of(case, "credential").stage_outcomes == {"0": "keep"}


def test_stages_side_by_side_are_asked_together(story: Told, teams: dict[str, Any]) -> None:
    beside = SECOND | {"order": "parallel", "hours": 48}
    case = stages.opened(story, FIRST, beside, strategy="one_deny_denies")
    assert (case.stage, case.next_stage, case.deadline_at) == (
        "Owners and Second look",
        "",
        NOW + 48 * HOUR,
    )
    stages.both(case, story, "keep")
    assert [item.outcome for item in case.items.all()] == ["", ""]
    for kind, who in (("identity_owner", "ivo"), ("ai_owner", "ada")):
        say(case, teams[who], "revoke", seat(case, kind, "Second look"))
    assert item_of(case, "credential").outcome == "revoke"


def test_a_day_without_us_moves_a_stage_and_its_deadline(
    story: Told, teams: dict[str, Any]
) -> None:
    from .test_rungs import away

    case = stages.opened(story, FIRST, SECOND)
    away(NOW + 40 * HOUR, NOW + 64 * HOUR)
    stages.sweep(NOW + 64 * HOUR)
    case = fresh(case)
    assert (case.stage, case.deadline_at) == ("Owners", NOW + 72 * HOUR)
    stages.sweep(NOW + 72 * HOUR)
    assert fresh(case).stage == "Second look"


def test_a_draft_is_seated_anew_when_it_is_sent(story: Told, teams: dict[str, Any]) -> None:
    story.identity.mode = "observe"
    story.identity.save(update_fields=["mode"])
    policy = stages.policy(FIRST, SECOND, name="access review")
    case = actions.open_review(
        identity=story.identity, by=story.rita, now=NOW, reason="x", policy=policy
    )
    Case.objects.filter(pk=case.pk).update(state="draft")
    Seat.objects.filter(case=case).delete()
    sent = actions.start(case=case, by=story.rita, now=NOW + DAY, reason="now")
    assert (sent.stage, sent.deadline_at, sent.seats.count(), sent.stages.count()) == (
        "Owners",
        NOW + DAY + 48 * HOUR,
        5,
        2,
    )
