"""SCIM by the worker's road: users of an identity, what SCIM cannot see, and broken settings."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from evidence.formats.record import ActorName
from evidence.models import Actor
from evidence.names import actor_ids
from identities import checks
from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.actions.revocations import reach
from identities.enforcers.contract import Permission
from identities.models import Binding, Identity, Revocation
from tests.evidence.sources.server import Answer
from tests.identities.conftest import NOW
from tests.identities.enforcers.scim_lab import TOKEN, Provider, scim_lab
from tests.identities.revoking import work

__all__ = ["scim_lab"]

# Committed rows: the worker uses connections of its own.
pytestmark = pytest.mark.django_db(transaction=True)
REALM, WORDS = "app:example", "Suspend user svc"
type Said = dict[str, Any]


@pytest.fixture
def entry(scim_lab: Provider, settings: Any, tmp_path: Path) -> Said:
    """A provider with a user in two groups, set up as an installation has it."""
    scim_lab.user("u1", "svc")
    scim_lab.group("g1", "Readers", "u1")
    scim_lab.group("g2", "Writers", "u1")
    (tmp_path / "token").write_text(TOKEN)
    said = {
        "url": scim_lab.url,
        "token": f"file:{tmp_path / 'token'}",
        "realms": [REALM],
        "principals": {"user": "userName"},
        "session_seconds": 3600,
    }
    settings.ENFORCERS, settings.ALLOW_PRIVATE = str(tmp_path / "enforcers.yaml"), True
    write(settings, said)
    return said


def write(settings: Any, said: Said) -> None:
    Path(settings.ENFORCERS).write_text(yaml.safe_dump({"scim": [said]}))


@pytest.fixture
def agent(active: Any, entry: Said) -> Identity:
    row: Identity = active("agent-of-reports")
    name = ActorName(REALM, "user", "svc")
    Binding.objects.create(
        identity=row,
        actor=Actor.objects.get(pk=actor_ids([name], now=NOW)[name]),
        basis="declared",
        state="confirmed",
        during=(None, None),
        recorded_at=NOW,
        by="test",
    )
    return row


def ask(identity: Identity, step: str, now: datetime, **said: Any) -> Revocation:
    """The row of the provider; that of our own door stands beside it."""
    rows = revocations.request(
        identity=identity, step=step, by=COUNTERSIGN, now=now, because="test", **said
    )
    (row,) = (one for one in rows if one.system == "scim")
    return row


def test_a_user_is_suspended_until_its_sessions_are_over_and_let_in_again(
    scim_lab: Provider, agent: Identity
) -> None:
    now = datetime.now(UTC)
    row = ask(agent, "suspend", now)
    assert row.words == WORDS
    work(now)
    row.refresh_from_db()
    assert (row.state, scim_lab.users["u1"]["active"]) == ("confirmed", False)
    assert row.residual[0]["what"].startswith("sessions and tokens opened before, which SCIM")
    assert row.residual_until == now + timedelta(hours=1)
    work(now + timedelta(hours=2))
    row.refresh_from_db()
    assert row.state == "effective"
    back = ask(agent, "resume", now + timedelta(hours=3))
    work(now + timedelta(hours=3))
    back.refresh_from_db()
    assert (back.state, scim_lab.users["u1"]["active"]) == ("effective", True)


def test_a_narrowing_leaves_the_groups_it_names(scim_lab: Provider, agent: Identity) -> None:
    now = datetime.now(UTC)
    left = [Permission(("member",), ("Readers",))]
    row = ask(agent, "narrow", now, permissions_left=left)
    work(now)
    row.refresh_from_db()
    assert row.state == "effective"
    assert [bool(one["members"]) for one in scim_lab.groups.values()] == [True, False]


def test_a_provider_that_lies_waits_for_a_person_and_is_tried_again(
    scim_lab: Provider, agent: Identity
) -> None:
    scim_lab.lies, now = True, datetime.now(UTC)
    row = ask(agent, "hold", now)
    for minute in range(20):
        work(now + timedelta(minutes=minute))
    row.refresh_from_db()
    assert (row.state, row.who_must_act) == ("failed", reach.ADMINISTRATOR)
    assert "shows user svc as active" in row.failed_why
    scim_lab.lies = False
    later = now + timedelta(hours=1)
    revocations.retry(revocation=row, by=COUNTERSIGN, now=later)
    work(later)
    row.refresh_from_db()
    assert row.state == "confirmed"


def test_a_crash_between_sending_and_its_record_is_settled_by_looking(
    scim_lab: Provider, agent: Identity
) -> None:
    now = datetime.now(UTC)
    row = ask(agent, "hold", now)
    Revocation.objects.filter(pk=row.pk).update(state="sending", sending_at=now)
    scim_lab.users["u1"]["active"] = False
    work(now)
    row.refresh_from_db()
    assert (row.state, scim_lab.changes()) == ("confirmed", [])


def test_an_entry_that_is_wrong_is_said_by_the_row_and_not_passed_over(
    agent: Identity, entry: Said, settings: Any
) -> None:
    write(settings, entry | {"revoke": "erase"})
    now = datetime.now(UTC)
    row = ask(agent, "hold", now)
    work(now)
    row.refresh_from_db()
    assert (row.state, row.who_must_act) == ("failed", reach.ADMINISTRATOR)
    assert "revoke is neither deactivate nor delete" in row.failed_why


def test_doctor_says_what_could_not_be_stopped_today(
    scim_lab: Provider, agent: Identity, settings: Any, entry: Said
) -> None:
    name = f"enforcer scim {scim_lab.url}"

    def said() -> tuple[bool, str]:
        ((_, well, what, _),) = [one for one in checks.doctor() if one[0] == name]
        return well, what

    assert said() == (True, "may do everything it needs")
    scim_lab.users.clear()
    assert said() == (False, "may not stop user")
    scim_lab.fail("/Users", Answer(503))
    assert said()[0] is False
    Path(entry["token"].removeprefix("file:")).write_text("another")
    assert "does not accept Countersign's own" in said()[1]
    assert scim_lab.changes() == []
