"""A quarantine of what a system allows, from the signatures to a real server's policies and back."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from evidence.models import Actor
from identities.actions import entitlements, revocations
from identities.enforcers import aws_policies as policies
from identities.models import Binding, Revocation
from reviews import actions
from reviews.models import Quarantine
from tests.awslab.fixtures import aws_account, lab
from tests.awslab.lab import ANY_S3, Lab, Person
from tests.identities.revoking import pointed_at_the_account

from .conftest import DAY, HOUR, NOW, Told, item_of
from .test_quarantine_entitlements import both, first_key, opened

__all__ = ["aws_account", "lab", "pointed_at_the_account"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]


def work(now: datetime) -> None:
    while revocations.enforce_next(now=now):
        pass


def planted(story: Told, lab: Lab, *, now: datetime) -> Person:
    """The story's identity is a user of the account who may do all of S3, as was read there."""
    person = lab.user(ANY_S3)
    Binding.objects.filter(identity=story.identity, actor__kind="arn").delete()
    arn = Actor.objects.create(
        key=story.identity.pk,
        realm=f"aws:{lab.demo.account}",
        kind="arn",
        value=person.arn,
        created_at=NOW,
    )
    Binding.objects.create(
        identity=story.identity,
        actor=arn,
        basis="declared",
        state="confirmed",
        during=(NOW - DAY, None),
        recorded_at=NOW,
        by="command",
    )
    entitlements.read(identity=story.identity, now=now)
    return person


@pytest.mark.parametrize("end", ["restored", "over"])
def test_from_the_signature_to_the_target_and_back(
    story: Told, sign: Sign, lab: Lab, end: str
) -> None:
    now = datetime.now(UTC)
    person = planted(story, lab, now=now)
    case = opened(story, now=now)

    def inline() -> list[str]:
        return sorted(lab.admin.iam.list_user_policies(UserName=person.name)["PolicyNames"])

    both(case, story, sign, "revoke", now=now)
    work(now)
    assert inline() == [f"{policies.HOLD}-{first_key()}", "task"]
    row = Quarantine.objects.get()
    if end == "restored":
        item = item_of(case, "entitlement")
        actions.restore(case=case, item=item, by=story.samuel, now=now + HOUR)
        work(now + HOUR)
        assert inline() == ["task"]
    else:
        while actions.carry_out_next(now=row.until):
            pass
        work(row.until)
        assert inline() == [policies.NARROW, "task"]
    rows = Revocation.objects.filter(case=case.pk).order_by("number")
    assert [one.state for one in rows] == ["effective", "effective"]
