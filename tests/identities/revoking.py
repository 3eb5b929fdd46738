"""An identity bound to a user of the AWS account, and short ways to ask, work and look.

Owns what the tests of revocations share; knows no case of them.
"""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError
from django.db import connections

from config.demo.aws import Demo
from evidence.models import Actor
from evidence.names import actor_ids
from identities import actornames
from identities.acting import COUNTERSIGN, By
from identities.actions import revocations
from identities.actions.revocations import of_aws
from identities.models import (
    Binding,
    Credential,
    CredentialState,
    Entitlement,
    Identity,
    Revocation,
)
from tests.awslab.lab import Lab, Person
from tests.identities.conftest import NOW

Make = Callable[..., Any]


@pytest.fixture(autouse=True)
def pointed_at_the_account(
    aws_account: Demo,
    settings: Any,
    tmp_path: Path,
) -> Iterator[None]:
    """The enforcer's endpoint and its own credentials by reference, as an installation has them."""
    file = tmp_path / "enforcer.json"
    own = aws_account.administrator
    file.write_text(
        json.dumps({"access_key_id": own.access_key_id, "secret_access_key": own.secret_access_key})
    )
    settings.AWS_ENDPOINT = aws_account.endpoint
    settings.AWS_CREDENTIALS = f"file:{file}"
    settings.ALLOW_PRIVATE = True
    settings.PROBE_FOLDER = ""
    of_aws._clients.cache_clear()
    yield
    of_aws._clients.cache_clear()


def actor(text: str) -> Actor:
    name = actornames.from_text(text)
    assert name is not None
    return Actor.objects.get(pk=actor_ids([name], now=NOW)[name])


@pytest.fixture
def held_by(active: Make) -> Callable[[Person], tuple[Identity, Credential]]:
    """An identity bound to a user of the account, and the row of the user's key."""

    def make(person: Person) -> tuple[Identity, Credential]:
        row = active(person.name)
        arn = actor(person.arn)
        Binding.objects.create(
            identity=row,
            actor=arn,
            basis="declared",
            state="confirmed",
            during=(None, None),
            recorded_at=NOW,
            by="test",
        )
        key = Credential.objects.create(
            actor=actor(person.credentials.access_key_id),
            identity=row,
            kind="access_key",
            standing=True,
            issued_at=NOW,
            issued_to=arn,
            state_at=NOW,
        )
        CredentialState.objects.create(
            credential=key, state="active", during=(NOW, None), recorded_at=NOW
        )
        return row, key

    return make


def ask(
    identity: Identity, step: str, *, now: datetime, by: By = COUNTERSIGN, **said: Any
) -> Revocation:
    (row,) = revocations.request(
        identity=identity, step=step, by=by, now=now, because="test", **said
    )
    return row


def work(now: datetime) -> list[str]:
    """Every state the newest row passes through until nothing is due."""
    states = []
    while revocations.enforce_next(now=now):
        states.append(Revocation.objects.order_by("-number").values_list("state", flat=True)[0])
    return states


def uses(lab: Lab, person: Person) -> str:
    try:
        lab.demo.clients(person.credentials).sts.get_caller_identity()
    except ClientError as refused:
        return str(refused.response["Error"]["Code"])
    return "answered"


def keep_secret(folder: Path, person: Person, settings: Any) -> None:
    settings.PROBE_FOLDER = str(folder)
    own = person.credentials
    (folder / f"{own.access_key_id}.json").write_text(
        json.dumps({"access_key_id": own.access_key_id, "secret_access_key": own.secret_access_key})
    )


def work_at_once(many: int, now: datetime) -> None:
    """So many workers carry out what waits, all beginning at the same moment."""
    gate = threading.Barrier(many)

    def worker() -> None:
        try:
            gate.wait(timeout=20)
            while revocations.enforce_next(now=now):
                pass
        finally:
            connections.close_all()

    with ThreadPoolExecutor(many) as pool:
        for one in [pool.submit(worker) for _ in range(many)]:
            one.result(timeout=60)


def opened(settings: Any, *, to: bool = True) -> None:
    """The setting without which nothing of what is allowed is changed."""
    file = Path(settings.ENFORCERS)
    said = yaml.safe_load(file.read_text())
    for entries in said.values():
        entries[0]["entitlements"] = to
    file.write_text(yaml.safe_dump(said))


def listed(owner: Identity, system: str, principal: str) -> Entitlement:
    """What it is allowed, as a reading of the lists keeps it (identities/inventory/following.py)."""
    return Entitlement.objects.create(
        identity=owner,
        system=system,
        principal=principal,
        during=(NOW, None),
        read_at=NOW,
        digest="list:x",
        possible=[],
        recorded_at=NOW,
    )
