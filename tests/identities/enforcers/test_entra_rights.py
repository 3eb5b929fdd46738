"""Who the Entra enforcer is, what it may do, and that it says no secret."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from identities.enforcers import entra, entra_graph, web
from identities.enforcers.contract import PermanentFailure, TemporaryFailure
from tests.identities.enforcers.entra_lab import CLIENT, ROLES, SECRET, TENANT, Lab, entra_lab
from tests.identities.enforcers.oauth_lab import answering
from tests.identities.enforcers.test_entra import Set, enforcer, lab, now, target

__all__ = ["enforcer", "entra_lab", "lab"]


def test_one_token_serves_many_steps_and_one_that_is_taken_no_more_is_renewed(
    lab: Lab, enforcer: Set
) -> None:
    number, _ = lab.principal()
    of = target("service_principal", number)
    for _ in range(3):
        enforcer().hold(of, key="REV-7", now=now())
    assert len(lab.tokens) == 1
    lab.tokens.clear()
    enforcer().release(of, key="REV-8", now=now())
    assert (len(lab.tokens), lab.principals[number]["accountEnabled"]) == (1, True)
    path = f"/v1.0/servicePrincipals/{number}"
    lab.fail(path, answering(401), answering(401))
    with pytest.raises(web.Refused, match="does not accept Countersign's own credentials"):
        enforcer().hold(of, key="REV-9", now=now())


def test_wrong_credentials_of_our_own_say_who_must_act_and_not_what_they_are(
    lab: Lab, enforcer: Set, tmp_path: Path
) -> None:
    number, _ = lab.principal()
    (tmp_path / "secret").write_text("another-secret-altogether")
    with pytest.raises(PermanentFailure) as caught:
        enforcer().hold(target("service_principal", number), key="REV-7", now=now())
    assert "AADSTS7000215" in caught.value.reason
    assert "another-secret-altogether" not in caught.value.reason
    assert caught.value.who_must_act == "the administrator of Countersign"
    (tmp_path / "secret").unlink()
    with pytest.raises(PermanentFailure, match="cannot be read"):
        enforcer().hold(target("service_principal", number), key="REV-7", now=now())
    lab.fail(f"/{TENANT}/oauth2/v2.0/token", answering(503, Retry_After="20"))
    (tmp_path / "secret").write_text(SECRET)
    with pytest.raises(TemporaryFailure) as later:
        enforcer().hold(target("service_principal", number), key="REV-7", now=now())
    assert 20.0 <= later.value.retry_after <= 30.0


def test_the_token_itself_stands_in_no_failure(lab: Lab, enforcer: Set) -> None:
    number, _ = lab.principal()
    at, of = enforcer(), target("service_principal", number)
    at.hold(of, key="REV-7", now=now())
    (token,) = lab.tokens
    said = (
        f'{{"error": {{"code": "Request_BadRequest", "message": "{"x" * 280} not with {token}"}}}}'
    )
    lab.fail(f"/v1.0/servicePrincipals/{number}", lambda: None, answering(400, said))
    with pytest.raises(PermanentFailure) as caught:
        at.hold(of, key="REV-7", now=now())
    assert "not with [a" in caught.value.reason
    assert token[:8] not in caught.value.reason


@pytest.mark.parametrize(
    ("kind", "lacking"),
    [
        ("user", "User.EnableDisableAccount.All"),
        ("user", "User.RevokeSessions.All"),
        ("user", "User.Read.All"),
        ("service_principal", "Application.ReadWrite.All"),
        ("agent", "AgentIdentity.EnableDisable.All"),
        ("federated", "Application.ReadWrite.All"),
    ],
)
def test_a_right_that_is_missing_is_named_by_the_step_and_the_night_before(
    lab: Lab, enforcer: Set, kind: str, lacking: str
) -> None:
    number, app = lab.principal("ServiceIdentity" if kind == "agent" else "Application")
    of = {
        "user": lambda: target("user", lab.user("ann@example.com")),
        "federated": lambda: target("federated", lab.trust(app), app=app),
    }.get(kind, lambda: target("service_principal", number))()
    at = enforcer()
    assert at.own_rights([of]) == []
    lab.given.remove(lacking)
    with pytest.raises(web.Refused) as caught:
        at.revoke(of, key="REV-7", now=now())
    assert caught.value.right == lacking
    assert caught.value.who_must_act == f"an administrator of the Entra tenant {TENANT}"
    before = lab.changes()
    assert [one.permission for one in at.own_rights([of])] == [lacking]
    assert lab.changes() == before


def test_own_rights_name_the_targets_that_could_not_be_stopped_today(
    lab: Lab, enforcer: Set
) -> None:
    at = enforcer()
    assert at.own_rights() == []
    synchronised, home = lab.user("ann@example.com"), "99999999-aaaa-4aaa-8aaa-999999999999"
    lab.users[synchronised]["onPremisesSyncEnabled"] = True
    foreign, _ = lab.principal(owner=home)
    key, gone = str(uuid4()), str(uuid4())
    found = at.own_rights(
        [
            target("user", synchronised),
            target("user", "renamed@example.com"),
            target("key", key, principal=foreign),
            target("service_principal", gone),
        ]
    )
    assert [(one.permission, one.resource) for one in found] == [
        ("keep it disabled", synchronised),
        ("stop it", "renamed@example.com"),
        ("stop it", key),
        ("stop it", gone),
    ]
    assert lab.changes() == []
    lab.given.clear()
    assert len(at.own_rights()) == 4
    for number in [*lab.principals]:
        if lab.principals[number]["appId"] == CLIENT:
            del lab.principals[number]
    (missing,) = at.own_rights()
    assert (missing.permission, missing.resource) == ("sign in", CLIENT)


def test_private_addresses_are_refused_unless_they_are_allowed(lab: Lab, enforcer: Set) -> None:
    number, _ = lab.principal()
    with pytest.raises(PermanentFailure, match="is refused: it does not speak https"):
        enforcer(allow_private=False).hold(
            target("service_principal", number), key="REV-7", now=now()
        )
    assert lab.seen == []


def test_a_user_that_the_premises_keep_is_for_their_administrator(lab: Lab, enforcer: Set) -> None:
    of = target("user", lab.user("ann@example.com"))
    said = (
        "Unable to update the specified properties for on-premises mastered Directory Sync objects."
    )
    lab.fail(
        f"/v1.0/users/{of.name}",
        lambda: None,
        answering(400, f'{{"error": {{"code": "Request_BadRequest", "message": "{said}"}}}}'),
    )
    with pytest.raises(PermanentFailure) as caught:
        enforcer().hold(of, key="REV-7", now=now())
    assert caught.value.who_must_act == "an administrator of the directory on the premises"


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"tenant": "example.com"}, "tenant is no id"),
        ({"client_id": ""}, "client_id is no id"),
        ({"secret": "given-itself"}, "secret: a secret is named, not given"),
        ({"secret": ""}, "either secret or assertion is needed"),
        ({"assertion": "file:/run/token"}, "either secret or assertion is needed"),
        ({"access_token_seconds": 0}, "access_token_seconds is no number"),
        ({"url": "graph.microsoft.com"}, "url is no address"),
        ({"scret": "x"}, "there is no scret"),
        ({"login": 7}, "login is no text"),
    ],
)
def test_wrong_settings_name_their_place(said: Any, problem: str) -> None:
    entry = {"tenant": TENANT, "client_id": CLIENT, "secret": "env:THE_SECRET"}
    assert entra_graph.tenant(entry).tenant == TENANT
    with pytest.raises(PermanentFailure, match=problem):
        entra_graph.tenant(entry | said)


def test_every_right_that_is_asked_for_is_one_of_the_labs() -> None:
    for enough in (*entra.USERS, *entra.APPLICATIONS, *entra.AGENTS):
        assert enough[0] in ROLES
