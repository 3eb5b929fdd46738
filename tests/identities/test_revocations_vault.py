"""The worker's road to a Vault server: from asking to effective, by what evidence names there."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from evidence.formats.record import ActorName
from evidence.models import Actor, Event, Term
from evidence.names import actor_ids
from evidence.vocabulary import ISSUANCE, OUTCOME_OK, PLANE_IDENTITY
from identities import checks
from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.models import Binding, Credential, CredentialState, Identity, Revocation
from identities.permissions import NotPossible
from tests.identities.conftest import NOW
from tests.identities.enforcers.vault_lab import OURS, ROLE, Lab, vault_lab
from tests.identities.revoking import ask, work

__all__ = ["vault_lab"]

# Committed rows: the worker uses transactions of its own.
pytestmark = pytest.mark.django_db(transaction=True)

REALM = "vault:lab"


@pytest.fixture
def lab(vault_lab: Lab, settings: Any, tmp_path: Path) -> Lab:
    """The server, set up as an installation sets it up."""
    (tmp_path / "token").write_text(OURS)
    entry = {
        "address": vault_lab.address,
        "realms": [REALM],
        "token": f"file:{tmp_path}/token",
        "max_lease_seconds": 3600,
    }
    (tmp_path / "enforcers.yaml").write_text(yaml.safe_dump({"vault": [entry]}))
    settings.ENFORCERS, settings.ALLOW_PRIVATE = str(tmp_path / "enforcers.yaml"), True
    return vault_lab


def _actor(kind: str, value: str) -> Actor:
    name = ActorName(REALM, kind, value)
    return Actor.objects.get(pk=actor_ids([name], now=NOW)[name])


def _credential(identity: Identity, kind: str, value: str, **said: Any) -> Credential:
    key = Credential.objects.create(
        actor=_actor(kind, value),
        identity=identity,
        kind=kind,
        standing=False,
        issued_at=NOW,
        state_at=NOW,
        **said,
    )
    CredentialState.objects.create(
        credential=key, state="active", during=(NOW, None), recorded_at=NOW
    )
    return key


def test_a_token_from_requested_to_effective_with_a_real_use_before_and_after(
    lab: Lab, active: Callable[..., Identity]
) -> None:
    identity, name, now = active("reporting"), lab.login(), datetime.now(UTC)
    key = _credential(identity, "token", name)
    row = ask(identity, "revoke", now=now, credential=key)
    assert (row.system, row.state) == ("vault", "requested")
    assert lab.uses(name) == 200
    assert work(now) == ["confirmed", "effective"]
    assert (lab.uses(name), lab.asked("auth/token/revoke-accessor")) == (403, 1)
    key.refresh_from_db()
    assert key.state == "revoked"


def test_a_lie_is_found_and_tried_again_by_a_person(
    lab: Lab, active: Callable[..., Identity]
) -> None:
    identity, name, now = active("reporting"), lab.lease(), datetime.now(UTC)
    lab.lies = True
    row = ask(identity, "revoke", now=now, credential=_credential(identity, "secret", name))
    for minute in range(20):
        work(now + timedelta(minutes=minute))
    row.refresh_from_db()
    assert (row.state, row.failed_why) == (
        "failed",
        f"The target took the change but does not show it: Lease {name} is there.",
    )
    lab.lies, later = False, now + timedelta(hours=1)
    revocations.retry(revocation=row, by=COUNTERSIGN, now=later)
    assert work(later) == ["confirmed", "effective"]
    assert lab.leases == {}


def test_a_secret_id_is_destroyed_in_the_approle_of_its_issue_and_its_logins_live_on(
    lab: Lab, active: Callable[..., Identity]
) -> None:
    identity, name, now = active("reporting"), lab.secret_id(), datetime.now(UTC)
    unknown = _credential(identity, "secret", lab.secret_id())
    with pytest.raises(NotPossible, match=r"Of which AppRole .* its issue is not in evidence"):
        ask(identity, "revoke", now=now, credential=unknown)
    path = Term.objects.create(key=identity.pk, kind=Term.RESOURCE, value=f"{ROLE}/secret-id")
    key = _credential(identity, "secret", name, issued_event=7)
    Event.objects.create(
        at=NOW,
        id=7,
        received_at=NOW,
        deposit_id=1,
        source_id=1,
        ordinal=0,
        action_id=1,
        resource_id=path.pk,
        plane=PLANE_IDENTITY,
        activity=ISSUANCE,
        outcome=OUTCOME_OK,
        time_basis=0,
        digest=identity.pk,
    )
    row = ask(identity, "revoke", now=now, credential=key)
    assert row.target["extra"] == {"role": ROLE}
    assert work(now)[:1] == ["confirmed"]
    row.refresh_from_db()
    assert [one["what"] for one in row.residual] == [
        "tokens that this secret id was logged in for before"
    ]
    assert row.residual_until == now + timedelta(hours=1)
    assert work(now + timedelta(hours=1)) == ["effective"]
    assert list(lab.secret_ids) == [unknown.actor.value]


def test_of_several_namespaces_the_one_that_a_name_is_of(
    lab: Lab, active: Callable[..., Identity], tmp_path: Path
) -> None:
    entry = {"address": lab.address, "realms": [REALM], "token": f"file:{tmp_path}/token"}

    def set_up(*namespaces: str) -> None:
        entries = [{**entry, "namespace": one} for one in namespaces]
        (tmp_path / "enforcers.yaml").write_text(yaml.safe_dump({"vault": entries}))

    identity = active("reporting")
    inside = _credential(identity, "token", f"{lab.login()}.Ab3xZ")
    set_up("", "team-a")
    for key, account in (
        (_credential(identity, "token", lab.login()), lab.address),
        (inside, f"{lab.address}/team-a"),
    ):
        row = ask(identity, "revoke", now=NOW, credential=key)
        assert row.target["account"] == account
    set_up("team-a", "team-b")
    other = _credential(identity, "secret", "database/creds/reporting/abcd1234.Ab3xZ")
    with pytest.raises(NotPossible, match=r"Of which namespace .* cannot be told"):
        ask(identity, "revoke", now=NOW, credential=other)
    set_up()
    with pytest.raises(NotPossible, match=f"No enforcer changes a secret of {REALM}"):
        ask(identity, "revoke", now=NOW, credential=other)


def test_an_identity_is_held_by_its_entity_and_released(
    lab: Lab, active: Callable[..., Identity], tmp_path: Path
) -> None:
    identity, name, now = active("reporting"), lab.entity(), datetime.now(UTC)
    Binding.objects.create(
        identity=identity,
        actor=_actor("account", name),
        basis="declared",
        state="confirmed",
        during=(None, None),
        recorded_at=NOW,
        by="test",
    )
    token = lab.login(entity=name)
    digest = _credential(identity, "token", f"hmac-sha256:{'0a' * 32}")
    with pytest.raises(NotPossible, match="only by a digest, which ends nothing: hold the"):
        ask(identity, "revoke", now=now, credential=digest)
    ((_, well, found, fix),) = [one for one in checks.doctor() if "enforcer vault" in one[0]]
    assert (well, found) == (False, "may not end a token without its name")
    assert "hmac_accessor=false" in fix
    revocations.request(identity=identity, step="hold", now=now, by=COUNTERSIGN, because="test")
    work(now)
    held = Revocation.objects.get(step="hold", system="vault")
    assert (held.state, held.target["kind"], lab.uses(token)) == ("confirmed", "entity", 403)
    assert held.residual_until == now + timedelta(hours=1)
    later = now + timedelta(minutes=1)
    revocations.request(
        identity=identity, step="release", now=later, by=COUNTERSIGN, because="test"
    )
    work(later)
    released = Revocation.objects.get(step="release", system="vault")
    assert (released.state, lab.uses(token)) == ("effective", 200)
    # Settings that are wrong leave our own door closed, and the row says what is wrong.
    (tmp_path / "enforcers.yaml").write_text("vault: 7")
    revocations.request(identity=identity, step="hold", now=later, by=COUNTERSIGN, because="test")
    work(later)
    rows = Revocation.objects.filter(step="hold").exclude(pk=held.pk)
    assert dict(rows.values_list("system", "state")) == {
        "countersign": "effective",
        "vault": "failed",
    }
