"""What our logs do not show of an external integration is no reason to cut it."""

from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.models import Identity, Revocation
from reviews import actions
from reviews.actions import proposing, silencing
from reviews.models import Case

from .conftest import DAY, NOW, Told, everything_counts
from .owning import put_in_force


def under_review(story: Told, kind: str, **document: Any) -> Case:
    put_in_force(**document)
    Identity.objects.filter(pk=story.identity.pk).update(kind=kind)
    story.identity.refresh_from_db()
    return actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="yearly")


@pytest.mark.parametrize("silence", ["suspend", "narrow", "revoke"])
def test_silence_cuts_an_agent_and_not_an_integration(story: Told, silence: str) -> None:
    case = under_review(story, "agent", silence=silence)
    assert silencing.consequence(case) == silence
    Identity.objects.filter(pk=story.identity.pk).update(kind="integration")
    case = Case.objects.select_related("identity", "policy").get()
    assert silencing.consequence(case) == "escalate"
    assert silencing.sentence(case) == (
        "nothing is cut, because our logs do not show all of an external integration: it goes to"
        " the backups and the tie-breaker"
    )


def test_silence_that_only_escalates_says_so_of_both(story: Told) -> None:
    case = under_review(story, "integration", silence="escalate")
    assert silencing.sentence(case) == "it goes to the backups and the tie-breaker"


def test_deadline_of_an_integration_cuts_nothing_and_says_why(story: Told) -> None:
    case = under_review(story, "integration", silence="suspend")
    everything_counts(case, until=NOW + 8 * DAY)
    while actions.deadlines_next(now=NOW + 8 * DAY):
        pass
    story.identity.refresh_from_db()
    assert (story.identity.state, Revocation.objects.count()) == ("active", 0)
    assert "our logs do not show all of an external integration" in (
        LedgerEntry.objects.get(act="case.silence").words
    )


def test_not_seen_recommends_nothing_of_an_integration(story: Told) -> None:
    assert recommended(story)[0] == "narrow"
    Identity.objects.filter(pk=story.identity.pk).update(kind="integration")
    story.identity.refresh_from_db()
    assert recommended(story) == (
        "",
        "not all of it is in our logs: what happens at the vendor is not",
    )


def recommended(story: Told) -> tuple[str, str]:
    found = proposing.propose([story.identity], now=NOW)[story.identity.pk]
    one = next(item for item in found if item.kind == "delegation")
    return one.recommendation, one.recommendation_reason
