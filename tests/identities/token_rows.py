"""Identities with tokens of a real OAuth server, set up as an installation has it.

Owns what the tests of revocations at that server share; knows no case of them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from evidence.formats.record import ActorName
from evidence.models import Actor
from evidence.names import actor_ids
from identities.models import Credential, CredentialState, Identity
from tests.identities.conftest import NOW
from tests.identities.enforcers.oauth_lab import SECRET, Lab

REALM = "auth0:example"

type Issue = Callable[..., tuple[Identity, Credential, dict[str, Any]]]
type SetUp = Callable[..., None]


@pytest.fixture
def set_up(oauth_lab: Lab, settings: Any, tmp_path: Path) -> SetUp:
    """The settings of an installation: an entry for each of these clients."""
    (tmp_path / "secret").write_text(SECRET)

    def write(*clients: str, **said: Any) -> None:
        entry = {
            "issuer": oauth_lab.issuer,
            "realms": [REALM],
            "secret": f"file:{tmp_path / 'secret'}",
            "tokens": f"file:{tmp_path}/{{name}}.token",
        }
        entries = [entry | {"client_id": one} | said for one in clients]
        (tmp_path / "enforcers.yaml").write_text(yaml.safe_dump({"oauth": entries}))

    settings.ENFORCERS, settings.ALLOW_PRIVATE = str(tmp_path / "enforcers.yaml"), True
    write("agent")
    return write


@pytest.fixture
def issued(oauth_lab: Lab, set_up: SetUp, active: Any, tmp_path: Path) -> Issue:
    """An identity with a token that a real server issued, held where the settings say."""

    def make(
        name: str = "jti-1", *, identity: Identity | None = None, to: str = "agent"
    ) -> tuple[Identity, Credential, dict[str, Any]]:
        answer = oauth_lab.issue(to)
        (tmp_path / f"{name}.token").write_text(answer["access_token"])
        row = identity or active("agent-of-reports")
        key = Credential.objects.create(
            actor=token_actor("token", name),
            identity=row,
            kind="token",
            standing=False,
            issued_at=NOW,
            issued_to=token_actor("app", to),
            state_at=NOW,
        )
        CredentialState.objects.create(
            credential=key, state="active", during=(NOW, None), recorded_at=NOW
        )
        return row, key, answer

    return make


def token_actor(kind: str, value: str) -> Actor:
    name = ActorName(REALM, kind, value)
    return Actor.objects.get(pk=actor_ids([name], now=NOW)[name])
