"""The Entra enforcer against a tenant on loopback: each kind of target, each step, each fault."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from identities.enforcers import entra, entra_graph, web
from identities.enforcers.contract import (
    KnownSession,
    PermanentFailure,
    Target,
    TemporaryFailure,
    confirms,
)
from tests.identities.enforcers.entra_lab import CLIENT, SECRET, TENANT, Lab, entra_lab
from tests.identities.enforcers.oauth_lab import answering, quiet

__all__ = ["entra_lab"]

type Set = Callable[..., entra.EntraEnforcer]


@pytest.fixture
def lab(entra_lab: Lab) -> Lab:
    return entra_lab


@pytest.fixture
def enforcer(lab: Lab, tmp_path: Path) -> Set:
    (tmp_path / "secret").write_text(SECRET)

    def make(*, allow_private: bool = True, **said: Any) -> entra.EntraEnforcer:
        entry = {
            "tenant": TENANT.upper(),
            "client_id": CLIENT,
            "secret": f"file:{tmp_path / 'secret'}",
            "url": lab.url,
            "login": lab.url,
        }
        return entra.EntraEnforcer(entra_graph.tenant(entry | said), allow_private=allow_private)

    return make


def target(kind: str, name: str, **extra: str) -> Target:
    return Target("entra", TENANT, kind, name, extra)


def now() -> datetime:
    return datetime.now(UTC)


def certificate(thumbprint: str = "52ED9B5038A47B9E2E2190715CC238359D4F8F73") -> dict[str, str]:
    return {"keyId": str(uuid4()), "customKeyIdentifier": thumbprint, "key": "MIID", "type": "AsymmetricX509Cert"}  # fmt: skip


def seen(at: entra.EntraEnforcer, of: Target, step: Any = "hold", **said: Any) -> str:
    return at.verify(of, step=step, now=now(), **said).state


@pytest.mark.parametrize(
    "kind", ["user", "login name", "service_principal", "application", "agent"]
)
def test_a_principal_is_stopped_let_go_and_stopped_for_good(
    lab: Lab, enforcer: Set, kind: str
) -> None:
    name = "Ann.O'Hara_corp.com#EXT#@example.com"
    if kind in ("user", "login name"):
        number = lab.user(name)
        row, of = lab.users[number], target("user", number if kind == "user" else name.lower())
    else:
        number, app = lab.principal("ServiceIdentity" if kind == "agent" else "Application")
        row = lab.principals[number]
        of = target("application", app) if kind == "application" else target("service_principal", number)  # fmt: skip
    at = enforcer()
    assert seen(at, of) == "active"
    for _ in range(2):
        sent = at.hold(of, key="REV-7", now=now())
        assert sent.reference
        assert (row["accountEnabled"], seen(at, of)) == (False, "denied")
    assert "which it was before" in sent.detail
    for _ in range(2):
        at.release(of, key="REV-8", now=now())
        assert (row["accountEnabled"], seen(at, of, "release")) == (True, "active")
    at.suspend(of, key="REV-9", now=now())
    assert (row["accountEnabled"], seen(at, of)) == (False, "denied")
    at.resume(of, key="REV-10", now=now())
    assert (row["accountEnabled"], seen(at, of)) == (True, "active")
    at.revoke(of, key="REV-11", now=now())
    found = at.verify(of, step="revoke", now=now())
    assert (found.state, confirms(found, step="revoke")) == ("denied", True)
    agents = {agent for method, _, agent in lab.seen if method == "PATCH"}
    assert agents == {f"countersign countersign-key/REV-{number}" for number in (7, 8, 9, 10, 11)}
    paths = {path.rpartition("/")[2] for method, path, _ in lab.seen if method == "PATCH"}
    assert paths == {"microsoft.graph.agentIdentity" if kind == "agent" else number}


def test_the_sessions_of_a_user_end_with_it(lab: Lab, enforcer: Set) -> None:
    of = target("user", lab.user("ann@example.com"))
    at, since = enforcer(), now()
    lab.users[of.name]["accountEnabled"] = False
    assert seen(at, of, since=since) == "active"
    at.hold(of, key="REV-7", now=now())
    assert seen(at, of, since=since) == "denied"
    assert lab.changes() == [
        ("PATCH", f"/v1.0/users/{of.name}"),
        ("POST", f"/v1.0/users/{of.name}/revokeSignInSessions"),
    ]


@pytest.mark.parametrize("where", ["registration", "service principal"])
@pytest.mark.parametrize("kind", ["secret", "certificate", "thumbprint"])
def test_a_key_is_taken_away_where_it_is_and_no_other(
    lab: Lab, enforcer: Set, where: str, kind: str
) -> None:
    number, app = lab.principal()
    row = lab.registered(app) if where == "registration" else lab.principals[number]
    secret, kept = {"keyId": str(uuid4())}, {"keyId": str(uuid4())}
    one, other = certificate(), certificate("AA" * 20)
    row["passwordCredentials"], row["keyCredentials"] = [secret, kept], [one, other]
    name = {
        "secret": secret["keyId"],
        "certificate": one["keyId"],
        "thumbprint": one["customKeyIdentifier"].lower(),
    }[kind]
    at = enforcer()
    for extra in ({"principal": number}, {"app": app}):
        assert seen(at, target("key", name, **extra), "revoke") == "active"
    of = target("key", name, principal=number)
    at.revoke(of, key="REV-7", now=now())
    found = at.verify(of, step="revoke", now=now())
    assert (found.state, confirms(found, step="revoke")) == ("gone", True)
    assert row["passwordCredentials"] == ([kept] if kind == "secret" else [secret, kept])
    # What stays of the certificates is what was there, with the certificate itself.
    assert row["keyCredentials"] == ([one, other] if kind == "secret" else [other])
    made = len(lab.changes())
    assert at.revoke(of, key="REV-7", now=now()).detail == f"Key {name} is already gone."
    assert len(lab.changes()) == made


def test_a_federated_trust_is_taken_away(lab: Lab, enforcer: Set) -> None:
    number, app = lab.principal()
    of = target("federated", lab.trust(app), principal=number)
    other = lab.trust(app)
    at = enforcer()
    assert seen(at, of, "revoke") == "active"
    at.revoke(of, key="REV-7", now=now())
    assert (seen(at, of, "revoke"), list(lab.trusts[app])) == ("gone", [other])
    assert at.revoke(of, key="REV-7", now=now()).detail.endswith("is already gone.")


def test_a_key_that_another_tenant_or_azure_keeps_is_for_others_to_take_away(
    lab: Lab, enforcer: Set
) -> None:
    home = "99999999-aaaa-4aaa-8aaa-999999999999"
    foreign, _ = lab.principal(owner=home)
    managed, _ = lab.principal("ManagedIdentity")
    at, name = enforcer(), str(uuid4())
    for step in (
        lambda of: at.revoke(of, key="REV-7", now=now()),
        lambda of: at.verify(of, step="revoke", now=now()),
    ):
        with pytest.raises(PermanentFailure) as caught:
            step(target("key", name, principal=foreign))
        assert caught.value.who_must_act == f"an administrator of the Entra tenant {home}"
        with pytest.raises(PermanentFailure, match="Azure itself keeps and renews"):
            step(target("key", name, principal=managed))
        with pytest.raises(PermanentFailure, match="look in its registration"):
            step(target("key", name, principal=str(uuid4())))
    # What hangs on the principal here can be taken away here, wherever it is registered.
    lab.principals[foreign]["passwordCredentials"] = [{"keyId": name}]
    at.revoke(target("key", name, principal=foreign), key="REV-7", now=now())
    assert lab.principals[foreign]["passwordCredentials"] == []


def test_what_is_gone_already_is_success_and_cannot_be_let_in_again(
    lab: Lab, enforcer: Set
) -> None:
    at, of = enforcer(), target("service_principal", str(uuid4()))
    assert at.revoke(of, key="REV-7", now=now()).detail == f"{of.name} is already gone."
    assert seen(at, of, "revoke") == "gone"
    with pytest.raises(PermanentFailure, match="nothing of it can be let in again"):
        at.release(of, key="REV-8", now=now())
    # A user whom nobody has under this login name may have another one by now.
    for ask in (at.hold, at.revoke):
        with pytest.raises(PermanentFailure, match="may have another login name by now"):
            ask(target("user", "ann@example.com"), key="REV-9", now=now())
    assert lab.changes() == []


def test_a_tenant_that_lies_is_seen_to_have_done_nothing(lab: Lab, enforcer: Set) -> None:
    number, app = lab.principal()
    key = {"keyId": str(uuid4())}
    lab.registered(app)["passwordCredentials"] = [key]
    lab.registered(app)["keyCredentials"] = [one := certificate()]
    lab.lies, at = True, enforcer()
    for of in (
        target("user", lab.user("ann@example.com")),
        target("service_principal", number),
        target("application", app),
        target("key", key["keyId"], app=app),
        target("key", one["keyId"], app=app),
        target("federated", lab.trust(app), app=app),
    ):
        at.revoke(of, key="REV-7", now=now())
        found = at.verify(of, step="revoke", now=now())
        assert (found.state, confirms(found, step="revoke")) == ("active", False)


def test_what_lives_on_has_the_documented_ends(lab: Lab, enforcer: Set) -> None:
    number, _ = lab.principal()
    managed, _ = lab.principal("ManagedIdentity")
    of, since = target("service_principal", number), now()
    known = [KnownSession("uti-1", since - timedelta(minutes=5), since + timedelta(minutes=40))]

    def ends(at: entra.EntraEnforcer, one: Target, when: datetime, sessions: Any = ()) -> Any:
        found = at.residual(one, since=since, now=when, sessions=sessions)
        return [(left.until or since) - since for left in found]

    at = enforcer()
    assert ends(at, of, since) == [timedelta(minutes=90), timedelta(hours=28)]
    assert ends(at, of, since, known)[0] == timedelta(minutes=40)
    assert ends(at, target("key", str(uuid4()), principal=number), since) == ends(at, of, since)
    assert ends(at, of, since + timedelta(hours=2)) == [timedelta(hours=28)]
    assert ends(at, of, since + timedelta(hours=29)) == []
    assert ends(at, target("service_principal", managed), since) == [timedelta(hours=24)]
    assert ends(enforcer(access_token_seconds=600), of, since) == [timedelta(minutes=10)]


def test_steps_that_entra_has_not_say_what_to_do(lab: Lab, enforcer: Set) -> None:
    number, app = lab.principal()
    at, key = enforcer(), target("key", str(uuid4()), app=app)
    for step in ("hold", "release", "suspend", "resume"):
        with pytest.raises(PermanentFailure) as caught:
            getattr(at, step)(key, key="REV-7", now=now())
        assert caught.value.reason == f"{key.name}: {entra.cannot(key, step)}"
        assert "or revoke the key" in caught.value.reason
    with pytest.raises(PermanentFailure, match="have its app roles and grants changed there"):
        at.narrow(target("service_principal", number), permissions=[], key="REV-7", now=now())
    assert lab.seen == []


@pytest.mark.parametrize(
    "of",
    [
        Target("entra", "99999999-aaaa-4aaa-8aaa-999999999999", "service_principal", str(uuid4())),
        Target("okta", TENANT, "service_principal", str(uuid4())),
        target("group", str(uuid4())),
        target("service_principal", "../users/me"),
        target("service_principal", f"{uuid4()}?$x"),
        target("application", "x')/owners"),
        target("user", "$ann@example.com"),
        target("user", "a/b@example.com"),
        target("key", "all", app=str(uuid4())),
        target("key", str(uuid4()), app="x')"),
    ],
)
def test_what_is_not_this_tenants_is_refused_before_anything_is_asked(
    lab: Lab, enforcer: Set, of: Target
) -> None:
    at = enforcer()
    for ask in (
        lambda: at.revoke(of, key="REV-7", now=now()),
        lambda: at.verify(of, step="revoke", now=now()),
        lambda: at.residual(of, since=now(), now=now()),
    ):
        with pytest.raises(PermanentFailure) as caught:
            ask()
        assert caught.value.who_must_act == "the administrator of Countersign"
    assert lab.seen == []


@pytest.mark.parametrize(
    ("fault", "least", "most"),
    [
        (answering(429, Retry_After="40"), 40.0, 60.0),
        (answering(503, Retry_After="7200"), 3600.0, 5400.0),
        (answering(500), 15.0, 22.5),
        (answering(409, '{"error": {"code": "Directory_ConcurrencyViolation"}}'), 15.0, 22.5),
        (answering(200, '{"id": '), 15.0, 22.5),
        (answering(200, "<html>Sign in"), 15.0, 22.5),
    ],
)
def test_a_tenant_that_cannot_now_is_asked_again_no_sooner_than_it_says(
    lab: Lab, enforcer: Set, fault: Any, least: float, most: float
) -> None:
    number, _ = lab.principal()
    lab.fail(f"/v1.0/servicePrincipals/{number}", fault)
    with pytest.raises(TemporaryFailure) as caught:
        enforcer().hold(target("service_principal", number), key="REV-7", now=now())
    assert least <= caught.value.retry_after <= most
    assert lab.principals[number]["accountEnabled"] is True


def test_a_tenant_that_says_nothing_is_given_up(
    lab: Lab, enforcer: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, _ = lab.principal()
    of, at = target("service_principal", number), enforcer()
    assert seen(at, of) == "active"
    monkeypatch.setattr(web, "TIMEOUT", 0.2)
    lab.fail(f"/v1.0/servicePrincipals/{number}", lambda: None, quiet(0.6))
    with pytest.raises(TemporaryFailure, match="did not answer"):
        at.hold(of, key="REV-7", now=now())


@pytest.mark.parametrize(
    ("status", "body", "shown"),
    [
        (200, '{"value": []}', "without its id"),
        (404, "<html>nothing here", "answered 404"),
        (404, '{"detail": "no such route"}', "answered 404"),
    ],
)
def test_an_answer_about_something_else_proves_nothing(
    lab: Lab, enforcer: Set, status: int, body: str, shown: str
) -> None:
    number, _ = lab.principal()
    of = target("service_principal", number)
    lab.fail(f"/v1.0/servicePrincipals/{number}", answering(status, body))
    with pytest.raises(PermanentFailure, match=shown):
        seen(enforcer(), of, "revoke")
    lab.principals[number]["accountEnabled"] = None
    assert seen(enforcer(), of, "revoke") == "unknown"
