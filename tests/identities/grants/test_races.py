"""Several workers, workers that die, and people who act while one is at it: each thing once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from django.db import connections

from identities.acting import COMMAND
from identities.actions import grants
from identities.actions.grants import claiming, minting
from identities.models import Grant, GrantTry, Identity
from tests.awslab.lab import Lab
from tests.identities.granting import (
    HOUR,
    MINUTE,
    SECOND,
    allowed,
    bare_role,
    given,
    no_time_passes_within_a_step_of_a_grant,
    on_role,
    policies_of,
    work,
    work_at_once,
)
from tests.identities.revoking import pointed_at_the_account

__all__ = [
    "bare_role",
    "no_time_passes_within_a_step_of_a_grant",
    "on_role",
    "pointed_at_the_account",
]

# Committed rows: workers use connections of their own.
pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[..., Any]
MANY = 6


@pytest.fixture
def now(lab: Lab) -> datetime:
    return lab.proxy.now()


@pytest.fixture
def holder(active: Make, now: datetime) -> Identity:
    row: Identity = active("alice", expires_at=now + 90 * 24 * HOUR)
    return row


def test_many_workers_give_and_take_each_once_and_after_an_outage(
    lab: Lab, on_role: Make, holder: Identity, now: datetime
) -> None:
    rows = [given(on_role(), holder, now) for _ in range(MANY)]
    work_at_once(3, now)
    assert set(Grant.objects.values_list("state", flat=True)) == {"usable"}
    assert len(lab.proxy.calls("iam:PutRolePolicy")) == MANY + 1  # and the role's own
    # Nobody was at work when their time was over; our own door did not wait for that.
    late = rows[0].ends_at + HOUR
    assert not allowed(holder, rows[0].ends_at)
    work_at_once(3, late)
    assert set(Grant.objects.values_list("state", "removed_at")) == {("ended", late)}
    assert len(lab.proxy.calls("iam:DeleteRolePolicy")) == MANY
    assert GrantTry.objects.filter(did="end", result="ok").count() == MANY
    assert policies_of(lab, rows[0].name) == ["task"]


def test_a_worker_that_died_is_followed_by_another_when_its_lease_is_over(
    lab: Lab, on_role: Make, holder: Identity, now: datetime
) -> None:
    row = given(on_role(), holder, now)
    # It claimed the row and died: before it sent anything, or after, nobody knows.
    assert claiming.claim(now=now) is not None
    assert Grant.objects.get(pk=row.pk).state == "granting"
    assert work(now + SECOND) == 0
    work(now + claiming.LEASE)
    assert Grant.objects.get(pk=row.pk).state == "usable"
    assert claiming.claim(now=row.ends_at) is not None
    work(row.ends_at + claiming.LEASE)
    done = Grant.objects.get(pk=row.pk)
    assert (done.state, done.ending_at) == ("ended", row.ends_at)


def test_what_is_ended_while_it_is_given_is_taken_away_again(
    lab: Lab, on_role: Make, holder: Identity, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = given(on_role(), holder, now)

    def end_it(*_: object) -> float:
        """Between the answer of the target and the worker's own commit."""
        monkeypatch.undo()
        with ThreadPoolExecutor(1) as other:
            other.submit(_ended, row.pk, now).result(timeout=20)
        return 0.0

    # The clock is read once more when the target has shown it.
    ticks = iter([lambda: 0.0, end_it])

    def tick() -> float:
        return next(ticks, lambda: 0.0)()

    monkeypatch.setattr("identities.actions.grants.carrying.monotonic", tick)
    assert grants.grant_next(now=now)
    moved = Grant.objects.get(pk=row.pk)
    assert (moved.state, moved.leased_until) == ("ending", None)
    work(now)
    assert Grant.objects.get(pk=row.pk).state == "ended"
    assert policies_of(lab, row.name) == ["task"]


def _ended(pk: Any, now: datetime) -> None:
    try:
        grants.end(pk, by=COMMAND, reason="cut off", now=now)
    finally:
        connections.close_all()


def test_a_session_that_is_opened_while_it_ends_is_handed_to_nobody(
    lab: Lab, on_role: Make, holder: Identity, now: datetime, user: Make
) -> None:
    alice = user("alice")
    rows = [given(on_role(), holder, now) for _ in range(3)]
    work(now)

    def take(row: Grant) -> str:
        try:
            minting.mint(row.pk, by=alice, now=now + MINUTE)
        except Exception as problem:  # noqa: BLE001 - whatever it was refused with
            return type(problem).__name__
        finally:
            connections.close_all()
        return "taken"

    with ThreadPoolExecutor(6) as pool:
        taken = [pool.submit(take, row) for row in rows]
        ended = [pool.submit(_ended, row.pk, now + MINUTE) for row in rows]
        for one in ended:
            one.result(timeout=30)
        said = {one.result(timeout=30) for one in taken}
    assert said <= {"taken", "NotAllowed", "NotPossible"}
    work(now + MINUTE)
    for row in Grant.objects.all():
        # Either nobody got one, or its role denies that session everything until it is over.
        living = row.sessions.filter(lives_until__gt=now + MINUTE).exists()
        assert row.state == ("ending" if living else "ended")
        assert row.removed_at == now + MINUTE
