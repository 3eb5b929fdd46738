"""A transmitter with a key and a receiver with a token, and identities to tell about.

Owns what the tests of outgoing signals share; knows no case of them.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from joserfc.jwk import ECKey, RSAKey

from evidence.formats.record import ActorName
from evidence.models import Actor
from evidence.names import actor_ids
from evidence.vocabulary import KEY, STRENGTHS
from identities.acting import COMMAND
from identities.actions import tokens
from identities.models import (
    Binding,
    Credential,
    Finding,
    Identity,
    Revocation,
    SignalReceiver,
    User,
)
from identities.signals import pushing, streams, telling
from tests.evidence.sources.server import serving
from tests.identities.conftest import NOW
from tests.identities.signal_lab import Receiver

AUDIENCE = "https://receiver.example.com"
EC = ECKey.generate_key("P-256").as_pem(private=True).decode()
RSA = RSAKey.generate_key(2048).as_pem(private=True).decode()

type SetUp = Callable[..., None]


@pytest.fixture
def keyed(settings: Any, tmp_path: Path) -> SetUp:
    """The keys of the installation: the first signs, the others are published."""

    def write(*pems: str) -> None:
        places = []
        for number, pem in enumerate(pems):
            (tmp_path / f"key-{number}-{abs(hash(pem))}.pem").write_text(pem)
            places.append(f"file:{tmp_path}/key-{number}-{abs(hash(pem))}.pem")
        entry = {"key": places[0], "also": places[1:]}
        (tmp_path / "enforcers.yaml").write_text(yaml.safe_dump({"signals": [entry]}))
        settings.ENFORCERS = str(tmp_path / "enforcers.yaml")

    settings.ALLOW_PRIVATE = True
    write(EC)
    return write


def registered(user: User, *, name: str = "", **said: Any) -> tuple[SignalReceiver, str]:
    """A receiver and a token of its login."""
    now = datetime.now(UTC)
    row = streams.register(
        name=name or user.username,
        user=user,
        audience=said.pop("audience", AUDIENCE),
        default_subjects=said.pop("default_subjects", "ALL"),
        named_by=said.pop("named_by", "key"),
        by=COMMAND,
        now=now,
    )
    _, token = tokens.create(
        user=user, name="signals", scopes=["signals"], lasts=timedelta(days=1), by=COMMAND, now=now
    )
    return row, token


@pytest.fixture
def receiving(
    keyed: SetUp, live_server: Any, settings: Any, user: Callable[..., User]
) -> Iterator[Callable[..., Receiver]]:
    """`receiving(name, …)`: a receiver over HTTP, registered, with the keys it found."""
    settings.BASE_URL = live_server.url
    made, open_ = [], []

    def make(name: str = "gateway", **said: Any) -> Receiver:
        _, token = registered(user(name), **said)
        serves = serving()
        one = Receiver(serves.__enter__(), live_server.url, said.get("audience", AUDIENCE), token)
        open_.append(serves)
        made.append(one)
        one.fetch_keys()
        return one

    yield make
    for one in made:
        one.http.close()
    for serves in open_:
        serves.__exit__(None, None, None)


def bound(identity: Identity, realm: str, kind: str, value: str) -> Actor:
    name = ActorName(realm, kind, value)
    found = Actor.objects.get(pk=actor_ids([name], now=NOW)[name])
    Binding.objects.create(
        identity=identity,
        actor=found,
        basis="declared",
        state="confirmed",
        during=(NOW - timedelta(days=900), None),
        recorded_at=NOW,
        by="test",
    )
    return found


def credential(identity: Identity, value: str = "AKIAIOSFODNN7EXAMPLE") -> Credential:
    name = ActorName("aws", "access_key", value)
    return Credential.objects.create(
        actor=Actor.objects.get(pk=actor_ids([name], now=NOW)[name]),
        identity=identity,
        kind="access_key",
        standing=True,
        issued_at=NOW,
        state_at=NOW,
    )


def went_out(identity: Identity, step: str, *, now: datetime, **said: Any) -> Revocation:
    """A revocation that was sent now, and what became of it (`state`)."""
    row = Revocation(
        identity=identity,
        step=step,
        system="aws",
        target={},
        words="x",
        state="sent",
        requested_at=now,
        requested_by="user:x",
        not_before=now,
        sent_at=now,
    )
    for name, value in said.items():
        setattr(row, name, value)
    row.save()
    row.refresh_from_db()
    return row


def found(identity: Identity, rule: str = "no_run", **said: Any) -> Finding:
    row = Finding.objects.create(
        **{
            "identity": identity,
            "rule": rule,
            "strength": KEY,
            "strengths": {STRENGTHS[said.get("strength", KEY)]: 1},
            "words": "x",
            "first_at": NOW,
            "last_at": NOW,
            "opened_at": NOW,
            "state_at": NOW,
        }
        | said
    )
    row.refresh_from_db()
    return row


def work(now: datetime | None = None) -> int:
    """Tell and push until nothing is due; how many turns that took."""
    now, turns = now or datetime.now(UTC), 0
    while telling.tell_next(now=now):
        pass
    while pushing.push_next(now=now):
        turns += 1
    return turns
