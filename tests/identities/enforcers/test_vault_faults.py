"""The Vault enforcer when its server cannot, will not or may not: each fault, right and setting."""

import json
from pathlib import Path
from typing import Any

import pytest

from identities.enforcers import vault_server, web
from identities.enforcers.contract import PermanentFailure, TemporaryFailure
from tests.evidence.sources.server import Answer
from tests.identities.enforcers.vault_lab import (
    KINDS,
    ROLE,
    Lab,
    Set,
    made,
    revoke,
    slow,
    state,
    vault_enforcer,
    vault_lab,
)

__all__ = ["vault_enforcer", "vault_lab"]


@pytest.fixture
def lab(vault_lab: Lab) -> Lab:
    return vault_lab


@pytest.fixture
def enforcer(vault_enforcer: Set) -> Set:
    return vault_enforcer


@pytest.mark.parametrize(
    ("answer", "least", "most"),
    [
        # Rate limit quotas: Retry-After where the server is told to send it.
        (Answer(429, {"errors": ["rate limit quota exceeded"]}, {"Retry-After": "40"}), 40.0, 60.0),
        (Answer(429, {"errors": ["rate limit quota exceeded"]}), 15.0, 22.5),
        (Answer(503, {"errors": ["Vault is sealed"]}), 15.0, 22.5),
        (Answer(500, {"errors": ["internal error"]}), 15.0, 22.5),
    ],
)
def test_a_server_that_cannot_now_is_asked_again_no_sooner_than_it_says(
    lab: Lab, enforcer: Set, answer: Answer, least: float, most: float
) -> None:
    at, one = enforcer(), made(lab, "token")
    lab.there.fail(answer)
    with pytest.raises(TemporaryFailure) as caught:
        revoke(at, one)
    assert least <= caught.value.retry_after <= most
    assert state(at, one) == "active"


@pytest.mark.parametrize("body", ["", "<html>", "[]", "{}", '{"data": {"accessor": "another"}}'])
@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_does_not_say_whether_it_lives_proves_nothing(
    lab: Lab, enforcer: Set, kind: str, body: str
) -> None:
    at, one = enforcer(), made(lab, kind)
    if kind == "secret_id":
        lab.there.fail(None)
    lab.there.fail(Answer(200, body))
    with pytest.raises(TemporaryFailure):
        state(at, one)


def test_a_server_that_says_nothing_is_given_up(
    lab: Lab, enforcer: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, one = enforcer(), made(lab, "token")
    monkeypatch.setattr(web, "TIMEOUT", 0.2)
    lab.there.on("POST", "/v1/auth/token/revoke-accessor", slow(0.6))
    with pytest.raises(TemporaryFailure, match="did not answer"):
        revoke(at, one)


def test_our_own_token_that_ended_is_for_us_to_renew_and_stands_in_no_text(
    lab: Lab, enforcer: Set, tmp_path: Path
) -> None:
    at, one = enforcer(), made(lab, "token")
    (tmp_path / "token").write_text("hvs.an-older-token-of-ours")
    said = json.dumps({"errors": ["invalid token hvs.an-older-token-of-ours"]})
    lab.there.fail(None, Answer(403, said))
    for _ in range(2):
        with pytest.raises(web.Refused, match="does not accept Countersign's own token") as caught:
            state(at, one)
        assert caught.value.who_must_act == "the administrator of Countersign"
        assert "an-older-token" not in caught.value.reason
    (tmp_path / "token").unlink()
    with pytest.raises(PermanentFailure) as missing:
        state(at, one)
    assert missing.value.who_must_act == "the administrator of Countersign"


@pytest.mark.parametrize("kind", KINDS)
def test_rights_that_are_missing_are_named_and_nothing_is_tried(
    lab: Lab, enforcer: Set, kind: str
) -> None:
    at, one = enforcer(), made(lab, kind)
    assert at.own_rights([one]) == []
    lab.policy.clear()
    with pytest.raises(web.Refused, match="allow Countersign's token to") as caught:
        revoke(at, one)
    assert caught.value.who_must_act == f"the administrator of {lab.address}"
    before = len(lab.there.asked)
    missing = at.own_rights([one])
    assert [request.path for request in lab.there.asked[before:]] == ["/v1/sys/capabilities-self"]
    own = {"entity": f"identity/entity/id/{one.name}", "secret_id": ROLE}.get(kind, "auth/token")
    assert any(own in right.permission for right in missing)
    assert all(right.sentence.startswith("In Countersign's policy: path ") for right in missing)
    lab.policy = {right.permission.split()[-1]: ["root"] for right in missing}
    assert at.own_rights([one]) == []


def test_rights_that_cannot_be_asked_for_are_missing_themselves(lab: Lab, enforcer: Set) -> None:
    lab.ours = "another"
    (missing,) = enforcer().own_rights()
    assert missing.permission == "ask what it may do (sys/capabilities-self)"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "invalid accessor"),
        # Versions differ in the status, and list one error as many.
        (403, "1 error occurred:\n\t* invalid accessor\n\n"),
        (404, "invalid accessor"),
    ],
)
def test_a_token_that_is_gone_is_said_to_be_by_the_text(
    lab: Lab, enforcer: Set, status: int, said: str
) -> None:
    lab.there.fail(Answer(status, {"errors": [said]}))
    assert state(enforcer(), made(lab, "token")) == "gone"


def test_a_path_that_is_not_there_is_no_proof(lab: Lab, enforcer: Set) -> None:
    at, one = enforcer(), made(lab, "entity")
    lab.there.fail(Answer(404, {"errors": ["no handler for route. route entry not found."]}))
    with pytest.raises(PermanentFailure, match="no handler for route") as caught:
        state(at, one)
    assert caught.value.who_must_act == "the administrator of Countersign"


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"token": "hvs.given-itself"}, "token: a secret is named, not given"),
        ({"token": ""}, "token is missing"),
        ({"realms": []}, "realms is no list"),
        ({"max_lease_seconds": "60"}, "max_lease_seconds is no number"),
        ({"address": "vault.example.com:8200"}, "address is not the server's address"),
        ({"address": "https://vault.example.com/v1"}, "address is not the server's address"),
        ({"tokne": "x"}, "there is no tokne"),
        ({"namespace": 7}, "namespace is no text"),
    ],
)
def test_wrong_settings_name_their_place(said: Any, problem: str) -> None:
    right = {
        "address": "https://vault.example.com:8200/",
        "realms": ["vault:prod"],
        "token": "env:VAULT_TOKEN",
        "namespace": "team-a/",
    }
    assert vault_server.server(right).account == "https://vault.example.com:8200/team-a"
    with pytest.raises(PermanentFailure) as caught:
        vault_server.server(right | said)
    assert problem in caught.value.reason
    assert caught.value.who_must_act == "the administrator of Countersign"
