"""The deadline of an incident follows its severity: nearer as it becomes graver, never farther."""

from datetime import timedelta
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.models import User
from reviews import incident_hours, policy_document, policy_words
from reviews.incidents import rooms
from reviews.models import Case, Item, Notice, Rung
from reviews.pages import room as room_page
from tests.reviews.conftest import DAY, HOUR, NOW, Told
from tests.reviews.owning import put_in_force

from .conftest import fresh, opened

pytestmark = pytest.mark.django_db


def made(case: Case, severity: str, by: User, *, after: timedelta) -> Case:
    rooms.set_severity(case=case, severity=severity, reason="it grew", by=by, now=NOW + after)
    return fresh(case)


@pytest.mark.parametrize(("severity", "hours"), incident_hours.HOURS.items())
def test_deadline_is_as_its_severity_says(story: Told, severity: str, hours: int) -> None:
    case, _ = opened(story, severity=severity)
    assert case.deadline_at == NOW + hours * HOUR


@pytest.mark.parametrize(
    ("first", "then", "after", "due"),
    [
        # Counted from when it became so, and never over at once.
        ("medium", "critical", 2 * HOUR, 6 * HOUR),
        ("medium", "critical", 23 * HOUR, 24 * HOUR),
        ("low", "high", 30 * HOUR, 42 * HOUR),
        ("medium", "high", HOUR, 13 * HOUR),
        # What is less severe than before gets no more time, nor what comes late.
        ("critical", "low", HOUR, 4 * HOUR),
        ("low", "high", 65 * HOUR, 72 * HOUR),
        ("medium", "critical", 25 * HOUR, 24 * HOUR),
    ],
)
def test_change_of_severity_moves_it_nearer_only(
    story: Told, first: str, then: str, after: timedelta, due: timedelta
) -> None:
    case = opened(story, severity=first)[0]
    before = case.deadline_at
    case = made(case, then, story.ines, after=after)
    assert case.deadline_at == NOW + due
    moved = LedgerEntry.objects.filter(subject=case.key, act="case.deadline_moved")
    said = [(entry.by, entry.data["from"], entry.data["to"]) for entry in moved]
    nearer = [(story.ines.ref, before.isoformat(), (NOW + due).isoformat())]
    assert said == (nearer if NOW + due < before else [])
    # Its rungs are as far from the deadline as before.
    (last,) = Rung.objects.filter(case=case, does="due")
    assert last.at == case.deadline_at


def test_time_that_did_not_count_is_none_of_what_is_left(story: Told) -> None:
    """An hour was not ours, and two days were given anew: the graver time is counted from now."""
    case = opened(story)[0]
    Case.objects.filter(pk=case.pk).update(
        deadline_at=NOW + 3 * DAY, not_counted=timedelta(hours=48)
    )
    case = made(case, "critical", story.ines, after=10 * HOUR)
    assert case.deadline_at == NOW + 14 * HOUR
    assert case.deadline_at - case.counts_from - case.not_counted == 4 * HOUR


@pytest.mark.parametrize("state", ["decided", "carrying_out", "in_review"])
def test_what_waits_for_no_answer_keeps_its_deadline(story: Told, state: str) -> None:
    case = opened(story)[0]
    Case.objects.filter(pk=case.pk).update(state=state, decided_at=NOW)
    assert made(case, "critical", story.ines, after=HOUR).deadline_at == NOW + DAY


def test_what_joins_graver_moves_it_and_tells_who_answers(story: Told) -> None:
    case = opened(story)[0]
    Item.objects.create(case=case, position=1, kind="credential", title="its key")
    again, new = opened(story, severity="critical", reason="worse", now=NOW + HOUR)
    assert (again.pk, new) == (case.pk, False)
    case = fresh(case)
    assert case.deadline_at == NOW + 5 * HOUR
    told = Notice.objects.filter(case=case.pk, occasion__contains=" moved ", channel="mail")
    assert sorted(str(one.person) for one in told) == ["Ines", "Samuel"]
    assert all("It is critical now" in one.body for one in told)
    # Twice is once.
    again = opened(story, severity="critical", reason="once more", now=NOW + 2 * HOUR)[0]
    assert fresh(again).deadline_at == NOW + 5 * HOUR


def test_room_says_until_when_and_so_does_its_data(story: Told) -> None:
    case = opened(story, severity="critical")[0]
    shown = room_page.context(case, story.ines, {}, now=NOW)["lead_words"]
    assert shown == "Ines leads. Answers are due by 24 Nov 2026 16:00 UTC."
    late = room_page.context(case, story.ines, {}, now=NOW + DAY)["lead_words"]
    assert late.endswith("Answers were due by 24 Nov 2026 16:00 UTC.")
    assert room_page.as_data(case, story.ines, now=NOW)["deadline_at"] == NOW + 4 * HOUR


def test_policy_says_other_hours(story: Told) -> None:
    case = opened(story)[0]
    put_in_force(incident_hours={"critical": 2, "low": 240})
    # A running case keeps its version.
    assert made(case, "critical", story.ines, after=HOUR).deadline_at == NOW + 5 * HOUR
    Case.objects.filter(pk=case.pk).update(state="cancelled", closed_at=NOW)
    assert opened(story, severity="low")[0].deadline_at == NOW + 240 * HOUR
    said = policy_document.parse({"incident_hours": {"critical": 2}}, name="access review")
    lines = policy_words.lines(said, name="access review")
    (words,) = [one.words for one in lines if one.about == "Incidents"]
    assert words == "By severity: critical 2 h, high 12 h, medium 24 h, low 72 h."


@pytest.mark.parametrize(
    ("said", "place", "words"),
    [
        ({"critical": 13}, "incident_hours", "What is more severe may not have more time"),
        ({"critical": 1}, "incident_hours.critical", "Write a whole number from 2"),
        ({"grave": 4}, "incident_hours.grave", "It is not known. Known: low, medium"),
        (4, "incident_hours", "Write an object"),
    ],
)
def test_other_hours_that_make_no_sense_are_refused(said: Any, place: str, words: str) -> None:
    with pytest.raises(policy_document.DocumentError) as found:
        policy_document.parse({"incident_hours": said}, name="access review")
    assert [(where, what.startswith(words)) for where, what in found.value.problems] == [
        (place, True)
    ]
    with pytest.raises(policy_document.DocumentError, match="access review alone"):
        policy_document.parse({"incident_hours": {}}, name="quarterly")
