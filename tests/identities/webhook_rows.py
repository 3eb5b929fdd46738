"""An identity in a system that takes steps by webhook, set up as an installation has it.

Owns what the tests of that road share: names, a credential, settings, and the receiver's word.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client

from evidence.formats.record import ActorName
from evidence.models import Actor
from evidence.names import actor_ids
from identities.models import Binding, Credential, CredentialState, Identity, Revocation
from tests.identities.conftest import NOW
from tests.identities.enforcers.webhook_lab import NAME, NEXT, OURS, THEIRS, Crm, answered, stamp

REALM, WHO = "crm:example", "the team of the CRM"
ADDRESS = f"/api/enforcers/{NAME}/proofs/"

type SetUp = Callable[..., None]


@pytest.fixture
def set_up(webhook_lab: Crm, settings: Any, tmp_path: Path) -> SetUp:
    """The settings of an installation, by call-back unless it is said otherwise."""
    for name, secret in (("ours", OURS), ("next", NEXT), ("theirs", THEIRS)):
        (tmp_path / name).write_text(secret)

    def write(**said: Any) -> None:
        entry = {
            "name": NAME,
            "url": f"{webhook_lab.url}/steps",
            "secrets": [f"file:{tmp_path / 'ours'}"],
            "answers": [f"file:{tmp_path / 'theirs'}"],
            "realms": [REALM],
            "principals": ["user"],
            "credentials": ["api_token"],
            "steps": ["hold", "release", "suspend", "resume", "revoke"],
            "administrator": WHO,
        }
        kept = {name: value for name, value in (entry | said).items() if value is not None}
        (tmp_path / "enforcers.yaml").write_text(yaml.safe_dump({"webhook": [kept]}))

    settings.ENFORCERS, settings.ALLOW_PRIVATE = str(tmp_path / "enforcers.yaml"), True
    write()
    return write


@pytest.fixture
def crm(webhook_lab: Crm, set_up: SetUp) -> Crm:
    return webhook_lab


@pytest.fixture
def agent(active: Any) -> Identity:
    """An agent that acts as a user of that system."""
    row: Identity = active("agent-of-sales")
    Binding.objects.create(
        identity=row,
        actor=_actor("user", "svc-report"),
        basis="declared",
        state="confirmed",
        during=(None, None),
        recorded_at=NOW,
        by="test",
    )
    return row


@pytest.fixture
def token(agent: Identity) -> Credential:
    """A token of its, which that system issued."""
    key = Credential.objects.create(
        actor=_actor("api_token", "svc-report"),
        identity=agent,
        kind="api_token",
        standing=True,
        issued_at=NOW,
        state_at=NOW,
    )
    CredentialState.objects.create(
        credential=key, state="active", during=(NOW, None), recorded_at=NOW
    )
    return key


def _actor(kind: str, value: str) -> Actor:
    name = ActorName(REALM, kind, value)
    return Actor.objects.get(pk=actor_ids([name], now=NOW)[name])


def say(
    row: Revocation, outcome: str, *, seen: datetime | None = None, sent: Any = None, **said: Any
) -> tuple[int, dict[str, Any]]:
    """The system's word on this row; the status and body that it is answered."""
    data = {
        "revocation": row.key,
        "step": row.step,
        "outcome": outcome,
        "seen_at": stamp(seen),
        **said,
    }
    return post(**answered(data, **(sent or {})))


def post(**said: Any) -> tuple[int, dict[str, Any]]:
    answer = Client().post(ADDRESS, **said)
    return answer.status_code, answer.json()
