"""The tasks with nothing to do, and what the doctor says of work that waits."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from identities import checks, tasks
from tests.identities.conftest import DAY

pytestmark = pytest.mark.django_db

Make = Callable[..., Any]


@pytest.mark.parametrize(
    "task",
    [
        tasks.judge_stored,
        tasks.born_credentials,
        tasks.propose_bindings,
        tasks.enforce,
        tasks.grants_due,
        tasks.expire,
        tasks.look_again,
        tasks.ask_rights,
        tasks.signals,
        tasks.keep_signals,
        tasks.read_entitlements,
    ],
)
def test_task_with_nothing_to_do_ends(task: Any) -> None:
    assert task() is None


def test_doctor_names_what_waits_and_the_fix(active: Make) -> None:
    from identities.models import Revocation

    now = datetime.now(UTC)
    said: dict[str, Any] = {
        "identity": active(expires_at=now - DAY),
        "step": "hold",
        "system": "aws",
        "target": {},
        "words": "x",
        "requested_at": now,
        "requested_by": "x",
    }
    Revocation.objects.create(
        **said, state="failed", failed_why="no right.", who_must_act="the AWS team", not_before=now
    )
    Revocation.objects.create(**said, not_before=now - timedelta(hours=1))
    found = {name: (ok, fix) for name, ok, _, fix in checks.doctor()}
    assert found == {
        "revocations": (False, "the AWS team must act, then try it again"),
        "enforcement": (False, "start the worker, or run manage.py enforce"),
        "identities": (False, "their owners attest them anew or retire them"),
        "stated times": (True, ""),
        "traces": (True, ""),
    }
