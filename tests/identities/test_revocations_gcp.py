"""A key and a service account of Google Cloud on the worker's road, and what doctor says of both."""

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
from identities.actions.revocations import of_gcp
from identities.models import Binding, Credential, CredentialState, Identity, RevocationTry
from identities.permissions import NotPossible
from tests.identities.conftest import NOW
from tests.identities.enforcers.gcp_lab import PROJECT, Lab, credentials, gcp_lab
from tests.identities.revoking import ask, work

__all__ = ["gcp_lab"]

# Committed rows: the worker uses a connection of its own.
pytestmark = pytest.mark.django_db(transaction=True)

REALM = f"gcp:{PROJECT}"


@pytest.fixture
def set_up(gcp_lab: Lab, settings: Any, tmp_path: Path) -> None:
    (tmp_path / "gcp.json").write_text(credentials())
    entry = {
        "projects": [PROJECT],
        "credentials": f"file:{tmp_path / 'gcp.json'}",
        "url": gcp_lab.url,
        "resources": gcp_lab.url,
    }
    (tmp_path / "enforcers.yaml").write_text(yaml.safe_dump({"gcp": [entry]}))
    settings.ENFORCERS, settings.ALLOW_PRIVATE = str(tmp_path / "enforcers.yaml"), True


def _actor(kind: str, value: str, realm: str = REALM) -> Actor:
    name = ActorName(realm, kind, value)
    return Actor.objects.get(pk=actor_ids([name], now=NOW)[name])


def _credential(actor: Actor, identity: Identity) -> Credential:
    key = Credential.objects.create(
        actor=actor, identity=identity, kind=actor.kind, standing=True, issued_at=NOW, state_at=NOW
    )
    CredentialState.objects.create(
        credential=key, state="active", during=(NOW, None), recorded_at=NOW
    )
    return key


@pytest.fixture
def agent(active: Any, gcp_lab: Lab, set_up: None) -> tuple[Identity, Credential, str]:
    """An identity bound to a service account, with a key of it."""
    address = gcp_lab.account()
    row = active("agent-of-reports")
    Binding.objects.create(
        identity=row,
        actor=_actor("service_account", address),
        basis="declared",
        state="confirmed",
        during=(None, None),
        recorded_at=NOW,
        by="test",
    )
    number = gcp_lab.key(address)
    key = _actor("key", f"serviceAccounts/{address}/keys/{number}")
    return row, _credential(key, row), address


def test_a_key_is_requested_sent_confirmed_and_effective_when_its_tokens_have_ended(
    gcp_lab: Lab, agent: tuple[Identity, Credential, str]
) -> None:
    identity, key, address = agent
    now = datetime.now(UTC)
    row = ask(identity, "revoke", now=now, credential=key)
    assert (row.system, row.target["kind"], row.target["extra"]) == (
        "gcp",
        "key",
        {"account": address},
    )
    assert work(now) == ["confirmed", "confirmed"]
    assert gcp_lab.keys[address] == {}
    row.refresh_from_db()
    key.refresh_from_db()
    assert row.sent_at is not None
    assert (key.state, row.residual_until) == ("revoked", row.sent_at + timedelta(hours=1))
    assert work(now + timedelta(minutes=61)) == ["effective"]
    tries = RevocationTry.objects.filter(revocation=row).order_by("id")
    assert list(tries.values_list("did", "result")) == [("send", "ok"), ("verify", "gone")]


def test_a_key_and_its_account_are_held_and_let_go(
    gcp_lab: Lab, agent: tuple[Identity, Credential, str]
) -> None:
    identity, key, address = agent
    now = datetime.now(UTC)
    for step, disabled, ends in (("hold", True, "confirmed"), ("release", None, "effective")):
        row = ask(identity, step, now=now, credential=key)
        rows = revocations.request(
            identity=identity, step=step, by=COUNTERSIGN, now=now, because="test"
        )
        (there,) = [one for one in rows if one.system == "gcp"]
        assert (there.target["kind"], there.target["name"]) == ("service_account", address)
        work(now)
        found = [gcp_lab.accounts[address], *gcp_lab.keys[address].values()]
        assert [one.get("disabled") for one in found] == [disabled, disabled]
        for one in (row, there):
            one.refresh_from_db()
            assert one.state == ends


def test_a_project_that_lies_never_gets_a_confirmation(
    gcp_lab: Lab, agent: tuple[Identity, Credential, str]
) -> None:
    identity, key, _ = agent
    gcp_lab.lies = True
    now = datetime.now(UTC)
    row = ask(identity, "revoke", now=now, credential=key)
    for minutes in range(0, 300, 20):
        work(now + timedelta(minutes=minutes))
    row.refresh_from_db()
    assert row.state == "failed"
    assert row.failed_why.startswith("The target took the change but does not show it: ")


def test_which_names_are_targets_and_which_credentials_cannot_be_ended(
    agent: tuple[Identity, Credential, str],
) -> None:
    identity, _, address = agent
    names = [
        _actor("service_account", address.capitalize()),
        _actor("service_account", address),
        _actor("service_account", f"{PROJECT}.svc.id.goog[default/agent]"),
        _actor("user", "ann@example.com", "gcp:example.com"),
    ]
    (found,) = of_gcp.principals(names)
    assert (found.account, found.kind, found.name) == (PROJECT, "service_account", address)
    borrowed = _credential(_actor("session", f"{address} by ann@example.com"), identity)
    with pytest.raises(NotPossible, match="nothing that ends one token"):
        ask(identity, "revoke", now=NOW, credential=borrowed)
    lost = _credential(_actor("key", "serviceAccounts/1234567890/keys/abcd", "gcp"), identity)
    with pytest.raises(NotPossible, match=r"In which project .* cannot be told"):
        ask(identity, "revoke", now=NOW, credential=lost)
    other = _credential(_actor("key", f"projects/{PROJECT}/locations/global/keys/1"), identity)
    with pytest.raises(NotPossible, match=f"No enforcer changes a key of {REALM}"):
        ask(identity, "revoke", now=NOW, credential=other)


def test_doctor_says_what_the_account_may_not(
    gcp_lab: Lab, agent: tuple[Identity, Credential, str]
) -> None:
    name = f"enforcer gcp {PROJECT}"
    assert (name, True, "may do everything it needs", "") in checks.doctor()
    gcp_lab.given.remove("iam.serviceAccounts.disable")
    ((_, well, said, fix),) = [one for one in checks.doctor() if one[0] == name]
    assert (well, said) == (False, "may not iam.serviceAccounts.disable")
    assert fix.startswith(
        f"Give Countersign's account iam.serviceAccounts.disable in {PROJECT}: roles/iam."
    )


def test_where_nobody_set_it_up_nothing_is_asked_for_and_wrong_settings_are_said(
    agent: tuple[Any, ...], settings: Any, tmp_path: Path
) -> None:
    identity, key = agent[:2]
    settings.ENFORCERS = ""
    with pytest.raises(NotPossible, match=f"No enforcer changes a key of {REALM}"):
        ask(identity, "revoke", now=NOW, credential=key)
    said: dict[str, Any] = {"step": "hold", "by": COUNTERSIGN, "now": NOW, "because": "test"}
    rows = revocations.request(identity=identity, **said)
    assert [row.system for row in rows] == ["countersign"]
    (tmp_path / "enforcers.yaml").write_text("gcp: 7")
    settings.ENFORCERS = str(tmp_path / "enforcers.yaml")
    with pytest.raises(NotPossible, match=r"gcp in .* is no list of settings"):
        ask(identity, "revoke", now=NOW, credential=key)
    there = revocations.request(identity=identity, **said)[0]
    assert (there.system, work(NOW)) == ("gcp", ["effective"])
    there.refresh_from_db()
    assert (there.state, there.who_must_act) == ("failed", "the administrator of Countersign")
