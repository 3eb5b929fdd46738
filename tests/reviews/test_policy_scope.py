"""Which identities a policy is about, which are due, and who has nobody in a seat."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.models import Actor
from identities.models import Credential, Identity, Membership, Party, Person, Service, Team
from reviews import actions, policy_document, policy_scope
from reviews.models import Case
from reviews.policy_document import Document

from .conftest import DAY, NOW, Told, make_user, party, person_of
from .test_opening import finding

pytestmark = pytest.mark.django_db


def document(scope: dict[str, Any] | None = None, **said: Any) -> Document:
    value = {"scope": scope or {}, "every_days": 100} | said
    return policy_document.parse(value, name="x")


def named(scope: dict[str, Any]) -> set[str]:
    return set(policy_scope.in_scope(document(scope), now=NOW).values_list("name", flat=True))


@pytest.fixture
def others(story: Told) -> dict[str, Identity]:
    """Beside svc-report: one without anybody, one whose owner has left, one that is retired."""
    gone = make_user("gone", "owner")
    Person.objects.filter(pk=person_of(gone).pk).update(left_at=NOW - DAY)
    plain = Service.objects.create(slug="plain", name="Plain")
    rows = {
        "alone": Identity(kind="agent", mode="observe", criticality="high", service=plain),
        "left": Identity(kind="workload", mode="ask", owner=party(gone)),
        "over": Identity(kind="agent", state="retired"),
    }
    for name, row in rows.items():
        row.name, row.created_at = name, NOW - 300 * DAY
        row.save(force_insert=True)
        row.refresh_from_db()
    return rows


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        ({}, {"svc-report", "alone", "left"}),
        ({"kinds": ["agent", "workload"]}, {"alone", "left"}),
        ({"modes": ["enforce", "ask"]}, {"svc-report", "left"}),
        ({"criticality": ["high"]}, {"alone"}),
        ({"services": ["plain", "quarterly"]}, {"svc-report", "alone"}),
        ({"ai_system": True}, {"svc-report"}),
        ({"ai_system": False}, {"alone", "left"}),
        ({"sources": ["cloudtrail"]}, {"svc-report"}),
        ({"expires_within_days": 90}, {"svc-report"}),
        ({"expires_within_days": 89}, set()),
        ({"findings": ["no_run", "left_task"]}, {"left"}),
        ({"orphaned": True}, {"alone", "left"}),
        ({"orphaned": False}, {"svc-report"}),
        ({"standing_credential": True}, {"svc-report"}),
        ({"standing_credential": False}, {"alone", "left"}),
        ({"last_reviewed_before_days": 30}, {"svc-report", "left"}),
        ({"last_reviewed_before_days": 5}, {"svc-report", "alone", "left"}),
        ({"orphaned": True, "kinds": ["agent"]}, {"alone"}),
    ],
)
def test_scope_finds(
    story: Told, others: dict[str, Identity], scope: dict[str, Any], names: set[str]
) -> None:
    finding(others["left"], "no_run")
    Case.objects.create(
        door="access_review",
        state="closed",
        title="x",
        identity=others["alone"],
        opened_at=NOW - 10 * DAY,
        opened_by="x",
        deadline_at=NOW,
    )
    assert named(scope) == names


def test_team_is_there_while_somebody_is_in_it(story: Told, others: dict[str, Identity]) -> None:
    team = Team.objects.create(name="Platform")
    Identity.objects.filter(name="alone").update(owner=Party.objects.create(team=team))
    assert "alone" in named({"orphaned": True})
    Membership.objects.create(
        team=team, person=person_of(story.leila), during=(NOW - DAY, None), recorded_at=NOW
    )
    assert "alone" not in named({"orphaned": True})


def test_credential_that_is_over_is_not_standing(story: Told) -> None:
    Credential.objects.update(state="revoked")
    assert named({"standing_credential": True}) == set()


def test_due_are_those_who_can_be_asked_and_were_not_for_so_long(
    story: Told, others: dict[str, Identity]
) -> None:
    def due(now: Any = NOW, **said: Any) -> set[str]:
        return set(policy_scope.due(document(**said), now=now).values_list("name", flat=True))

    assert due() == {"svc-report", "left"}
    exempt = [{"identity": others["left"].key, "until": "2026-11-24", "reason": "x"}]
    assert due(exemptions=exempt) == {"svc-report"}
    assert due(NOW + DAY, exemptions=exempt) == {"svc-report", "left"}
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="x")
    assert due(NOW + 200 * DAY) == {"left"}  # one is under way
    Case.objects.filter(pk=case.pk).update(state="closed")
    assert due(NOW + 99 * DAY) == {"left"}
    assert due(NOW + 100 * DAY) == {"svc-report", "left"}


def test_without_every_days_nothing_is_due(story: Told) -> None:
    assert list(policy_scope.due(Document(), now=NOW)) == []


@pytest.mark.parametrize(
    ("change", "seats", "nobody"),
    [
        ({}, {}, False),
        ({"owner": None}, {}, False),  # the backup is asked
        ({"owner": None, "backup": None}, {}, False),  # the sponsor is
        ({"owner": None, "backup": None, "sponsor": None}, {}, True),
        ({"owner": None, "backup": None}, {"identity_owner": ["owner", "backup"]}, True),
        ({"owner": None, "backup": None}, {"identity_owner": ["team:Here"]}, False),
        ({"owner": None, "backup": None}, {"identity_owner": ["team:Empty"]}, True),
        ({"ai_owner": None}, {}, True),
        ({"ai_owner": None}, {"ai_owner": ["owner", "team:Here"]}, False),
    ],
)
def test_who_has_nobody_in_a_seat(
    story: Told, change: dict[str, Any], seats: dict[str, list[str]], nobody: bool
) -> None:
    for name in ("Here", "Empty"):
        team = Team.objects.create(name=name)
        Party.objects.create(team=team)
        if name == "Here":
            Membership.objects.create(
                team=team, person=person_of(story.rita), during=(NOW - DAY, None), recorded_at=NOW
            )
    said = document(**({"seats": seats} if seats else {}))
    Identity.objects.update(state="draft")
    for name, value in change.items():
        model = Service if name == "ai_owner" else Identity
        model.objects.update(**{name: value})
    seen = policy_scope.population(said, now=NOW)
    assert (seen.identities, seen.nobody) == (1, int(nobody))
    rows = policy_scope.nobody_seated(Identity.objects.all(), said, now=NOW)
    assert rows.count() == int(nobody)


def test_dry_run_counts_in_as_many_queries_for_many(
    story: Told, others: dict[str, Identity]
) -> None:
    said = document(
        {"kinds": ["agent", "workload", "service_account"], "orphaned": True},
        exemptions=[{"identity": others["left"].key, "until": "2026-12-01", "reason": "x"}],
    )
    assert policy_scope.population(said, now=NOW) == policy_scope.Population(2, 1, 1, 0)
    with CaptureQueriesContext(connection) as few:
        policy_scope.population(said, now=NOW)
    for number in range(30):
        row = Identity.objects.create(
            name=f"more-{number}", kind="agent", mode="ask", created_at=NOW - timedelta(days=900)
        )
        actor = Actor.objects.create(
            key=uuid4(), realm="aws", kind="access_key", value=str(number), created_at=NOW
        )
        Credential.objects.create(
            actor=actor, identity=row, kind="access_key", standing=True, state_at=NOW
        )
    with CaptureQueriesContext(connection) as many:
        assert policy_scope.population(said, now=NOW) == policy_scope.Population(32, 1, 31, 30)
    assert len(many) == len(few)
