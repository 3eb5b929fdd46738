"""A system on loopback that takes steps by signed webhook: it keeps what it was told and what it did.

Owns the receiver's side of Standard Webhooks, written against the specification and not against our
own code: signatures of HMAC-SHA256 over id, timestamp and body. Messages of one id are one message.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.evidence.sources.server import Answer, Request, There, serving

OURS, NEXT, THEIRS = (f"whsec_{base64.b64encode(one * 24).decode()}" for one in (b"o", b"n", b"t"))
NAME = "crm"
AFTER = {"hold": "held", "suspend": "held", "release": "active", "resume": "active"}


def signature(secret: str, message: str, at: str, body: str) -> str:
    """Standard Webhooks, "Signature scheme", version 1."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    said = f"{message}.{at}.{body}".encode()
    return "v1," + base64.b64encode(hmac.new(key, said, hashlib.sha256).digest()).decode()


@dataclass
class Crm:
    """What is in it. `lies`: it takes messages and does nothing. `knows`: secrets it checks with."""

    there: There
    states: dict[str, str] = field(default_factory=lambda: {"svc-report": "active"})
    messages: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    knows: list[str] = field(default_factory=lambda: [OURS])
    lies: bool = False
    status: Callable[[dict[str, Any]], Any] | None = None
    faults: list[Answer] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.there.url

    @property
    def told(self) -> list[str]:
        """Every message as it came, sent again or not."""
        return [
            one.headers["webhook-id"]
            for one in self.there.asked
            if one.method == "POST" and one.path == "/steps"
        ]

    def take(self, asked: Request) -> Answer:
        said = self._opened(asked)
        if said is None:
            return Answer(401, {"message": "signature"})
        if self.faults:
            return self.faults.pop(0)
        message, data = asked.headers["webhook-id"], said["data"]
        again = message in self.messages
        self.messages.setdefault(message, []).append(said)
        if not self.lies and not again:
            self.states[data["target"]["name"]] = AFTER.get(data["step"], "gone")
        return Answer(202, {"ok": True})

    def ask(self, asked: Request) -> Answer:
        said = self._opened(asked)
        if said is None:
            return Answer(401)
        if self.faults:
            return self.faults.pop(0)
        data = said["data"]
        named = {"revocation": data["revocation"], "step": data["step"]}
        if self.status is not None:
            return Answer(200, named | self.status(data))
        done = self.states[data["target"]["name"]] == AFTER.get(data["step"], "gone")
        outcome = {"outcome": "effective" if done else "waiting", "seen_at": stamp()}
        return Answer(200, named | outcome)

    def _opened(self, asked: Request) -> dict[str, Any] | None:
        """The message, where somebody signed it that this system knows, within five minutes."""
        message, at = asked.headers.get("webhook-id", ""), asked.headers["webhook-timestamp"]
        if abs(time.time() - int(at)) > 300:
            return None
        given = asked.headers["webhook-signature"].split()
        right = [signature(one, message, at, asked.body.decode()) for one in self.knows]
        found: dict[str, Any] = asked.json()
        return found if set(given) & set(right) else None


def stamp(at: datetime | None = None) -> str:
    return (at or datetime.now(UTC)).isoformat()


def answered(
    data: dict[str, Any] | str,
    *,
    message: str = "msg_1",
    secret: str = THEIRS,
    at: float | None = None,
    kind: str = "revocation.proof",
) -> dict[str, Any]:
    """A word of this system as the arguments of a client's POST, signed by its own secret."""
    body = data if isinstance(data, str) else json.dumps({"type": kind, "data": data})
    when = str(int(time.time() if at is None else at))
    headers = {
        "webhook-id": message,
        "webhook-timestamp": when,
        "webhook-signature": signature(secret, message, when, body),
    }
    return {"data": body, "content_type": "application/json", "headers": headers}


@pytest.fixture
def webhook_lab() -> Iterator[Crm]:
    """A system of its own for each test."""
    with serving() as there:
        crm = Crm(there)
        there.on("POST", "/steps", crm.take)
        there.on("POST", "/status", crm.ask)
        yield crm
