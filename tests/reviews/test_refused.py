"""What owners have refused is not asked about again; used all the same, it is one finding."""

from typing import Any

import pytest

from identities.acting import COMMAND
from identities.actions import findings
from identities.models import Finding, FindingEvent
from reviews import actions
from reviews.models import Case, Item, Trigger
from reviews.triggers import refused

from .conftest import DAY, HOUR, Told
from .test_micro_reviews import LATER, micro, reviewed, sweep, traced
from .test_policy_versions import put_in_force

pytestmark = pytest.mark.django_db


@pytest.fixture
def refusal(story: Told, sign: Any) -> Item:
    """A new tool that both seats have refused."""
    reviewed(story)
    traced(story, "send_email", at=LATER - HOUR)
    sweep()
    case = micro("new_tool")
    sign(case, "use", story.ines, "revoke", now=LATER)
    sign(case, "use", story.samuel, "revoke", seat="ai_owner", now=LATER)
    return Item.objects.get(case=case)


def used(story: Told, *, days: int, since: int = 0) -> None:
    """On each of so many days after the refusal, swept each day."""
    for day in range(since, since + days):
        now = LATER + day * DAY + 2 * HOUR
        traced(story, "send_email", at=now - HOUR, trace=20 + day, now=now)
        sweep(now)
        sweep(now)


def test_use_on_five_days_is_one_finding_and_one_question(story: Told, refusal: Item) -> None:
    used(story, days=5)
    finding = Finding.objects.get(rule="after_refusal")
    assert (finding.family, finding.count, finding.state) == ("Tool send_email", 5, "open")
    assert finding.words == (
        f"used Tool send_email on 5 days after {refusal.case.key} had refused it"
    )
    assert finding.controls == ["ASI02", "ASI03"]
    case = micro("refused_again")
    assert [(item.kind, item.ref) for item in case.items.all()] == [("identity", story.identity.pk)]
    assert list(case.findings.all()) == [finding]
    assert case.deadline_at == LATER + 26 * HOUR
    # The tool itself is never asked about again.
    assert Item.objects.filter(kind="use").count() == 1
    assert sorted(Trigger.objects.values_list("name", flat=True)) == ["new_tool", "refused_again"]


def test_question_about_the_identity_is_answered_once(
    story: Told, refusal: Item, sign: Any
) -> None:
    used(story, days=1)
    case = micro("refused_again")
    sign(case, "identity", story.ines, "keep", now=LATER + 3 * HOUR)
    sign(case, "identity", story.samuel, "keep", seat="ai_owner", now=LATER + 3 * HOUR)
    used(story, days=3, since=1)
    assert Case.objects.exclude(trigger="").count() == 2
    assert Finding.objects.get(rule="after_refusal").count == 4


def test_finding_that_somebody_has_settled_takes_no_more_of_that_refusal(
    story: Told, refusal: Item
) -> None:
    used(story, days=1)
    findings.dispose(
        finding=Finding.objects.get(rule="after_refusal"),
        disposition="expected",
        reason="it is being taken out",
        by=COMMAND,
        now=LATER + 3 * HOUR,
    )
    used(story, days=2, since=1)
    assert Finding.objects.get(rule="after_refusal").count == 1
    assert Case.objects.exclude(trigger="").count() == 2


def test_use_before_the_refusal_is_no_finding(story: Told, refusal: Item) -> None:
    sweep(LATER + HOUR)
    assert refused.note_next(now=LATER + HOUR) == 0
    assert not Finding.objects.filter(rule="after_refusal").exists()


def test_without_the_event_in_the_policy_it_is_a_finding_and_no_case(
    story: Told, refusal: Item
) -> None:
    put_in_force(story, micro_reviews={"new_tool": {}})
    used(story, days=2)
    while actions.open_from_findings_next(now=LATER + 2 * DAY):
        pass
    finding = Finding.objects.get(rule="after_refusal")
    assert (finding.count, finding.cases.count()) == (2, 0)
    assert Case.objects.filter(state="open").count() == 0


def test_many_uses_of_a_day_are_one_event_whoever_sweeps_twice(story: Told, refusal: Item) -> None:
    used(story, days=1)
    traced(story, "send_email", at=LATER + 3 * HOUR, trace=31, now=LATER + 4 * HOUR)
    sweep(LATER + 4 * HOUR)
    assert refused.note_next(now=LATER + 4 * HOUR) == 0
    assert FindingEvent.objects.filter(finding__rule="after_refusal").count() == 1
