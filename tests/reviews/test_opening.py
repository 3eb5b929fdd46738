"""Findings open reviews: one for an identity, a draft where a scope only observes."""

from typing import Any

import pytest

from evidence.vocabulary import EXACT
from identities.models import Finding, Identity
from identities.permissions import NotPossible
from reviews import actions
from reviews.models import Case, Notice

from .conftest import HOUR, NOW, Told, record, tell_story

pytestmark = pytest.mark.django_db


def finding(identity: Identity, rule: str, family: str = "x") -> Finding:
    row = Finding.objects.create(
        identity=identity,
        rule=rule,
        family=family,
        strength=EXACT,
        words=f"{rule} happened",
        count=1,
        first_at=NOW,
        last_at=NOW,
        opened_at=NOW,
        state_at=NOW,
    )
    row.refresh_from_db()
    return row


def drain(now: Any = NOW) -> int:
    done = 0
    while actions.open_from_findings_next(now=now):
        done += 1
    return done


@pytest.mark.parametrize(
    ("mode", "rule", "state"),
    [
        ("observe", "no_authority", None),
        ("observe", "outside_resources", None),
        ("observe", "left_task", "draft"),
        ("observe", "no_run", "draft"),
        ("observe", "shared_credential", "draft"),
        ("ask", "no_authority", "open"),
        ("enforce", "after_expiry", "open"),
    ],
)
def test_finding_opens_a_review_by_mode(mode: str, rule: str, state: str | None) -> None:
    story = tell_story(mode=mode)
    finding(story.identity, rule)
    drain()
    assert list(Case.objects.values_list("state", flat=True)) == ([] if state is None else [state])
    # Observing asks nobody.
    assert Notice.objects.exists() is (state == "open")


def test_many_findings_are_one_case(story: Told) -> None:
    for number in range(50):
        finding(story.identity, "outside_resources", f"family-{number}")
    drain()
    case = Case.objects.get()
    assert (case.findings.count(), case.items.count()) == (50, 2)
    assert drain() == 0


def test_later_finding_joins_the_open_review_and_changes_its_version(
    story: Told, case: Case
) -> None:
    before = Case.objects.get(pk=case.pk).version
    row = finding(story.identity, "no_authority")
    assert drain(NOW + HOUR) == 1
    after = Case.objects.get(pk=case.pk)
    assert (list(after.findings.all()), after.version > before) == ([row], True)


def test_later_finding_asks_those_again_who_have_answered(
    story: Told, case: Case, sign: Any
) -> None:
    sign(case, "credential", story.ines, "keep")
    row = finding(story.identity, "outside_resources")
    drain(NOW + HOUR)
    asked = Notice.objects.filter(occasion=f"{case.key} evidence {row.key}")
    assert [one.person for one in asked] == [story.ines.person]


def test_finding_of_nobody_opens_nothing(story: Told) -> None:
    Finding.objects.create(
        identity=None,
        actor_id=1,
        rule="no_authority",
        strength=EXACT,
        words="x",
        first_at=NOW,
        last_at=NOW,
        opened_at=NOW,
        state_at=NOW,
    )
    assert drain() == 0


def test_draft_is_sent_out_by_a_person() -> None:
    story = tell_story(mode="observe")
    finding(story.identity, "left_task")
    drain()
    case = actions.start(
        case=Case.objects.get(), by=story.rita, now=NOW + HOUR, reason="look at it"
    )
    assert (case.state, case.opened_at) == ("open", NOW + HOUR)
    assert {row.person for row in Notice.objects.all()} == {
        story.ines.person,
        story.samuel.person,
    }


def test_findings_of_the_real_rules_stand_beside_the_key() -> None:
    story = tell_story(mode="enforce")
    from .conftest import ingest

    ingest([record(90, "GetObject", "hr/salaries.csv", NOW)])
    drain(NOW + HOUR)
    case = Case.objects.get()
    item = case.items.get(kind="credential")
    assert item.recommendation_reason == (
        "used on resources outside its delegation: move to a short-lived credential"
    )
    assert item.snapshot["findings"] == [Finding.objects.get(identity=story.identity).key]


def test_open_review_of_a_retired_identity_is_refused(story: Told) -> None:
    Identity.objects.filter(pk=story.identity.pk).update(state="retired")
    with pytest.raises(NotPossible, match="retired"):
        actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="x")
