"""What counts where nobody answers, of a whole policy and of a stage: kept, cut as silence cuts, or
left to people."""

from typing import Any

import pytest

from evidence.models import Source
from reviews.models import Case

from . import stages
from .conftest import HOUR, NOW, Told, item_of
from .stages import FIRST, SECOND, fresh, say, seat

pytestmark = pytest.mark.django_db
AFTER = NOW + 169 * HOUR


def outcomes_of(case: Case) -> dict[str, str]:
    return dict(case.items.values_list("kind", "outcome"))


@pytest.mark.parametrize(
    ("said", "mode", "came"),
    [
        ({"if_nobody_answered": "keep"}, "enforce", "keep"),
        ({"if_nobody_answered": "dont_know"}, "enforce", "dont_know"),
        ({"if_nobody_answered": "no_response"}, "enforce", ""),
        ({"if_nobody_answered": "revoke", "silence": "revoke"}, "enforce", "revoke"),
        ({"if_nobody_answered": "revoke", "silence": "revoke"}, "ask", ""),
        ({"if_nobody_answered": "revoke", "silence": "revoke"}, "observe", ""),
        ({"if_no_reviewer": "keep"}, "enforce", ""),
    ],
)
def test_a_policy_without_stages_has_its_own_word_for_nobody(
    story: Told, said: dict[str, Any], mode: str, came: str
) -> None:
    story.identity.mode = mode
    story.identity.save(update_fields=["mode"])
    case = stages.opened(story, **said)
    stages.sweep(AFTER)
    assert set(outcomes_of(case).values()) == {came}


def test_what_is_critical_is_not_cut_by_a_default(story: Told) -> None:
    story.identity.criticality = "critical"
    story.identity.save(update_fields=["criticality"])
    case = stages.opened(story, if_nobody_answered="revoke", silence="revoke")
    stages.sweep(AFTER)
    assert set(outcomes_of(case).values()) == {""}


def test_late_evidence_holds_a_default_back_as_it_does_silence(story: Told) -> None:
    case = stages.opened(story, if_nobody_answered="revoke", silence="revoke")
    Source.objects.update(watermark=NOW)
    stages.sweep(AFTER)
    assert set(outcomes_of(case).values()) == {""}


def test_dont_know_counts_as_the_policy_says(story: Told) -> None:
    case = stages.opened(story, if_dont_know="keep")
    for user, kind in ((story.ines, "identity_owner"), (story.samuel, "ai_owner")):
        say(case, user, "dont_know", seat(case, kind, "Review"), kind="delegation")
    assert item_of(case, "delegation").outcome == "keep"
    assert item_of(case, "credential").outcome == ""


def test_a_cut_that_nobody_gave_ends_no_stages(story: Told) -> None:
    """The next stage is asked; what it says counts, and the cut is silence's."""
    first = FIRST | {"if_nobody_answered": "revoke"}
    case = stages.opened(story, first, SECOND, silence="revoke")
    stages.sweep(NOW + 49 * HOUR)
    assert fresh(case).stage == "Second look"
    assert [one.stage_outcomes["0"] for one in case.items.all()] == ["revoke"] * 2
    assert set(outcomes_of(case).values()) == {""}
