"""What a draft is told, and what becomes of it: its end is warned of and comes, and it is held."""

from datetime import timedelta
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.models import Identity, IdentityState, Revocation
from reviews import actions
from reviews.actions import rungs
from reviews.campaigns import preview
from reviews.models import EndStep, Notice

from .conftest import DAY, HOUR, NOW, Told, everything_counts
from .owning import delivered, put_in_force, sweep

pytestmark = pytest.mark.django_db
END = NOW + 90 * DAY
SUSPENDS: dict[str, Any] = {"attestation": {"at_end": "suspend"}}


@pytest.fixture
def drafted(story: Told) -> Told:
    Identity.objects.filter(pk=story.identity.pk).update(state="draft")
    story.identity.refresh_from_db()
    return story


def test_its_end_is_warned_of_and_comes(drafted: Told) -> None:
    put_in_force(**SUSPENDS)
    for days in (30, 7, 1):
        sweep(END - days * DAY)
        delivered(END - days * DAY)
    assert Notice.objects.filter(person=drafted.ines.person, subject__startswith="Renew").exists()
    sweep(END + HOUR)
    sweep(END + 2 * HOUR)
    assert list(EndStep.objects.order_by("-days").values_list("days", "did")) == [
        (30, "warned"),
        (7, "warned"),
        (1, "warned"),
        (0, "held"),
    ]
    entry = LedgerEntry.objects.get(act="end.held")
    assert (entry.at, entry.recorded_at) == (END, END + HOUR)
    assert "held, because a draft is not suspended; held: REV-" in entry.words
    assert IdentityState.objects.filter(
        identity=drafted.identity, state="held", superseded_at=None, during__contains=END + DAY
    ).exists()
    assert Revocation.objects.filter(credential=drafted.credential, step="hold").count() == 1
    assert Identity.objects.get(pk=drafted.identity.pk).state == "draft"


def test_where_a_policy_only_tells_a_named_person_is_told(drafted: Told) -> None:
    sweep(END - timedelta(days=1))
    sweep(END + HOUR)
    assert EndStep.objects.get(days=0).did == "escalated"


def test_preview_and_case_say_beforehand_that_it_is_held(drafted: Told) -> None:
    policy = put_in_force("agents", silence="suspend", scope={}, decide_within_hours=168)
    held = "it is held: it is a draft, and what never was active is not suspended"
    assert preview.look(policy, {}, now=NOW).silence == [(held, 1)]
    case = actions.open_review(
        identity=drafted.identity, by=drafted.rita, now=NOW, reason="y", policy=policy
    )
    everything_counts(case, until=NOW + DAY)
    assert rungs.words(case, "suspend") == "svc-report is held, as a draft is"


def test_preview_says_suspended_of_what_is_active(story: Told) -> None:
    policy = put_in_force("agents", silence="suspend", scope={}, decide_within_hours=168)
    assert preview.look(policy, {}, now=NOW).silence == [("it is suspended", 1)]
