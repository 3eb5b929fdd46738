"""Reviews that are due by policy are opened once, under the version in force."""

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks

from identities.models import Identity
from reviews import actions, tasks
from reviews.models import Case, Notice

from .conftest import DAY, NOW, Told, tell_story
from .test_policy_versions import proposed, put_in_force
from .test_races import together

YEARLY = {"scope": {"kinds": ["service_account"]}, "every_days": 365, "silence": "suspend"}


@pytest.mark.django_db
def test_due_review_is_opened_once_under_its_policy(story: Told) -> None:
    policy = put_in_force(story, name="yearly", **YEARLY)
    assert [actions.open_due(now=NOW), actions.open_due(now=NOW)] == [1, 0]
    case = Case.objects.get()
    assert (case.policy, case.silence, case.state) == (policy, "suspend", "open")
    assert case.reason == "Due by yearly, version 1: every 365 days"
    assert case.opened_by == "countersign"
    assert Notice.objects.filter(occasion=f"{case.key} asked").count() == 2


@pytest.mark.django_db
def test_next_review_is_opened_after_the_time_and_not_before(story: Told) -> None:
    put_in_force(story, name="yearly", **YEARLY)
    actions.open_due(now=NOW)
    Case.objects.update(state="closed")
    assert [actions.open_due(now=NOW + days * DAY) for days in (364, 365, 366)] == [0, 1, 0]


@pytest.mark.django_db
def test_review_that_people_opened_is_not_opened_again(story: Told, case: Case) -> None:
    put_in_force(story, name="yearly", **YEARLY)
    assert (actions.open_due(now=NOW), Case.objects.count()) == (0, 1)


@pytest.mark.django_db
def test_what_only_observes_or_is_exempt_is_left_alone(story: Told) -> None:
    key = story.identity.key
    exempt = [{"identity": key, "until": "2026-11-30", "reason": "is being rebuilt"}]
    put_in_force(story, name="yearly", **YEARLY, exemptions=exempt)
    assert actions.open_due(now=NOW) == 0
    Identity.objects.update(mode="observe")
    assert actions.open_due(now=NOW + 7 * DAY) == 0
    Identity.objects.update(mode="ask")
    assert actions.open_due(now=NOW + 7 * DAY) == 1


@pytest.mark.django_db
def test_version_that_waits_for_its_signature_opens_nothing(story: Told) -> None:
    proposed(story.rita, name="yearly", **YEARLY)
    assert actions.open_due(now=NOW) == 0


@pytest.mark.django_db
def test_next_version_stops_what_the_one_before_it_opened(story: Told) -> None:
    put_in_force(story, name="yearly", **YEARLY)
    put_in_force(story, name="yearly", silence="suspend")
    assert actions.open_due(now=NOW) == 0


@pytest.mark.django_db
def test_sweep_opens_at_most_so_many_and_the_next_one_goes_on(story: Told) -> None:
    for number in range(5):
        Identity.objects.create(
            name=f"more-{number}", kind="service_account", mode="ask", created_at=NOW
        )
    put_in_force(story, name="yearly", **YEARLY)
    assert [actions.open_due(now=NOW, most=4) for _ in range(3)] == [4, 2, 0]
    assert Case.objects.values("identity").distinct().count() == 6


@pytest.mark.django_db(transaction=True)
def test_two_workers_open_each_review_once() -> None:
    story = tell_story()
    for number in range(6):
        Identity.objects.create(
            name=f"more-{number}", kind="service_account", mode="ask", created_at=NOW
        )
    put_in_force(story, name="yearly", **YEARLY)
    opened = together(*[lambda: actions.open_due(now=NOW)] * 3)
    assert (sum(opened), Case.objects.count()) == (7, 7)


@pytest.mark.django_db
def test_signing_wakes_the_sweep_that_opens_what_is_due(
    story: Told,
    nudges: list[str],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        put_in_force(story, name="yearly", **YEARLY)
    assert "policy.signed" in nudges
    assert (tasks.open_due() > 0, tasks.open_due(), Case.objects.count()) == (True, 0, 1)
