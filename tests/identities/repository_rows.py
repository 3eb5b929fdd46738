"""An identity whose access is written down in a repository, set up as an installation has it.

Owns what the tests of revocations by pull request share; knows no case of them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from evidence.formats.record import ActorName
from evidence.models import Actor
from evidence.names import actor_ids
from identities.actions.revocations import of_pull_request
from identities.enforcers.contract import Target
from identities.enforcers.pull_request import PullRequestEnforcer
from identities.models import Binding, Identity
from tests.identities.conftest import NOW
from tests.identities.enforcers.github_lab import NUMBER, OURS, OWNER, pem
from tests.identities.enforcers.repository_lab import REPOSITORY, Repository
from tests.identities.enforcers.scim_lab import TOKEN, Provider

REALM, WHO, PATH = "app:example", "the platform team", "teams/agents.tf"
TEXT = 'locals {\n  readers = [\n    "ana",\n    "svc",\n  ]\n}\n'
WITHOUT = TEXT.replace('    "svc",\n', "")

type SetUp = Callable[..., None]


@pytest.fixture
def set_up(repository_lab: Repository, settings: Any, tmp_path: Path) -> SetUp:
    """The settings of an installation; `also`: of other systems."""
    (tmp_path / "key").write_text(pem("countersign"))
    (tmp_path / "token").write_text(TOKEN)
    repository_lab.commit("main", {PATH: TEXT})

    def write(*, also: dict[str, Any] | None = None, **said: Any) -> None:
        edit = {
            "realms": [REALM],
            "principals": ["user"],
            "path": PATH,
            "remove": "member",
            "match": '"{name}"',
            "proof": "file",
            "session_seconds": 0,
        }
        entry = {
            "name": "terraform",
            "owner": OWNER,
            "repository": REPOSITORY,
            "branch": "main",
            "client_id": OURS,
            "installation": NUMBER,
            "key": f"file:{tmp_path / 'key'}",
            "url": repository_lab.url,
            "administrator": WHO,
            "edits": [edit | said.pop("edit", {})],
        }
        whole = {"pull_request": [entry | said], **(also or {})}
        (tmp_path / "enforcers.yaml").write_text(yaml.safe_dump(whole))

    settings.ENFORCERS, settings.ALLOW_PRIVATE = str(tmp_path / "enforcers.yaml"), True
    write()
    return write


@pytest.fixture
def repo(repository_lab: Repository, set_up: SetUp) -> Repository:
    return repository_lab


@pytest.fixture
def agent(active: Any) -> Identity:
    """An agent that is a user whom a file names."""
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


def at(name: str = "terraform") -> PullRequestEnforcer:
    return of_pull_request.enforcer(name)


def target(name: str = "svc", *, kind: str = "user", account: str = "terraform") -> Target:
    return Target("pull_request", account, kind, name, {"realm": REALM})


def scim_entry(provider: Provider, tmp_path: Path) -> dict[str, Any]:
    """The system that the file describes, where it can be looked at."""
    return {
        "scim": [
            {
                "url": provider.url,
                "token": f"file:{tmp_path / 'token'}",
                "realms": [REALM],
                "principals": {"user": "userName"},
                "session_seconds": 0,
            }
        ]
    }
