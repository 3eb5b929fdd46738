"""The Okta enforcer where something is wrong: names, rights, settings, and an org that cannot."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from identities.enforcers import okta, okta_orgs, web
from identities.enforcers.contract import PermanentFailure, Target, TemporaryFailure
from tests.evidence.sources.server import Answer, Request
from tests.identities.enforcers.okta_answers import error, gone, limited, oauth, pem
from tests.identities.enforcers.okta_lab import CLIENT, Org, okta_lab
from tests.identities.enforcers.test_okta import ANA, APP, Set, enforcer, lab, now, seen, target

__all__ = ["enforcer", "lab", "okta_lab"]

ADMINISTRATOR = "the administrator of Countersign"
USER = "/api/v1/users/ana%40example.org"


def hold(at: okta.OktaEnforcer, what: Target) -> None:
    at.hold(what, key="REV-7", now=now())


@pytest.mark.parametrize("step", ["hold", "release", "suspend", "resume", "revoke", "verify"])
def test_a_target_of_another_org_is_refused_before_anything_is_asked(
    lab: Org, enforcer: Set, step: str
) -> None:
    what = Target("okta", "https://other.okta.com", "user", ANA)
    said: dict[str, Any] = {"step": "hold"} if step == "verify" else {"key": "REV-7"}
    with pytest.raises(PermanentFailure, match=r"is of https://other\.okta\.com, not of http"):
        getattr(enforcer(), step)(what, now=now(), **said)
    with pytest.raises(PermanentFailure, match="not of http"):
        enforcer().residual(what, since=now(), now=now())
    assert lab.there.asked == []


@pytest.mark.parametrize(
    ("kind", "name", "extra"),
    [
        ("api_token", "current", {}),
        ("api_token", "00T1/../../users/00uADMIN", {}),
        ("app", "0oaBATCH/lifecycle/deactivate?x=", {}),
        ("app", "batch", {}),
        ("agent", "../../../api/v1/users/me", {}),
        ("secret", "ocs1", {"app": "../0oaOTHER"}),
        ("secret", "ocs1", {}),
        ("secret", "..", {"app": APP}),
        ("refresh_token", "oar1", {"app": "0oaBATCH/tokens"}),
        ("app_grant", ANA, {"app": "*"}),
        ("user", "me", {}),
        ("user", "..", {}),
        ("user", "ana/../00uADMIN", {}),
    ],
)
def test_a_name_that_leads_elsewhere_is_never_asked_for(
    lab: Org, enforcer: Set, kind: str, name: str, extra: dict[str, str]
) -> None:
    with pytest.raises(PermanentFailure):
        enforcer().revoke(target(lab, kind, name, **extra), key="REV-7", now=now())
    assert lab.changes() == []
    assert {one.path for one in lab.there.asked} <= {"/oauth2/v1/token", USER}


def test_nobody_is_taken_for_somebody_else(lab: Org, enforcer: Set) -> None:
    with pytest.raises(PermanentFailure, match=r"Okta takes ana for ana@example\.org"):
        hold(enforcer(), target(lab, "user", "ana"))
    lab.person("00uODD", "a?b#c%2f@example.org")
    hold(enforcer(), target(lab, "user", "a?b#c%2f@example.org"))
    hold(enforcer(), target(lab, "user", "00uANA"))
    hold(enforcer(), target(lab, "user", ANA.upper()))
    assert [lab.users[one]["status"] for one in ("00uODD", "00uANA", "00uADMIN")] == [
        "SUSPENDED",
        "SUSPENDED",
        "ACTIVE",
    ]


def test_our_own_app_is_not_stopped_by_itself(lab: Org, enforcer: Set) -> None:
    lab.app(CLIENT)
    lab.app("0oaOURS")
    lab.apps["0oaOURS"]["credentials"]["oauthClient"]["client_id"] = CLIENT
    for name in (CLIENT, "0oaOURS"):
        with pytest.raises(PermanentFailure, match="is the app by which Countersign acts"):
            hold(enforcer(), target(lab, "app", name))
    lab.secret(CLIENT, "ocs9")
    with pytest.raises(PermanentFailure, match="is the app by which Countersign acts"):
        hold(enforcer(), target(lab, "secret", "ocs9", app=CLIENT))
    assert lab.changes() == []


def test_too_many_requests_wait_for_the_moment_that_okta_states(lab: Org, enforcer: Set) -> None:
    at = enforcer()
    for path in (USER, "/api/v1/users/00uANA/lifecycle/suspend"):
        lab.fail(path, limited())
        with pytest.raises(TemporaryFailure, match="answered 429") as caught:
            hold(at, target(lab, "user", ANA))
        assert 35.0 <= caught.value.retry_after <= 60.0
    assert lab.users["00uANA"]["status"] == "ACTIVE"


@pytest.mark.parametrize(
    "fault",
    [
        error(500, "E0000009", "Internal Server Error"),
        Answer(503, "<html>maintenance"),
        Answer(200, "<html>Sign in"),
        Answer(200, '{"id": "00uANA", "sta'),
        Answer(200, []),
        Answer(200, {"id": "../00uADMIN", "status": "ACTIVE", "profile": {"login": ANA}}),
        Answer(200, {"id": "00uANA", "profile": {"login": ANA}}),
    ],
)
def test_an_answer_that_says_nothing_is_asked_for_again(
    lab: Org, enforcer: Set, fault: Answer
) -> None:
    lab.fail(USER, fault)
    with pytest.raises(TemporaryFailure):
        hold(enforcer(), target(lab, "user", ANA))
    assert lab.changes() == []


def test_a_list_that_is_none_or_leads_away_proves_nothing(lab: Org, enforcer: Set) -> None:
    lab.users["00uANA"]["status"] = "SUSPENDED"
    at, what = enforcer(), target(lab, "user", ANA)
    path = "/api/v1/users/00uANA/clients"
    for wrong in (Answer(200, {}), Answer(200, "[1]"), Answer(200, "[{}")):
        lab.fail(path, wrong)
        with pytest.raises(TemporaryFailure, match="with what is no list"):
            seen(at, what, "hold")
    lab.fail(path, Answer(200, [], {"Link": '<https://evil.example.org/x>; rel="next"'}))
    with pytest.raises(PermanentFailure, match="goes on at another address"):
        seen(at, what, "hold")


def test_an_org_that_does_not_answer_is_given_up(
    lab: Org, enforcer: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, what = enforcer(), target(lab, "api_token", "00TPIPELINE")
    assert seen(at, what) == "active"

    def late(_: Request) -> Answer:
        time.sleep(0.6)
        return Answer(204)

    lab.there.on("DELETE", "/api/*", late)
    monkeypatch.setattr(web, "TIMEOUT", 0.2)
    with pytest.raises(TemporaryFailure, match="did not answer"):
        at.revoke(what, key="REV-7", now=now())


def test_only_okta_itself_says_that_a_thing_is_gone(lab: Org, enforcer: Set) -> None:
    at, what = enforcer(), target(lab, "api_token", "00TPIPELINE")
    path = "/api/v1/api-tokens/00TPIPELINE"
    for other in (Answer(404, "<html>proxy"), error(404, "E0000008", "The path was not found")):
        lab.fail(path, other)
        with pytest.raises(PermanentFailure):
            seen(at, what)
    lab.fail(path, gone("00TPIPELINE"))
    assert seen(at, what) == "gone"


def test_an_access_token_that_is_refused_is_fetched_anew_and_once(lab: Org, enforcer: Set) -> None:
    at, what = enforcer(), target(lab, "app", APP)
    assert seen(at, what) == seen(at, what) == "active"
    fetched = [one.path for one in lab.there.asked].count("/oauth2/v1/token")
    lab.issued.clear()
    assert seen(at, what) == "active"
    assert fetched == 1
    assert [one.path for one in lab.there.asked].count("/oauth2/v1/token") == 2
    lab.fail(f"/api/v1/apps/{APP}", *[error(401, "E0000011", "Invalid token provided")] * 2)
    with pytest.raises(web.Refused, match="does not accept Countersign's own credentials"):
        seen(at, what)


@pytest.mark.parametrize(
    ("fault", "who", "said"),
    [
        (oauth(401, "invalid_client", "no"), ADMINISTRATOR, "own credentials"),
        (oauth(400, "invalid_scope", "no"), "the administrator of ", "grant it the scopes okta."),
        (oauth(400, "invalid_dpop_proof", "no"), "the administrator of ", "proof of possession"),
        (Answer(200, {"token_type": "Bearer"}), ADMINISTRATOR, "answers without a token"),
    ],
)
def test_no_access_token_says_who_must_act(
    lab: Org, enforcer: Set, fault: Answer, who: str, said: str
) -> None:
    lab.fail("/oauth2/v1/token", fault)
    with pytest.raises(PermanentFailure, match=said) as caught:
        hold(enforcer(), target(lab, "user", ANA))
    assert caught.value.who_must_act.startswith(who)


def test_a_key_that_is_none_or_another_is_said_and_not_shown(
    lab: Org, enforcer: Set, tmp_path: Path
) -> None:
    at = enforcer()
    (tmp_path / "key").write_text("no-key-at-all-but-secret")
    with pytest.raises(PermanentFailure, match="private_key refers to is no RSA") as caught:
        hold(at, target(lab, "user", ANA))
    assert "no-key-at-all-but-secret" not in caught.value.reason
    assert lab.there.asked == []


def test_what_is_forbidden_names_the_right_that_is_missing(lab: Org, enforcer: Set) -> None:
    lab.scopes -= {"okta.users.manage"}
    at, what = enforcer(), target(lab, "user", ANA)
    with pytest.raises(web.Refused, match=r"lacks the scope okta\.users\.manage: grant") as caught:
        hold(at, what)
    assert (caught.value.right, caught.value.who_must_act) == (
        "okta.users.manage",
        f"the administrator of {lab.url}",
    )
    (lacks,) = at.own_rights([what])
    assert (lacks.permission, lacks.resource) == ("okta.users.manage", lab.url)
    lab.scopes |= {"okta.users.manage"}
    assert at.own_rights([what, target(lab, "app", APP)]) == []
    lab.forbids = "/api/v1/users"
    with pytest.raises(web.Refused, match="an administrator role that covers this"):
        hold(at, what)
    (lacks,) = at.own_rights([what, target(lab, "app", APP)])
    assert (lacks.permission, lacks.resource) == ("stop user", ANA)
    lab.forbids, lab.users["00uANA"]["status"] = "", "LOCKED_OUT"
    (lacks,) = at.own_rights([what])
    assert lacks.sentence == f"{ANA} is LOCKED_OUT: Okta suspends only who is ACTIVE."
    lab.roles = []
    (lacks,) = at.own_rights([what])
    assert lacks.permission == "act as an administrator"
    lab.scopes.clear()
    (lacks,) = at.own_rights([what])
    assert lacks.permission == "okta scopes"
    # What was asked for and refused above; looking changes nothing.
    assert lab.changes() == [("POST", "/api/v1/users/00uANA/lifecycle/suspend")]


def test_what_okta_refuses_is_said_in_its_words_and_without_secrets(
    lab: Org, enforcer: Set
) -> None:
    at, what = enforcer(), target(lab, "secret", "ocs1", app=APP)
    assert seen(at, what) == "active"
    token = next(iter(lab.issued))
    words = f"no: TheSecretItselfOfocs1 and {token}"
    path = f"/api/v1/apps/{APP}/credentials/secrets/ocs1/lifecycle/deactivate"
    lab.fail(path, error(400, "E0000001", "Api validation failed", words))
    with pytest.raises(PermanentFailure, match="refuses it: Api validation failed no:") as caught:
        hold(at, what)
    assert caught.value.who_must_act == f"the administrator of {lab.url}"
    assert "TheSecretItselfOf" not in caught.value.reason
    assert token not in caught.value.reason
    everything = json.dumps([at.verify(what, step="hold", now=now()).detail, repr(at._org)])
    assert "TheSecretItselfOf" not in everything
    assert pem().splitlines()[1] not in everything


def test_private_addresses_are_refused_unless_they_are_allowed(lab: Org, enforcer: Set) -> None:
    outside = okta.OktaEnforcer(enforcer()._org, allow_private=False)
    with pytest.raises(PermanentFailure, match="is refused: it does not speak https"):
        hold(outside, target(lab, "user", ANA))
    assert lab.there.asked == []


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"private_key": "given-itself"}, "private_key: a secret is named, not given"),
        ({"private_key": ""}, "private_key is missing"),
        ({"url": "https://example.okta.com/oauth2"}, "url is not the address of an org"),
        ({"url": "example.okta.com"}, "url is not the address of an org"),
        ({"url": "https://login.example.com"}, "realm is missing"),
        ({"realm": "auth0:x"}, "realm is missing"),
        ({"access_token_seconds": True}, "access_token_seconds is no number"),
        ({"ai_agents": "yes"}, "ai_agents is neither true nor false"),
        ({"token": "env:X"}, "there is no token"),
        ({"client_id": 7}, "client_id is no text"),
    ],
)
def test_wrong_settings_name_their_place(said: dict[str, Any], problem: str) -> None:
    right = {
        "url": "https://example.okta.com/",
        "client_id": "0oa1",
        "private_key": "env:OKTA_KEY",
    }
    org = okta_orgs.org(right)
    assert (org.url, org.realm) == ("https://example.okta.com", "okta:example")
    with pytest.raises(PermanentFailure) as caught:
        okta_orgs.org(right | said)
    assert problem in caught.value.reason
    assert caught.value.who_must_act == ADMINISTRATOR
