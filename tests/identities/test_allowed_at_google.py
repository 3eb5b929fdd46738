"""What Google Cloud allows an account, on the worker's road: read, held, let go, narrowed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from identities.actions import entitlements
from identities.actions.revocations import carrying
from identities.enforcers.contract import Permission
from identities.enforcers.gcp_entitled import NEEDS
from identities.models import Entitlement, Identity, Revocation
from identities.permissions import NotPossible
from tests.identities.enforcers.gcp_lab import Lab as Google
from tests.identities.enforcers.gcp_lab import gcp_lab
from tests.identities.revoking import ask, opened, work
from tests.identities.test_revocations_gcp import agent, set_up

__all__ = ["agent", "gcp_lab", "set_up"]

# Committed rows: the worker uses a connection of its own.
pytestmark = pytest.mark.django_db(transaction=True)

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
READS = [Permission(("storage.objects.*",), ("*",))]
VIEWER, PUBLISHER = "roles/storage.objectViewer", "roles/pubsub.publisher"


@pytest.fixture
def account(gcp_lab: Google, agent: Any, settings: Any) -> tuple[Identity, str]:
    """An identity whose service account reads and publishes."""
    row, _, address = agent
    gcp_lab.given |= set(NEEDS)
    for role in (VIEWER, PUBLISHER):
        gcp_lab.policy.bind(role, f"serviceAccount:{address}")
    opened(settings)
    return row, address


def stands(row: Revocation) -> tuple[str, str, str]:
    row.refresh_from_db()
    return row.state, row.failed_why, row.who_must_act


def test_at_google_it_is_read_held_let_go_and_narrowed(
    gcp_lab: Google, account: tuple[Identity, str]
) -> None:
    row, address = account
    now = datetime.now(UTC)
    assert entitlements.read_next(now=now)
    assert not entitlements.read_next(now=now)
    found = Entitlement.objects.get()
    assert (found.system, found.principal) == ("gcp", address)
    assert [one["via"] for one in found.possible] == [f"role {PUBLISHER}", f"role {VIEWER}"]
    hold = ask(row, "hold", now=now, entitlement=found, permissions_left=READS)
    assert hold.words == f"Hold service account entitlement {address}"
    assert work(now) == ["confirmed", "effective"]
    assert gcp_lab.policy.given(address) == {VIEWER: True, PUBLISHER: False}
    # Neither the identity nor its account is stopped.
    row.refresh_from_db()
    assert (row.state, gcp_lab.accounts[address].get("disabled")) == ("active", None)

    release = ask(row, "release", now=now + SECOND, entitlement=found, held_by=hold.key)
    assert work(now + SECOND) == ["confirmed", "effective"]
    assert stands(release)[0] == "effective"
    assert gcp_lab.policy.given(address) == {VIEWER: True, PUBLISHER: True}

    later = now + 7 * 60 * MINUTE
    row_ = ask(row, "narrow", now=later, entitlement=found, permissions_left=READS)
    assert work(later) == ["confirmed", "effective"]
    assert stands(row_)[0] == "effective"
    assert gcp_lab.policy.given(address) == {VIEWER: True}
    entitlements.read(identity=row, now=later)
    newest = Entitlement.objects.get(superseded_at=None, during__upper_inf=True)
    assert [one["via"] for one in newest.possible] == [f"role {VIEWER}"]


def test_at_google_a_role_that_grew_meanwhile_waits_for_a_person(
    gcp_lab: Google, account: tuple[Identity, str]
) -> None:
    row, address = account
    now = datetime.now(UTC)
    (found,) = entitlements.read(identity=row, now=now)
    hold = ask(row, "hold", now=now, entitlement=found, permissions_left=READS)
    work(now)
    gcp_lab.policy.roles[PUBLISHER].append("pubsub.topics.delete")
    release = ask(row, "release", now=now + SECOND, entitlement=found, held_by=hold.key)
    work(now + SECOND)
    state, why, who = stands(release)
    assert (state, who) == ("failed", "an administrator of the Google Cloud project agents-prod")
    assert f"new: allows by role {PUBLISHER}" in why
    assert gcp_lab.policy.given(address)[PUBLISHER] is False


def test_a_project_that_lies_never_gets_a_confirmation(
    gcp_lab: Google, account: tuple[Identity, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "MOST_LOOKS", 2)
    monkeypatch.setattr(carrying, "SENT_AGAIN", 1)
    row, _ = account
    now = datetime.now(UTC)
    (found,) = entitlements.read(identity=row, now=now)
    gcp_lab.lies = True
    made = ask(row, "hold", now=now, entitlement=found, permissions_left=READS)
    for minutes in range(0, 80, 20):
        work(now + timedelta(minutes=minutes))
    state, why, _ = stands(made)
    assert state == "failed"
    assert why.startswith("The target took the change but does not show it: ")


def test_at_google_without_the_setting_it_is_neither_read_nor_asked_for(
    account: tuple[Identity, str], settings: Any
) -> None:
    row, _ = account
    now = datetime.now(UTC)
    (found,) = entitlements.read(identity=row, now=now)
    opened(settings, to=False)
    assert not entitlements.read_next(now=now + timedelta(days=1))
    with pytest.raises(NotPossible, match="No enforcer changes what gcp allows"):
        ask(row, "hold", now=now, entitlement=found)
    with pytest.raises(NotPossible, match="entitlements: true"):
        ask(row, "narrow", now=now, permissions_left=READS)
