"""Grants at a receiver of signed webhooks: told, and believed by what its status address says."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from identities.enforcers import webhook_receivers
from identities.enforcers.contract import PermanentFailure, Permission, Target, TemporaryFailure
from identities.enforcers.grants import Given
from identities.enforcers.grants_webhook import WebhookGranter
from tests.evidence.sources.server import Answer, Request
from tests.identities.enforcers.webhook_lab import NAME, OURS, Crm, stamp, webhook_lab

__all__ = ["webhook_lab"]


class Desk:
    """The receiver's side: who has what, by grant. `says`: what its status address answers instead."""

    def __init__(self, crm: Crm) -> None:
        self.crm, self.there = crm, dict[str, dict[str, Any]]()
        self.messages: list[str] = []
        self.says: dict[str, Any] | None = None
        crm.there.on("POST", "/steps", self.take)
        crm.there.on("POST", "/status", self.ask)

    def take(self, asked: Request) -> Answer:
        said = self.crm._opened(asked)
        if said is None:
            return Answer(401)
        self.messages.append(asked.headers["webhook-id"])
        data = said["data"]
        if said["type"] == "grant.grant" and not self.crm.lies:
            self.there[data["grant"]] = data
        if said["type"] == "grant.end" and not self.crm.lies:
            self.there.pop(data["grant"], None)
        return Answer(202)

    def ask(self, asked: Request) -> Answer:
        said = self.crm._opened(asked)
        if said is None:
            return Answer(401)
        data = said["data"]
        so = (data["grant"] in self.there) == (data["step"] == "grant")
        named = {"grant": data["grant"], "step": data["step"], "seen_at": stamp()}
        return Answer(200, named | (self.says or {"outcome": "effective" if so else "waiting"}))


@pytest.fixture
def desk(webhook_lab: Crm) -> Desk:
    return Desk(webhook_lab)


def settings(crm: Crm, folder: Path, **said: Any) -> dict[str, Any]:
    (folder / "secret").write_text(OURS)
    return {
        "name": NAME,
        "url": f"{crm.url}/steps",
        "status": f"{crm.url}/status",
        "secrets": [f"file:{folder}/secret"],
        "realms": ["crm:lab"],
        "principals": ["user"],
        "steps": ["revoke"],
        "grants": True,
        **said,
    }


@pytest.fixture
def granter(webhook_lab: Crm, desk: Desk, tmp_path: Path) -> WebhookGranter:
    found = webhook_receivers.receiver(settings(webhook_lab, tmp_path))
    return WebhookGranter(found, allow_private=True)


def to(name: str = "desk", *, lasts: timedelta = timedelta(hours=1)) -> Given:
    now = datetime(2026, 11, 27, 8, tzinfo=UTC)
    target = Target("webhook", NAME, "access", name, {"user": "alice"})
    return Given("GRT-7", target, (Permission(("read",), ("*",)),), now, now + lasts)


def test_it_is_told_and_shown_and_taken_back(desk: Desk, granter: WebhookGranter) -> None:
    now, one = datetime.now(UTC), to()
    assert granter.granted(one, now=now).state == "unknown"
    granter.grant(one, now=now)
    granter.grant(one, now=now)
    assert granter.granted(one, now=now).state == "active"
    assert granter.ended(one, now=now).state == "unknown"
    assert desk.there["GRT-7"]["target"] == {"name": "desk", "user": "alice"}
    assert desk.there["GRT-7"]["ends_at"] == "2026-11-27T09:00:00+00:00"
    granter.grant(to(lasts=timedelta(hours=2)), now=now)
    assert desk.there["GRT-7"]["ends_at"] == "2026-11-27T10:00:00+00:00"
    # The same message however often it is sent, another one for another end.
    assert len(desk.messages) == 3
    assert len(set(desk.messages)) == 2
    granter.end(one, now=now)
    assert granter.ended(one, now=now).state == "gone"
    assert granter.residual(one, since=now, now=now) == []


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ({"outcome": "failed", "reason": "no licence"}, "it failed: no licence"),
        ({"outcome": "done"}, "outcome is none of"),
        ({"outcome": "effective", "grant": "GRT-8"}, "about another than GRT-7"),
    ],
)
def test_what_it_says_otherwise_is_no_proof(
    desk: Desk, granter: WebhookGranter, says: dict[str, Any], words: str
) -> None:
    desk.says = says
    for look in (granter.granted, granter.ended):
        with pytest.raises((PermanentFailure, TemporaryFailure), match=words):
            look(to(), now=datetime.now(UTC))


def test_what_lives_on_is_listed_as_it_says(desk: Desk, granter: WebhookGranter) -> None:
    now = datetime.now(UTC)
    until = now + timedelta(minutes=5)
    desk.says = {"outcome": "residual", "reason": "open windows", "until": stamp(until)}
    assert granter.ended(to(), now=now).state == "gone"
    (one,) = granter.residual(to(), since=now, now=now)
    assert (one.what, one.until) == ("open windows, as crm says", until)
    assert granter.residual(to(), since=now, now=until) == []
    desk.says = {"outcome": "confirmed"}
    assert [each.until for each in granter.residual(to(), since=now, now=now)] == [None]


def test_it_needs_a_status_address_and_plain_names(
    webhook_lab: Crm, granter: WebhookGranter, tmp_path: Path
) -> None:
    for said, words in (
        ({"grants": "yes"}, "neither true nor false"),
        ({"status": ""}, "needs status"),
    ):
        entry = settings(webhook_lab, tmp_path, answers=[f"file:{tmp_path}/secret"], **said)
        with pytest.raises(PermanentFailure, match=words):
            webhook_receivers.receiver(entry)
    assert "not of one line" in granter.why_not(to("two\nlines"))
