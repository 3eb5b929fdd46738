"""What a killed worker had claimed is taken up within seconds, and what a living one has never is."""

import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from flask import Response

from identities.actions import revocations
from identities.actions.revocations import claiming, leasing
from identities.models import Circuit, Revocation
from tests.conftest import role_connection
from tests.evidence.killing import Doomed, dooming, wait
from tests.identities.enforcers.oauth_lab import Lab, oauth_lab, quiet
from tests.identities.revoking import ask
from tests.identities.token_rows import REALM, Issue, issued, set_up

__all__ = ["issued", "oauth_lab", "set_up"]

# Committed rows: the worker is a process of its own.
pytestmark = pytest.mark.django_db(transaction=True)

ENFORCE = "identities.tasks.enforce"
LEASING = "identities.actions.revocations.leasing"
# Nobody has the session of this number.
NOBODY = 2**31 - 1


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Callable[[float], dict[str, float]]:
    """Everything by seconds is sooner, here and in the worker that is told of it."""

    def make(gone: float) -> dict[str, float]:
        said = {"EVERY": 0.0, "GONE": gone, "SLOW": gone / 10}
        for name, value in said.items():
            monkeypatch.setattr(leasing, name, value)
        monkeypatch.setenv("COUNTERSIGN_ENFORCERS", settings.ENFORCERS)
        return {f"{LEASING}.{name}": value for name, value in said.items()}

    return make


def others_work(until: Callable[[], bool]) -> float:
    """Another worker does what it may until this is so; seconds."""
    began = time.monotonic()

    def step() -> bool:
        revocations.enforce_next(now=datetime.now(UTC))
        return until()

    wait(step)
    return time.monotonic() - began


def effective() -> bool:
    return not Revocation.objects.exclude(state="effective").exists()


def begun(worker: Doomed, lab: Lab, path: str) -> int:
    """A worker that waits for an answer from there."""
    child = worker.begin(ENFORCE)
    wait(lambda: lab.made(path) > 0)
    return child


@pytest.mark.parametrize(
    ("path", "taken", "then"),
    [
        ("/introspect", True, ["/revoke", "/introspect", "/introspect"]),
        ("/revoke", False, ["/revoke", "/introspect", "/revoke", "/introspect"]),
    ],
)
def test_killed_between_send_and_record_it_is_effective_within_half_a_minute(
    oauth_lab: Lab, issued: Issue, quick: Any, path: str, taken: bool, then: list[str]
) -> None:
    """`taken`: whether the server had done it. What is due in five minutes is due in seconds."""
    identity, key, answer = issued()
    row = ask(identity, "revoke", now=datetime.now(UTC), credential=key)
    oauth_lab.fail(path, quiet(60) if taken else _hang)
    with dooming(quick(0.3)) as worker:
        os.kill(begun(worker, oauth_lab, path), signal.SIGKILL)
        assert worker.ended() == signal.SIGKILL
    row.refresh_from_db()
    assert (row.state, row.sent_at) == ("sending", None)
    assert row.leased_until is not None
    assert row.leased_until > datetime.now(UTC) + claiming.LEASE / 2
    assert (oauth_lab.uses(answer["access_token"]) == 401) is taken
    seconds = others_work(effective)
    assert 0.3 <= seconds < 30 - 10 - 2  # beside ours: what it really takes to be doubted
    assert oauth_lab.uses(answer["access_token"]) == 401
    # It was looked at before it went out again.
    asked = [path for path, _ in oauth_lab.seen if path in ("/revoke", "/introspect")]
    assert asked == then


def _hang() -> Response:
    """A request that is never done: its sender is dead by then, and nobody reads the answer."""
    time.sleep(60)
    return Response(status=503)


def end_sessions_of_others() -> set[int]:
    """All database sessions but ours: the worker's, and the one in which it says that it lives."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        ours = cursor.fetchone()[0]
    with role_connection("app", connection.settings_dict["NAME"]) as own:
        own.execute("SET ROLE NONE")
        found = own.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND usename = session_user AND pid NOT IN (pg_backend_pid(), %s)",
            [ours],
        ).fetchall()
        for (pid,) in found:
            own.execute("SELECT pg_terminate_backend(%s)", [pid])
    return {pid for (pid,) in found}


@pytest.mark.parametrize("lost", [False, True])
def test_a_slow_but_living_worker_is_never_overtaken(
    oauth_lab: Lab, issued: Issue, quick: Any, lost: bool
) -> None:
    """Also where its database session is lost while it waits for an answer."""
    identity, key, answer = issued()
    row = ask(identity, "revoke", now=datetime.now(UTC), credential=key)
    oauth_lab.fail("/revoke", quiet(2.5))
    with dooming(quick(0.8)) as worker:
        begun(worker, oauth_lab, "/revoke")
        ended = end_sessions_of_others() if lost else set()
        ends = time.monotonic() + 2
        others_work(lambda: time.monotonic() > ends)
        assert oauth_lab.made("/revoke") == 1
        assert oauth_lab.uses(answer["access_token"]) == 200
        row.refresh_from_db()
        assert row.state == "sending"
        assert row.leased_by not in ended
        assert bool(ended) is lost
        assert (worker.ended() == 0) is not lost  # it could not write what it was answered
    others_work(effective)
    assert oauth_lab.made("/revoke") == 1
    assert oauth_lab.uses(answer["access_token"]) == 401


def test_the_account_that_a_dead_worker_was_trying_is_tried_by_the_next(
    issued: Issue, quick: Any
) -> None:
    quick(0.0)
    identity, key, _ = issued()
    now = datetime.now(UTC)
    row = ask(identity, "revoke", now=now, credential=key)
    Circuit.objects.create(
        system=row.system,
        account=row.target["account"],
        failures=6,
        since=now,
        why="away",
        open_until=now - timedelta(seconds=1),
    )
    (claimed,) = claiming.claim(now=now)
    assert claimed.row.target["account"] != REALM
    assert leasing.give_back() == 0  # whose session is ours
    Revocation.objects.update(leased_by=NOBODY)
    assert Circuit.objects.get().trial_until is not None
    assert [leasing.give_back(), leasing.give_back(), leasing.give_back()] == [0, 1, 0]
    assert Circuit.objects.get().trial_until is None
    assert [one.row.pk for one in claiming.claim(now=now)] == [row.pk]
    row.refresh_from_db()
    assert (row.lost_at, row.leased_by == NOBODY) == (None, False)


def test_one_that_is_only_doubted_stays_its_worker_s(issued: Issue, quick: Any) -> None:
    quick(60.0)
    identity, key, _ = issued()
    now = datetime.now(UTC)
    row = ask(identity, "revoke", now=now, credential=key)
    (claimed,) = claiming.claim(now=now)
    Revocation.objects.update(leased_by=NOBODY)
    assert [leasing.give_back(), leasing.give_back()] == [0, 0]
    row.refresh_from_db()
    assert row.lost_at is not None
    assert claiming.claim(now=now) == []
    leasing.SLOW = 0.01
    with leasing.kept(leasing.REVOCATIONS, [row.pk], claimed.lease):
        wait(lambda: not Revocation.objects.filter(leased_by=NOBODY).exists())
    kept = Revocation.objects.get(pk=row.pk)
    assert (kept.lost_at, kept.leased_until) == (None, claimed.lease)
