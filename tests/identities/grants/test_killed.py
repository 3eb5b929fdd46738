"""Workers that are killed while grants begin and end: each is there, and then gone, all the same."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.actions.revocations import leasing
from identities.models import Grant, GrantTry
from tests.awslab.lab import Lab
from tests.evidence.killing import dooming
from tests.identities.granting import (
    HOUR,
    SECOND,
    bare_role,
    given,
    on_role,
    policies_of,
)
from tests.identities.revoking import pointed_at_the_account

__all__ = ["bare_role", "on_role", "pointed_at_the_account"]

# Processes that die have connections of their own.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.real_clock]

Make = Callable[..., Any]
MANY, KILLS = 12, 3


def test_killed_at_any_point_each_is_given_and_taken_away(
    lab: Lab, on_role: Make, active: Make, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    holder = active("svc", expires_at=now + 90 * HOUR)
    rows = [given(on_role(), holder, now) for _ in range(MANY)]
    monkeypatch.setenv("COUNTERSIGN_AWS_ENDPOINT", settings.AWS_ENDPOINT)
    monkeypatch.setenv("COUNTERSIGN_AWS_CREDENTIALS", settings.AWS_CREDENTIALS)

    def seen_to_be_dead() -> None:
        leasing.give_back()  # doubts
        leasing.give_back()
        assert not Grant.objects.filter(leased_until__isnull=False).exists()

    monkeypatch.setattr(leasing, "GONE", 0.0)

    def all_of(state: str) -> None:
        doomed.run(
            "identities.tasks.grants_due",
            kills=KILLS,
            progress=GrantTry.objects.count,
            stride=2 * MANY // KILLS - 2,
            between=seen_to_be_dead,
        )
        assert set(Grant.objects.values_list("state", flat=True)) == {state}

    with dooming() as doomed:
        all_of("usable")
        assert len(policies_of(lab, rows[0].name)) == MANY + 1
        # Their time is over by now.
        Grant.objects.update(starts_at=now - HOUR, ends_at=now - SECOND, not_before=now - SECOND)
        all_of("ended")
    assert policies_of(lab, rows[0].name) == ["task"]
    acts = (
        LedgerEntry.objects.filter(act__startswith="grant.")
        .order_by("pk")
        .values_list("act", flat=True)
    )
    once = {act: list(acts).count(act) for act in ("grant.usable", "grant.removed", "grant.ended")}
    assert once == dict.fromkeys(once, MANY)
