"""A key and a service principal of Entra on the worker's road, and what doctor says of a tenant."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from evidence.formats.record import ActorName
from evidence.models import Actor
from evidence.names import actor_ids
from identities import checks
from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.actions.revocations import of_entra
from identities.enforcers.contract import Permission
from identities.models import (
    Binding,
    Credential,
    CredentialState,
    Identity,
    Revocation,
    RevocationTry,
)
from identities.permissions import NotPossible
from tests.identities.conftest import NOW
from tests.identities.enforcers.entra_lab import (
    CLIENT,
    GRAPH,
    NARROWING,
    ROLES,
    SECRET,
    TENANT,
    Lab,
    entra_lab,
)
from tests.identities.revoking import ask, listed, opened, work

__all__ = ["entra_lab"]

# Committed rows: the worker uses a connection of its own.
pytestmark = pytest.mark.django_db(transaction=True)

REALM = f"entra:{TENANT}"


@pytest.fixture
def set_up(entra_lab: Lab, settings: Any, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    entry = {
        "tenant": TENANT,
        "client_id": CLIENT,
        "secret": f"file:{tmp_path / 'secret'}",
        "url": entra_lab.url,
        "login": entra_lab.url,
    }
    (tmp_path / "enforcers.yaml").write_text(yaml.safe_dump({"entra": [entry]}))
    settings.ENFORCERS, settings.ALLOW_PRIVATE = str(tmp_path / "enforcers.yaml"), True


def _actor(kind: str, value: str, parent: ActorName | None = None) -> Actor:
    name = ActorName(REALM, kind, value, parent)
    return Actor.objects.get(pk=actor_ids([name], now=NOW)[name])


@pytest.fixture
def agent(active: Any, entra_lab: Lab, set_up: None) -> tuple[Identity, Credential, str, str]:
    """An identity bound to a service principal, with a secret of its application."""
    number, app = entra_lab.principal()
    secret = str(uuid4())
    entra_lab.registered(app)["passwordCredentials"] = [{"keyId": secret}]
    above = ActorName(REALM, "app", app)
    row, principal = active("agent-of-reports"), _actor("service_principal", number, above)
    Binding.objects.create(
        identity=row,
        actor=principal,
        basis="declared",
        state="confirmed",
        during=(None, None),
        recorded_at=NOW,
        by="test",
    )
    key = Credential.objects.create(
        actor=_actor("key", secret),
        identity=row,
        kind="secret",
        standing=True,
        issued_at=NOW,
        seen_with=principal,
        state_at=NOW,
    )
    CredentialState.objects.create(
        credential=key, state="active", during=(NOW, None), recorded_at=NOW
    )
    return row, key, number, app


def test_a_key_is_requested_sent_confirmed_and_effective_when_its_tokens_have_ended(
    entra_lab: Lab, agent: tuple[Identity, Credential, str, str]
) -> None:
    identity, key, number, app = agent
    now = datetime.now(UTC)
    row = ask(identity, "revoke", now=now, credential=key)
    assert (row.system, row.target["kind"], row.target["extra"]) == (
        "entra",
        "key",
        {"principal": number},
    )
    assert work(now) == ["confirmed", "confirmed"]
    assert entra_lab.registered(app)["passwordCredentials"] == []
    row.refresh_from_db()
    key.refresh_from_db()
    assert row.sent_at is not None
    assert (key.state, row.residual_until) == ("revoked", row.sent_at + timedelta(hours=28))
    assert [one["what"][:13] for one in row.residual] == ["access tokens"] * 2
    assert work(now + timedelta(hours=29)) == ["effective"]
    tries = RevocationTry.objects.filter(revocation=row).order_by("id")
    assert list(tries.values_list("did", "result")) == [("send", "ok"), ("verify", "gone")]


def test_a_tenant_that_lies_never_gets_a_confirmation(
    entra_lab: Lab, agent: tuple[Identity, Credential, str, str]
) -> None:
    identity, key, _, _ = agent
    entra_lab.lies = True
    now = datetime.now(UTC)
    row = ask(identity, "revoke", now=now, credential=key)
    for minutes in range(0, 300, 20):
        work(now + timedelta(minutes=minutes))
    row.refresh_from_db()
    assert row.state == "failed"
    assert row.failed_why.startswith("The target took the change but does not show it: ")


def test_an_identity_is_held_at_its_principal_and_let_go(
    entra_lab: Lab, agent: tuple[Identity, Credential, str, str]
) -> None:
    identity, _, number, _ = agent
    now = datetime.now(UTC)
    for step, enabled, ends in (("hold", False, "confirmed"), ("release", True, "effective")):
        rows = revocations.request(
            identity=identity, step=step, by=COUNTERSIGN, now=now, because="test"
        )
        (there,) = [row for row in rows if row.system == "entra"]
        assert (there.target["kind"], there.target["name"]) == ("service_principal", number)
        work(now)
        there.refresh_from_db()
        assert (there.state, entra_lab.principals[number]["accountEnabled"]) == (ends, enabled)


def test_which_names_are_targets_and_which_keys_cannot_be_told(
    agent: tuple[Identity, Credential, str, str],
) -> None:
    identity, key, number, app = agent
    person = str(uuid4())
    names = [
        _actor("service_principal", number),
        _actor("app", app),
        _actor("user", "ann@example.com", ActorName(REALM, "user", person)),
        _actor("user", "bo@example.com"),
        _actor("service_principal", "by its display name"),
        _actor("key", str(uuid4())),
    ]
    found = {(one.kind, one.name) for one in of_entra.principals(names)}
    assert found == {
        ("service_principal", number),
        ("application", app),
        ("user", person),
        ("user", "bo@example.com"),
    }
    with pytest.raises(NotPossible, match="Entra has no hold for one key"):
        ask(identity, "hold", now=NOW, credential=key)
    Binding.objects.all().delete()
    Credential.objects.filter(pk=key.pk).update(seen_with=None)
    with pytest.raises(NotPossible, match=r"Whose key .* is cannot be told"):
        ask(identity, "revoke", now=NOW, credential=key)


def test_doctor_says_what_the_application_may_not(
    entra_lab: Lab, agent: tuple[Identity, Credential, str, str]
) -> None:
    name = f"enforcer entra {TENANT}"
    assert (name, True, "may do everything it needs", "") in checks.doctor()
    entra_lab.given.remove("Application.ReadWrite.All")
    ((_, well, said, fix),) = [one for one in checks.doctor() if one[0] == name]
    assert (well, said) == (False, "may not Application.ReadWrite.All")
    assert fix.startswith(f"Give the application {CLIENT} the application permission")
    del entra_lab.principals[agent[2]]
    ((_, _, said, _),) = [one for one in checks.doctor() if one[0] == name]
    assert said == "may not Application.ReadWrite.All, stop it"


def test_where_nobody_set_it_up_nothing_is_asked_for_and_wrong_settings_are_said(
    agent: tuple[Any, ...], settings: Any, tmp_path: Path
) -> None:
    identity, key = agent[:2]
    settings.ENFORCERS = ""
    with pytest.raises(NotPossible, match=f"No enforcer changes a secret of {REALM}"):
        ask(identity, "revoke", now=NOW, credential=key)
    said: dict[str, Any] = {"step": "hold", "by": COUNTERSIGN, "now": NOW, "because": "test"}
    rows = revocations.request(identity=identity, **said)
    assert [row.system for row in rows] == ["countersign"]
    (tmp_path / "enforcers.yaml").write_text("entra: 7")
    settings.ENFORCERS = str(tmp_path / "enforcers.yaml")
    with pytest.raises(NotPossible, match=r"entra in .* is no list of settings"):
        ask(identity, "revoke", now=NOW, credential=key)
    there = revocations.request(identity=identity, **said)[0]
    assert (there.system, work(NOW)) == ("entra", ["effective"])
    there.refresh_from_db()
    assert (there.state, there.who_must_act) == ("failed", "the administrator of Countersign")


def test_at_entra_it_is_narrowed_for_good_and_not_held(
    entra_lab: Lab, active: Any, settings: Any, set_up: None
) -> None:
    number, app = entra_lab.principal()
    above = ActorName(REALM, "app", app)
    row = active("agent-of-mail")
    _actor("service_principal", number, above)
    # Bound is the application, and its lists name the principal that hangs below it.
    Binding.objects.create(
        identity=row,
        actor=_actor("app", app),
        basis="declared",
        state="confirmed",
        during=(None, None),
        recorded_at=NOW,
        by="test",
    )
    entra_lab.given |= NARROWING
    entra_lab.principals[GRAPH]["displayName"] = "Microsoft Graph"
    for name in ("Mail.Read", "Mail.Send"):
        entra_lab.grants.app_role(number, ROLES[name], GRAPH)
    found = listed(row, "entra", number)
    with pytest.raises(NotPossible, match="No enforcer changes what entra allows"):
        ask(row, "narrow", now=NOW, entitlement=found)
    opened(settings)
    with pytest.raises(NotPossible, match="narrow it for good, or hold the principal"):
        ask(row, "hold", now=NOW, entitlement=found)
    now = datetime.now(UTC)
    left = [Permission(("Mail.Read",), ("Microsoft Graph",))]
    made = ask(row, "narrow", now=now, entitlement=found, permissions_left=left)
    assert work(now) == ["confirmed", "effective"]
    assert Revocation.objects.get(pk=made.pk).state == "effective"
    assert entra_lab.grants.shown(number) == [ROLES["Mail.Read"]]
