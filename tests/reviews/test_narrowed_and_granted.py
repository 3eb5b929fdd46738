"""A grant that comes into force reaches a target that was narrowed to what was delegated before."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from identities.enforcers import aws_policies as policies
from identities.models import Revocation
from reviews import actions
from tests.awslab.fixtures import aws_account, lab
from tests.awslab.lab import Lab
from tests.identities.revoking import pointed_at_the_account

from .conftest import HOUR, NOW, Told, item_of, seat_of
from .test_quarantine_at_aws import planted, work
from .test_quarantine_entitlements import both

__all__ = ["aws_account", "lab", "pointed_at_the_account"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]


def grant(story: Told, *, now: datetime, **more: Any) -> Any:
    """Rita asks, both seats approve, and it is carried out."""
    wanted = actions.Wanted(
        actions=["s3:DeleteObject"],
        resources=["invoices/*"],
        purpose="tidying",
        ends_at=now + timedelta(days=30),
        **more,
    )
    case = actions.request_access(
        identity=story.identity, wanted=wanted, by=story.rita, now=now, reason="quarter end"
    )
    for user, kind in ((story.ines, "identity_owner"), (story.samuel, "ai_owner")):
        case.refresh_from_db()
        actions.decide(
            case=case, item=item_of(case, "grant"), seat=seat_of(case, kind), answer="approve",
            reason="fine", by=user, now=now, version=case.version,
        )  # fmt: skip
    while actions.carry_out_next(now=now + HOUR):
        pass
    return item_of(case, "grant")


def test_what_was_narrowed_there_is_wide_enough_for_what_is_granted(
    story: Told, sign: Sign, lab: Lab
) -> None:
    now = datetime.now(UTC)
    person = planted(story, lab, now=now)
    case = actions.open_review(identity=story.identity, by=story.rita, now=now, reason="yearly")
    both(case, story, sign, "narrow", now=now)
    for kind in ("delegation", "credential"):
        sign(case, kind, story.ines, "keep", now=now)
        sign(case, kind, story.samuel, "keep", seat="ai_owner", now=now)
    while actions.carry_out_next(now=now + HOUR):
        pass
    work(now + HOUR)

    def there() -> str:
        found = lab.admin.iam.get_user_policy(UserName=person.name, PolicyName=policies.NARROW)
        return str(found["PolicyDocument"])

    assert "s3:GetObject" in there()
    assert "s3:DeleteObject" not in there()
    item = grant(story, now=now + 2 * HOUR)
    work(now + 4 * HOUR)
    assert "s3:GetObject" in there()
    assert "s3:DeleteObject" in there()
    last = Revocation.objects.filter(step="narrow").order_by("number").last()
    assert last is not None
    assert f"{last.key}: Narrow what user {person.name} may do" in item.carried_words
    assert last.because == f"granted in {item.case.key}"
    # Granted again, nothing more is asked for.
    assert Revocation.objects.filter(step="narrow").count() == 2


def test_what_was_never_narrowed_is_left_alone(story: Told) -> None:
    item = grant(story, now=NOW)
    assert not Revocation.objects.exists()
    assert item.carried_words.startswith("DLG-")
