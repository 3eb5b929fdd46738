"""The OAuth enforcer against a real server: each step, each client authentication, each fault."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from identities.enforcers import oauth, oauth_clients, oauth_server, web
from identities.enforcers.contract import (
    KnownSession,
    PermanentFailure,
    Target,
    TemporaryFailure,
    confirms,
)
from tests.identities.enforcers.oauth_lab import (
    LIFE,
    SECRET,
    Client,
    Lab,
    answering,
    oauth_lab,
    quiet,
)

__all__ = ["oauth_lab"]

type Set = Callable[..., oauth.OAuthEnforcer]

NAME = "jti-1"


@pytest.fixture
def lab(oauth_lab: Lab) -> Lab:
    return oauth_lab


@pytest.fixture
def kept(tmp_path: Path) -> Callable[..., None]:
    """A token where the settings say that it lies: itself, or the token endpoint's answer."""

    def keep(text: str | dict[str, Any], name: str = NAME) -> None:
        (tmp_path / f"{name}.token").write_text(text if isinstance(text, str) else json.dumps(text))

    return keep


@pytest.fixture
def enforcer(lab: Lab, tmp_path: Path) -> Set:
    (tmp_path / "secret").write_text(SECRET)

    def make(**said: Any) -> oauth.OAuthEnforcer:
        entry = {
            "issuer": lab.issuer,
            "client_id": "agent",
            "realms": ["otel:lab"],
            "secret": f"file:{tmp_path / 'secret'}",
            "tokens": f"file:{tmp_path}/{{name}}.token",
        }
        return oauth.OAuthEnforcer([oauth_clients.client(entry | said)], allow_private=True)

    return make


def target(lab: Lab, name: str = NAME, client: str = "agent") -> Target:
    return Target("oauth", lab.issuer, "token", name, {"client": client})


def now() -> datetime:
    return datetime.now(UTC)


def revoke(at: oauth.OAuthEnforcer, lab: Lab, name: str = NAME) -> None:
    at.revoke(target(lab, name), key="REV-7", now=now())


def state(at: oauth.OAuthEnforcer, lab: Lab, name: str = NAME) -> str:
    return at.verify(target(lab, name), step="revoke", now=now()).state


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
def test_an_access_token_is_dead_at_the_server_and_where_it_was_used(
    lab: Lab, enforcer: Set, kept: Callable[..., None], tmp_path: Path, method: str
) -> None:
    lab.clients["agent"].methods = (method, "client_secret_basic")
    issued = lab.issue()
    lab.clients["agent"].methods = (method,)
    if method == "private_key_jwt":
        (tmp_path / "secret").write_text(lab.pem)
    kept(issued["access_token"])
    at = enforcer(authentication=method)
    assert (state(at, lab), lab.uses(issued["access_token"])) == ("active", 200)
    revoke(at, lab)
    seen = at.verify(target(lab), step="revoke", now=now())
    assert (seen.state, lab.uses(issued["access_token"])) == ("gone", 401)
    assert confirms(seen, step="revoke")
    assert at.residual(target(lab), since=now(), now=now()) == []
    agents = [agent for path, agent in lab.seen if path == "/revoke"]
    assert agents == ["countersign countersign-key/REV-7"]


def test_of_a_grant_the_refresh_token_goes_first_and_both_are_looked_at(
    lab: Lab, enforcer: Set, kept: Callable[..., None]
) -> None:
    issued = lab.issue()
    kept(issued)
    at, since = enforcer(), now()
    sent = at.revoke(target(lab), key="REV-7", now=since)
    assert sent.detail == f"{lab.issuer} was shown the refresh token and access token of jti-1."
    assert lab.refreshes(issued["refresh_token"]) == 400
    assert at.verify(target(lab), step="revoke", now=since).detail == (
        "The refresh token and access token of jti-1 is not active by introspection."
    )
    (left,) = at.residual(target(lab), since=since, now=since)
    # As long as the server itself gives an access token.
    assert left.until == since + timedelta(seconds=issued["expires_in"])
    (left,) = enforcer(access_token_seconds=60).residual(target(lab), since=since, now=since)
    assert left.until == since + timedelta(seconds=60)
    assert (
        enforcer(access_token_seconds=60).residual(
            target(lab), since=since, now=since + timedelta(seconds=61)
        )
        == []
    )


def test_of_a_refresh_token_without_a_known_life_no_end_is_known(
    lab: Lab, enforcer: Set, kept: Callable[..., None]
) -> None:
    kept({"refresh_token": lab.issue()["refresh_token"]})
    (left,) = enforcer().residual(target(lab), since=now(), now=now())
    assert left.until is None


def test_a_token_that_says_its_own_end_lives_until_then_where_nobody_asks(
    lab: Lab, enforcer: Set, kept: Callable[..., None]
) -> None:
    lab.self_contained = True
    kept(lab.issue()["access_token"])
    at, since = enforcer(), now()
    revoke(at, lab)
    assert state(at, lab) == "gone"
    (left,) = at.residual(target(lab), since=since, now=since)
    assert left.what == "the access token, wherever it is taken without asking its server"
    assert left.until is not None
    assert abs((left.until - since).total_seconds() - LIFE) < 5
    assert at.residual(target(lab), since=since, now=left.until) == []


def test_tokens_issued_for_this_one_live_until_they_are_seen_dead(
    lab: Lab, enforcer: Set, kept: Callable[..., None]
) -> None:
    kept(lab.issue()["access_token"])
    kept(lab.issue()["access_token"], "child")
    at, since = enforcer(), now()
    children = [
        KnownSession("child", since - timedelta(minutes=1), since + timedelta(hours=1)),
        KnownSession("unheld", since - timedelta(minutes=1), since + timedelta(hours=2)),
    ]
    found = at.residual(target(lab), since=since, now=since, sessions=children)
    assert [one.until for one in found] == [one.expires_at for one in children]
    revoke(at, lab, "child")
    found = at.residual(target(lab), since=since, now=since, sessions=children)
    assert [one.what for one in found] == ["token unheld, which was issued for this one"]


def test_a_token_that_is_gone_already_is_success(
    lab: Lab, enforcer: Set, kept: Callable[..., None]
) -> None:
    issued = lab.issue()
    kept(issued["access_token"])
    at = enforcer()
    revoke(at, lab)
    revoke(at, lab)
    kept("a-token-that-nobody-issued", "unknown")
    revoke(at, lab, "unknown")
    assert (state(at, lab), state(at, lab, "unknown")) == ("gone", "gone")


def test_a_server_that_lies_is_seen_to_have_done_nothing(
    lab: Lab, enforcer: Set, kept: Callable[..., None]
) -> None:
    lab.lies = True
    kept(lab.issue()["access_token"])
    at = enforcer()
    revoke(at, lab)
    seen = at.verify(target(lab), step="revoke", now=now())
    assert (seen.state, confirms(seen, step="revoke")) == ("active", False)


@pytest.mark.parametrize("step", ["hold", "release", "suspend", "resume"])
def test_what_oauth_has_no_step_for_is_refused_with_what_to_do(
    lab: Lab, enforcer: Set, step: str
) -> None:
    with pytest.raises(PermanentFailure) as caught:
        getattr(enforcer(), step)(target(lab), key="REV-7", now=now())
    said = f"jti-1: OAuth has no {step} for a token: revoke the token, or hold the identity."
    assert (caught.value.reason, caught.value.who_must_act) == (said, "whoever asked for it")
    assert oauth.cannot(target(lab), step) == said.removeprefix("jti-1: ")


@pytest.mark.parametrize(
    ("fault", "least", "most"),
    [
        (answering(429, Retry_After="40"), 40.0, 60.0),
        (answering(503, Retry_After="7200"), 3600.0, 5400.0),
        (answering(500), 15.0, 22.5),
        (answering(408), 15.0, 22.5),
    ],
)
def test_a_server_that_cannot_now_is_asked_again_no_sooner_than_it_says(
    lab: Lab, enforcer: Set, kept: Callable[..., None], fault: Any, least: float, most: float
) -> None:
    kept(lab.issue()["access_token"])
    lab.fail("/revoke", fault)
    with pytest.raises(TemporaryFailure) as caught:
        revoke(enforcer(), lab)
    assert least <= caught.value.retry_after <= most
    assert state(enforcer(), lab) == "active"


@pytest.mark.parametrize("body", ["", "<html>Sign in", '{"active": ', "[]", "{}", '{"active": 0}'])
def test_an_answer_that_does_not_say_whether_it_lives_proves_nothing(
    lab: Lab, enforcer: Set, kept: Callable[..., None], body: str
) -> None:
    kept(lab.issue()["access_token"])
    lab.fail("/introspect", answering(200, body))
    with pytest.raises(TemporaryFailure):
        state(enforcer(), lab)


def test_an_answer_without_an_end_is_given_up(
    lab: Lab, enforcer: Set, kept: Callable[..., None]
) -> None:
    kept(lab.issue()["access_token"])
    lab.fail("/introspect", answering(200, "x" * (web.LARGEST_ANSWER + 1)))
    with pytest.raises(TemporaryFailure, match="more than 1 MiB"):
        state(enforcer(), lab)


def test_a_server_that_says_nothing_is_given_up(
    lab: Lab, enforcer: Set, kept: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(lab.issue()["access_token"])
    at = enforcer()
    assert state(at, lab) == "active"
    monkeypatch.setattr(web, "TIMEOUT", 0.2)
    lab.fail("/revoke", quiet(0.6))
    with pytest.raises(TemporaryFailure, match="did not answer"):
        revoke(at, lab)
    # It was heard all the same: only looking at it tells.
    monkeypatch.undo()
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    lab.close()
    with pytest.raises(TemporaryFailure, match="Nothing listens"):
        state(at, lab)


def test_wrong_credentials_of_our_own_say_who_must_act_and_not_what_they_are(
    lab: Lab, enforcer: Set, kept: Callable[..., None], tmp_path: Path
) -> None:
    kept(lab.issue()["access_token"])
    (tmp_path / "secret").write_text("another-secret-altogether")
    lab.fail(
        "/revoke",
        lambda: None,
        answering(401, json.dumps({"error": "I know another-secret-altogether"})),
    )
    for _ in range(2):
        with pytest.raises(web.Refused) as caught:
            revoke(enforcer(), lab)
        assert "does not accept Countersign's own credentials" in caught.value.reason
        assert "another-secret-altogether" not in caught.value.reason
        assert caught.value.who_must_act == "the administrator of Countersign"


def test_the_token_itself_stands_in_no_failure(
    lab: Lab, enforcer: Set, kept: Callable[..., None]
) -> None:
    token = lab.issue()["access_token"]
    kept(token)
    lab.fail("/revoke", answering(418, json.dumps({"error": f"no: token={token}"})))
    with pytest.raises(PermanentFailure) as caught:
        revoke(enforcer(), lab)
    assert "[a secret of this source]" in caught.value.reason
    assert token not in caught.value.reason


def test_a_client_that_may_not_is_told_which_right_it_lacks(
    lab: Lab, enforcer: Set, kept: Callable[..., None]
) -> None:
    kept(lab.issue("other")["access_token"])
    with pytest.raises(web.Refused) as caught:
        revoke(enforcer(), lab)
    assert caught.value.right == oauth_server.REVOKE
    assert caught.value.who_must_act == f"the administrator of {lab.issuer}"
    lab.fail("/revoke", answering(403))
    with pytest.raises(web.Refused, match="allow Countersign's client to revoke its tokens"):
        revoke(enforcer(), lab)
    lab.fail("/revoke", answering(400, '{"error": "unsupported_token_type"}'))
    with pytest.raises(PermanentFailure, match="does not revoke tokens of this type"):
        revoke(enforcer(), lab)


def test_a_token_that_nobody_put_there_waits_for_whoever_holds_it(
    lab: Lab, enforcer: Set, kept: Callable[..., None]
) -> None:
    for name in ("missing", "../secret", ".hidden", "x" * 201):
        with pytest.raises(PermanentFailure) as caught:
            revoke(enforcer(), lab, name)
        assert caught.value.who_must_act == "whoever holds the token"
        assert caught.value.reason.startswith(f"The token {name} is not held here")
    kept('{"id_token": "x"}')
    with pytest.raises(PermanentFailure, match="names no token"):
        revoke(enforcer(), lab)
    assert lab.seen == []


def test_private_addresses_are_refused_unless_they_are_allowed(
    lab: Lab, enforcer: Set, kept: Callable[..., None]
) -> None:
    kept(lab.issue()["access_token"])
    before = len(lab.seen)
    outside = oauth.OAuthEnforcer(enforcer()._clients, allow_private=False)
    with pytest.raises(PermanentFailure, match="is refused: it does not speak https"):
        revoke(outside, lab)
    assert len(lab.seen) == before


def test_metadata_of_another_issuer_is_not_used(
    lab: Lab, enforcer: Set, kept: Callable[..., None]
) -> None:
    kept(lab.issue()["access_token"])
    where = "/.well-known/oauth-authorization-server"
    lab.fail(where, answering(200, json.dumps({"issuer": "https://elsewhere.example"})))
    with pytest.raises(PermanentFailure, match="is not of http"):
        revoke(enforcer(), lab)
    lab.fail(where, answering(404))
    with pytest.raises(PermanentFailure, match="has no metadata"):
        revoke(enforcer(), lab)
    lab.fail(where, answering(200, json.dumps({"issuer": lab.issuer})))
    with pytest.raises(PermanentFailure, match="names no revocation endpoint"):
        enforcer().revoke(target(lab), key="REV-7", now=now())
    at = enforcer()
    seen = at.verify(target(lab), step="revoke", now=now())
    assert (seen.state, confirms(seen, step="revoke")) == ("unknown", False)


def test_own_rights_are_tried_without_ending_anything(
    lab: Lab, enforcer: Set, kept: Callable[..., None]
) -> None:
    lab.self_contained = True
    issued = lab.issue()
    kept(issued["access_token"])
    at = enforcer()
    (missing,) = at.own_rights([target(lab), target(lab, "missing")])
    assert (missing.permission, missing.resource) == ("revoke what is not held", "missing")
    assert lab.uses(issued["access_token"]) == 200
    # Another client's token: the server says that it is not active, and it lives (RFC 7662, 2.2).
    kept(lab.issue("other")["access_token"])
    (missing,) = at.own_rights([target(lab)])
    assert (missing.permission, missing.resource) == (oauth_server.INTROSPECT, NAME)
    lab.clients["agent"] = Client("agent", may=("token", "introspection"))
    (missing,) = at.own_rights([target(lab)])
    assert (missing.permission, missing.resource) == (oauth_server.REVOKE, lab.issuer)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"secret": "given-itself"}, "secret: a secret is named, not given"),
        ({"secret": ""}, "secret is missing"),
        ({"tokens": "file:/run/token"}, "tokens does not say where {name} stands"),
        ({"realms": []}, "realms is no list"),
        ({"authentication": "none"}, "authentication is none of client_secret_basic"),
        ({"algorithm": "HS256"}, "algorithm is none of RS256"),
        ({"access_token_seconds": "60"}, "access_token_seconds is no number"),
        ({"issuer": "login.example.com"}, "issuer is no address"),
        ({"pasword": "x"}, "there is no pasword"),
        ({"client_id": 7}, "client_id is no text"),
    ],
)
def test_wrong_settings_name_their_place(said: Any, problem: str) -> None:
    right = {
        "issuer": "https://login.example.com",
        "client_id": "agent",
        "realms": ["auth0:example"],
        "secret": "env:LOGIN_SECRET",
        "tokens": "file:/run/tokens/{name}",
    }
    assert oauth_clients.client(right).authentication == "client_secret_basic"
    with pytest.raises(PermanentFailure) as caught:
        oauth_clients.client(right | said)
    assert problem in caught.value.reason
    assert caught.value.who_must_act == "the administrator of Countersign"
