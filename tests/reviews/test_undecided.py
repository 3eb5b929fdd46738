"""What is said when a deadline has passed: nobody answered, some did, or all did and differ."""

from collections.abc import Callable
from typing import Any

import pytest

from evidence.models import LedgerEntry
from reviews.models import Case, Notice
from reviews.pages import case_clock, foreseen

from . import stages
from .conftest import HOUR, NOW, Told, make_user
from .test_deadlines import due, sweep

pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]
KINDS = ("delegation", "credential")
DIFFER = "all seats have answered and differ, so the tie-breaker decides"


def ledger(case: Case) -> str:
    return LedgerEntry.objects.get(act="case.silence", subject=case.key).words


def sentence(case: Case, now: Any) -> str:
    said = case_clock.of(Case.objects.get(pk=case.pk), now=now)
    assert said is not None
    return str(said["sentence"])


def line(case: Case, now: Any) -> str:
    return foreseen.of_cases([Case.objects.get(pk=case.pk)], {}, now=now)[case.pk]


@pytest.mark.parametrize("silence", ["suspend", "revoke", "escalate"])
def test_seats_that_differ_are_said_to_differ(
    story: Told, case: Case, sign: Sign, silence: str
) -> None:
    now = due(case, silence=silence)
    for kind in KINDS:
        sign(case, kind, story.ines, "keep")
        sign(case, kind, story.samuel, "revoke", seat="ai_owner")
    when = f"{case.deadline_at:%-d %b %Y %H:%M} UTC"
    for at in (case.deadline_at - HOUR, now):
        assert sentence(case, at) == f"If it is not decided by {when}: {DIFFER}."
        assert line(case, at) == DIFFER
    sweep(now)
    lead = f"All seats had answered {case.key} by {case.deadline_at:%Y-%m-%d %H:%M} UTC, and they"
    assert ledger(case).startswith(f"{lead} differ: ")
    told = Notice.objects.filter(occasion=f"{case.key} overdue").values_list("body", flat=True)
    assert told
    assert all(f"{lead} differ: " in body for body in told)
    # Nobody was silent, so silence cut nothing beyond what is held while they differ.
    assert case.items.exclude(outcome="conflict").count() == 0


def test_one_seat_that_answered_is_not_nobody(story: Told, case: Case, sign: Sign) -> None:
    sign(case, "delegation", story.ines, "keep")
    sweep(due(case, silence="escalate"))
    assert ledger(case).startswith(
        f"Not every seat had answered {case.key} by 2026-12-01 12:00 UTC"
    )


def test_nobody_is_said_of_nobody(story: Told, case: Case) -> None:
    now = due(case, silence="escalate")
    assert sentence(case, now).startswith("It was not decided by 1 Dec 2026 12:00 UTC: it goes to")
    sweep(now)
    assert ledger(case).startswith(f"Nobody decided {case.key} by 2026-12-01 12:00 UTC: it goes")


@pytest.mark.parametrize("answers", [False, True])
def test_in_stages_it_is_not_told_whether_others_have_answered(story: Told, answers: bool) -> None:
    ivo, ada = make_user("ivo", "owner"), make_user("ada", "owner")
    stages.team("IAM", ivo)
    stages.team("AI risk", ada)
    case = stages.opened(story, stages.FIRST, stages.SECOND | {"sight": "blind"})
    stages.both(case, story, "keep")
    stages.sweep(stages.after_undo(NOW))
    if answers:
        seat = stages.seat(case, "identity_owner", "Second look")
        stages.say(case, ivo, "keep", seat, now=NOW + HOUR)
    stages.sweep(stages.fresh(case).deadline_at)
    assert ledger(case).startswith(f"{case.key} was not decided by ")


def test_case_without_items_is_decided_by_nobody(story: Told, case: Case) -> None:
    case.items.all().delete()
    now = due(case, silence="escalate")
    sweep(now)
    assert ledger(case).startswith("Nobody decided ")
