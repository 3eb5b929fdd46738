"""The GitHub enforcer where something is wrong: permissions, limits, answers, our own credentials."""

import time
from pathlib import Path
from typing import Any

import pytest

from identities.enforcers import github, github_server, web
from identities.enforcers.contract import PermanentFailure, TemporaryFailure
from tests.evidence.sources.server import Answer, Request
from tests.identities.enforcers.github_lab import (
    OURS,
    Organisation,
    error,
    github_lab,
    limited,
    pem,
)
from tests.identities.enforcers.test_github import (
    AN_OWNER,
    ENDED,
    Set,
    enforcer,
    lab,
    revoke,
    seen,
    target,
)

__all__ = ["enforcer", "github_lab", "lab"]

ADMINISTRATOR = "the administrator of Countersign"


@pytest.mark.parametrize(
    ("kind", "permission"),
    [
        ("token", "organization_personal_access_tokens"),
        ("authorization", "organization_administration"),
        ("deploy_key", "administration"),
        ("member", "members"),
    ],
)
def test_a_permission_that_is_missing_is_named_and_found_beforehand(
    lab: Organisation, enforcer: Set, kind: str, permission: str
) -> None:
    at, what = enforcer(), target(lab, kind, **ENDED[kind])
    assert at.own_rights([what]) == []
    lab.permissions[permission] = "read"
    with pytest.raises(web.Refused, match="Resource not accessible by integration") as caught:
        revoke(at, what)
    assert (caught.value.right, caught.value.who_must_act) == (f"{permission} (write)", AN_OWNER)
    before = lab.changes()
    (lacks,) = at.own_rights([what])
    assert (lacks.permission, lacks.resource) == (permission, "acme")
    assert AN_OWNER in lacks.sentence
    assert lab.changes() == before
    assert seen(at, what) == "active"


@pytest.mark.parametrize("status", [403, 429])
def test_a_limit_waits_for_the_moment_that_github_states(
    lab: Organisation, enforcer: Set, status: int
) -> None:
    at, what = enforcer(), target(lab, "token", "9003")
    lab.fail("/orgs/acme/personal-access-tokens/3", limited(status))
    with pytest.raises(TemporaryFailure, match=f"answered {status}") as caught:
        revoke(at, what)
    assert 35.0 <= caught.value.retry_after <= 60.0
    # The secondary limit says how long.
    lab.fail("/orgs/acme/personal-access-tokens/3", Answer(403, {}, {"Retry-After": "60"}))
    with pytest.raises(TemporaryFailure) as caught:
        revoke(at, what)
    assert 60.0 <= caught.value.retry_after <= 90.0
    assert seen(at, what) == "active"


@pytest.mark.parametrize(
    "fault",
    [
        error(502, "Server Error"),
        Answer(200, "<html>unicorn"),
        Answer(200, "[{"),
        Answer(200, {}),
        Answer(200, "[7]"),
        Answer(200, [{"token_id": 9003, "id": "../1"}]),
        Answer(200, [{"token_id": 9003}]),
    ],
)
def test_an_answer_that_says_nothing_is_asked_for_again(
    lab: Organisation, enforcer: Set, fault: Answer
) -> None:
    lab.fail("/orgs/acme/personal-access-tokens", fault)
    with pytest.raises(TemporaryFailure):
        revoke(enforcer(), target(lab, "token", "9003"))
    assert lab.changes() == []


def test_a_list_never_leads_to_another_address(lab: Organisation, enforcer: Set) -> None:
    away = {"Link": '<https://evil.example.org/x>; rel="next"'}
    lab.fail("/orgs/acme/personal-access-tokens", Answer(200, [], away))
    with pytest.raises(PermanentFailure, match="goes on at another address"):
        seen(enforcer(), target(lab, "token", "9003"))


def test_a_membership_of_somebody_else_is_not_ended(lab: Organisation, enforcer: Set) -> None:
    lab.fail("/orgs/acme/memberships/Ana", Answer(200, {"user": {"login": "ben"}}))
    with pytest.raises(TemporaryFailure, match="does not say whose membership"):
        revoke(enforcer(), target(lab, "member", "Ana"))
    assert lab.changes() == []


def test_an_organisation_that_does_not_answer_is_given_up(
    lab: Organisation, enforcer: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(_: Request) -> Answer:
        time.sleep(0.6)
        return Answer(204)

    at, what = enforcer(), target(lab, "member", "Ana")
    lab.there.on("DELETE", "/orgs/*", late)
    monkeypatch.setattr(web, "TIMEOUT", 0.2)
    with pytest.raises(TemporaryFailure, match="did not answer"):
        revoke(at, what)


def test_our_own_credentials_say_who_must_act_and_not_what_they_are(
    lab: Organisation, enforcer: Set, tmp_path: Path
) -> None:
    at, what = enforcer(), target(lab, "token", "9003")
    lab.fail("/orgs/acme/personal-access-tokens", error(401, "Bad credentials"))
    with pytest.raises(web.Refused, match="does not accept Countersign's own") as refused:
        seen(at, what)
    assert refused.value.who_must_act == ADMINISTRATOR
    (tmp_path / "countersign").write_text(pem("another"))
    with pytest.raises(web.Refused, match="does not accept Countersign's own"):
        seen(at, what)
    (tmp_path / "countersign").write_text("no-key-at-all-but-secret")
    with pytest.raises(PermanentFailure, match="key refers to is no RSA") as caught:
        seen(at, what)
    assert "no-key-at-all-but-secret" not in caught.value.reason
    (tmp_path / "countersign").write_text(pem("countersign"))
    with pytest.raises(PermanentFailure, match="GitHub knows no installation 78") as caught:
        seen(enforcer(installation=78), what)
    assert caught.value.who_must_act == ADMINISTRATOR


@pytest.mark.parametrize(
    ("path", "kind", "name"), [("/orgs/*", "member", "Ana"), ("/app/*", "app", "deployer[bot]")]
)
def test_our_token_stands_in_no_failure(
    lab: Organisation, enforcer: Set, path: str, kind: str, name: str
) -> None:
    def telling(asked: Request) -> Answer:
        return error(418, f"no: {asked.headers['authorization']}")

    lab.there.on("DELETE", path, telling)
    with pytest.raises(PermanentFailure, match="no: Bearer") as caught:
        revoke(enforcer(), target(lab, kind, name))
    assert "[a secret of this source]" in caught.value.reason
    assert not any(token in caught.value.reason for token in lab.issued)


def test_private_addresses_are_refused_unless_they_are_allowed(
    lab: Organisation, enforcer: Set
) -> None:
    outside = github.GitHubEnforcer(enforcer()._org, allow_private=False)
    with pytest.raises(PermanentFailure, match="is refused: it does not speak https"):
        revoke(outside, target(lab, "token", "9003"))
    assert lab.there.asked == []


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"key": "given-itself"}, "key: a secret is named, not given"),
        ({"key": ""}, "key is missing"),
        ({"owner": "acme/x"}, "owner is no name of GitHub's"),
        ({"installation": "7x"}, "installation is not the number"),
        ({"realms": ["okta:x"]}, "realms is no list of realms"),
        ({"url": "api.github.com"}, "url is no address"),
        ({"token": "env:X"}, "there is no token"),
        ({"apps": []}, "apps does not say which Apps"),
        ({"apps": {"a/b": {}}}, "is no slug of an App"),
        ({"apps": {"a": {"key": "env:X"}}}, "apps, a: say client_id and key"),
        ({"apps": {"a": {"client_id": "i", "key": "x"}}}, "a secret is named, not given"),
        ({"apps": {"a": {"client_id": OURS, "key": "env:X"}}}, "is Countersign's own App"),
        ({"client_id": 7}, "client_id is no text"),
    ],
)
def test_wrong_settings_name_their_place(said: dict[str, Any], problem: str) -> None:
    right = {"owner": "Acme", "client_id": OURS, "installation": 77, "key": "env:GITHUB_KEY"}
    org = github_server.organisation(right)
    assert (org.account, org.realms) == ("https://api.github.com/orgs/Acme", ("github:acme",))
    with pytest.raises(PermanentFailure) as caught:
        github_server.organisation(right | said)
    assert problem in caught.value.reason
    assert caught.value.who_must_act == ADMINISTRATOR
