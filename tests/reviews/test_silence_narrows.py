"""Silence narrows away what was not seen by the time it is due, not by the time it was asked about."""

from collections.abc import Callable
from typing import Any

import pytest

from evidence.keys import key_of
from evidence.models import Term
from identities.models import DelegationVersion, UsageDay
from reviews.models import Case

from .conftest import DAY, NOW, Told, item_of
from .test_deadlines import due, sweep

pytestmark = pytest.mark.django_db
type Sign = Callable[..., Any]


def used(story: Told, action: str) -> None:
    """The story's identity did this on the day after it was asked about."""
    at = NOW + DAY
    term, _ = Term.objects.get_or_create(
        key=key_of(str(Term.ACTION), action), defaults={"kind": Term.ACTION, "value": action}
    )
    UsageDay.objects.create(
        identity_no=story.identity.number,
        day=at.date(),
        action_id=term.pk,
        family="invoices/*",
        plane=1,
        count=1,
        first_at=at,
        last_at=at,
    )


@pytest.mark.parametrize(
    ("since", "left"),
    [
        ("s3:PutObject", ["s3:GetObject", "s3:PutObject"]),
        ("s3:DeleteObject", ["s3:GetObject"]),
    ],
)
def test_what_was_used_since_it_was_asked_about_stays(
    story: Told, case: Case, since: str, left: list[str]
) -> None:
    item = item_of(case, "delegation")
    assert (item.proposal["actions"], item.snapshot["unseen"]) == (
        ["s3:GetObject"],
        ["s3:PutObject"],
    )
    used(story, since)
    sweep(due(case, silence="narrow"))
    row = DelegationVersion.objects.get(
        delegation=story.delegation,
        state="in_force",
        superseded_at=None,
        during__contains=case.deadline_at + DAY,
    )
    item.refresh_from_db()
    assert (sorted(row.actions), item.outcome) == (left, "narrow")
