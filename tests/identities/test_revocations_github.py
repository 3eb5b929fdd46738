"""GitHub by the worker's road: what lists make a target, and what stays for a person."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from evidence.formats.record import ActorName
from evidence.models import Actor, Connection, Source
from evidence.names import actor_ids
from identities import checks
from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.actions.revocations import reach
from identities.models import (
    Binding,
    Credential,
    CredentialState,
    Discovery,
    Identity,
    InventoryRead,
    Revocation,
)
from identities.permissions import NotPossible
from tests.identities.conftest import NOW
from tests.identities.enforcers.github_lab import NUMBER, OURS, OWNER, Organisation, github_lab, pem
from tests.identities.revoking import ask, work

__all__ = ["github_lab"]

# Committed rows: the worker uses connections of its own.
pytestmark = pytest.mark.django_db(transaction=True)

# An enterprise stands above the organisation, and names everybody in it.
REALM, BOT = "github:bigcorp", "deployer[bot]"

type Give = Callable[..., Credential]


@pytest.fixture
def lab(github_lab: Organisation, settings: Any, tmp_path: Path) -> Organisation:
    """An organisation with an App and tokens, set up as an installation has it."""
    github_lab.install("deployer", 12)
    github_lab.token(3, 9003)
    github_lab.authorize(33, authorized_credential_id=5000)
    github_lab.deploy_key("acme/reports", 43)
    for slug in ("countersign", "deployer"):
        (tmp_path / slug).write_text(pem(slug))
    entry = {
        "owner": OWNER,
        "client_id": OURS,
        "installation": NUMBER,
        "key": f"file:{tmp_path / 'countersign'}",
        "url": github_lab.url,
        "realms": [REALM],
        "apps": {"deployer": {"client_id": "Iv1.deployer", "key": f"file:{tmp_path / 'deployer'}"}},
    }
    (tmp_path / "enforcers.yaml").write_text(yaml.safe_dump({"github": [entry]}))
    settings.ENFORCERS, settings.ALLOW_PRIVATE = str(tmp_path / "enforcers.yaml"), True
    return github_lab


@pytest.fixture
def identity(active: Any) -> Identity:
    """An agent that acts as an App of the organisation."""
    row: Identity = active("agent-that-deploys")
    Binding.objects.create(
        identity=row,
        actor=_actor("app", BOT),
        basis="declared",
        state="confirmed",
        during=(None, None),
        recorded_at=NOW,
        by="test",
    )
    return row


@pytest.fixture
def give(identity: Identity) -> Give:
    """A credential of the identity; `part`: the list of the organisation that shows it."""
    source = Source.objects.create(name="lists", created_at=NOW, created_by="test")
    Connection.objects.create(source=source, connector="github", settings={"owner": "Acme"})
    read = InventoryRead.objects.create(
        source=source, system="github", realm=REALM, state="done", asked_at=NOW, asked_by="test"
    )

    def make(kind: str, value: str, *, part: str = "", scope: str = "", above: str = "") -> Any:
        actor = _actor(kind, value)
        if above:
            Actor.objects.filter(pk=actor.pk).update(parent=_actor("api_token", above))
            actor.refresh_from_db()
        key = Credential.objects.create(
            actor=actor, identity=identity, kind=kind, standing=True, issued_at=NOW, state_at=NOW
        )
        CredentialState.objects.create(
            credential=key, state="active", during=(NOW, None), recorded_at=NOW
        )
        if part:
            Discovery.objects.create(
                source=source, part=part, realm=REALM, scope=scope, actor=actor, credential=True,
                kind="listed", status="active", digest=value, read=read, read_at=NOW,
                during=(NOW, None), recorded_at=NOW,
            )  # fmt: skip
        return key

    return make


def _actor(kind: str, value: str) -> Actor:
    name = ActorName(REALM, kind, value)
    return Actor.objects.get(pk=actor_ids([name], now=NOW)[name])


def test_an_app_is_suspended_and_let_in_again_with_its_identity(
    lab: Organisation, identity: Identity
) -> None:
    now = datetime.now(UTC)
    rows = revocations.request(
        identity=identity, step="suspend", by=COUNTERSIGN, now=now, because="test"
    )
    assert sorted(row.words for row in rows) == [
        "Suspend agent-that-deploys at the decision endpoint",
        f"Suspend app {BOT}",
    ]
    assert work(now)
    row = Revocation.objects.get(system="github")
    assert (row.state, lab.installed["deployer"]["suspended_at"]) == (
        "effective",
        "2026-11-27T04:00:00Z",
    )
    later = now + timedelta(hours=1)
    revocations.request(identity=identity, step="resume", by=COUNTERSIGN, now=later, because="test")
    work(later)
    assert lab.installed["deployer"]["suspended_at"] is None


@pytest.mark.parametrize(
    ("kind", "value", "part", "scope", "left"),
    [
        ("api_token", "9003", "fine-grained tokens", "", "tokens"),
        ("api_token", "5000", "authorised credentials", "", "authorizations"),
        ("key", "43", "deploy keys", "acme/reports", "keys"),
    ],
)
def test_what_a_list_shows_is_requested_sent_confirmed_and_effective(
    lab: Organisation, give: Give, kind: str, value: str, part: str, scope: str, left: str
) -> None:
    key, now = give(kind, value, part=part, scope=scope), datetime.now(UTC)
    assert key.identity is not None
    with pytest.raises(NotPossible, match="GitHub has no hold for a"):
        ask(key.identity, "hold", now=now, credential=key)
    row = ask(key.identity, "revoke", now=now, credential=key)
    assert (row.system, row.state) == ("github", "requested")
    assert work(now) == ["confirmed", "effective"]
    assert getattr(lab, left) in ([], {"acme/reports": []})
    key.refresh_from_db()
    assert key.state == "revoked"


def test_a_token_that_no_list_shows_is_not_taken_for_gone(lab: Organisation, give: Give) -> None:
    listed = give("api_token", "9003", part="fine-grained tokens")
    assert listed.identity is not None
    used = give("token", "hash-of-it", above="9003")
    row = ask(listed.identity, "revoke", now=NOW, credential=used)
    assert (row.target["kind"], row.target["name"]) == ("token", "9003")
    for key in (give("api_token", "777"), give("token", "hash-of-an-app")):
        with pytest.raises(NotPossible, match="No list of GitHub's shows"):
            ask(listed.identity, "revoke", now=NOW, credential=key)
    Connection.objects.update(settings={"owner": "elsewhere"})
    other = give("api_token", "888", part="fine-grained tokens")
    with pytest.raises(NotPossible, match="The GitHub organisation elsewhere is not set up"):
        ask(listed.identity, "revoke", now=NOW, credential=other)


def test_an_organisation_that_says_done_and_does_nothing_waits_for_a_person(
    lab: Organisation, give: Give
) -> None:
    lab.lies = True
    key, now = give("api_token", "9003", part="fine-grained tokens"), datetime.now(UTC)
    assert key.identity is not None
    row = ask(key.identity, "revoke", now=now, credential=key)
    for minute in range(20):
        work(now + timedelta(minutes=minute))
    row.refresh_from_db()
    assert (row.state, row.who_must_act) == ("failed", reach.ADMINISTRATOR)
    assert "GitHub lists fine-grained token 9003 at acme." in row.failed_why
    lab.lies = False
    later = now + timedelta(hours=1)
    revocations.retry(revocation=row, by=COUNTERSIGN, now=later)
    assert work(later) == ["confirmed", "effective"]


def test_doctor_says_what_could_not_be_stopped_today(
    lab: Organisation, give: Give, identity: Identity
) -> None:
    give("api_token", "9003", part="fine-grained tokens")
    name = f"enforcer github {lab.url}/orgs/acme"
    assert (name, True, "may do everything it needs", "") in checks.doctor()
    lab.permissions["organization_personal_access_tokens"] = "read"
    ((_, well, said, _),) = [one for one in checks.doctor() if one[0] == name]
    assert (well, said) == (False, "may not organization_personal_access_tokens")
    lab.permissions["organization_personal_access_tokens"] = "write"
    binding = Binding.objects.get()
    Binding.objects.filter(pk=binding.pk).update(actor=_actor("app", "vendor[bot]"))
    ((_, well, said, fix),) = [one for one in checks.doctor() if one[0] == name]
    assert (well, said) == (False, "may not stop app")
    assert "suspend it at acme by hand" in fix
    assert lab.changes() == []
