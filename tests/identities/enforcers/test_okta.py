"""The Okta enforcer over HTTP: the whole life of each kind, twice, gone already, and lied about."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from identities.enforcers import okta, okta_orgs
from identities.enforcers.contract import (
    KnownSession,
    PermanentFailure,
    Step,
    Target,
    TemporaryFailure,
    confirms,
)
from tests.identities.enforcers.okta_answers import pem
from tests.identities.enforcers.okta_lab import AGENTS, CLIENT, Org, okta_lab

__all__ = ["okta_lab"]

type Set = Callable[..., okta.OktaEnforcer]

APP, AGENT, ANA = "0oaBATCH", "wlpINVOICES", "ana@example.org"
HOUR = timedelta(hours=1)


@pytest.fixture
def lab(okta_lab: Org) -> Org:
    """Ana and the app that acts for her, an agent, and what each of them holds."""
    org = okta_lab
    org.person()
    org.person("00uADMIN", "root@example.org")
    org.app()
    org.refresh_token("oar1", app=APP, user="00uANA")
    org.grants.append({"id": "oag1", "clientId": APP, "userId": "00uANA", "status": "ACTIVE"})
    org.secret(APP, "ocs1")
    org.secret(APP, "ocs2")
    org.key(APP, "pks1", "batch-2026")
    org.api_tokens["00TPIPELINE"] = {"id": "00TPIPELINE", "name": "pipeline", "userId": "00uANA"}
    org.agents[AGENT] = {"id": AGENT, "status": "ACTIVE", "profile": {"name": "invoices"}}
    org.key(AGENT, "wpk1", "invoices-2026")
    return org


@pytest.fixture
def enforcer(lab: Org, tmp_path: Path) -> Set:
    (tmp_path / "key").write_text(pem())

    def make(**said: Any) -> okta.OktaEnforcer:
        entry = {
            "url": lab.url,
            "client_id": CLIENT,
            "private_key": f"file:{tmp_path / 'key'}",
            "realm": "okta:lab",
            "ai_agents": True,
        }
        return okta.OktaEnforcer(okta_orgs.org(entry | said), allow_private=True)

    return make


def target(lab: Org, kind: str, name: str, **extra: str) -> Target:
    return Target("okta", lab.url, kind, name, extra)


def now() -> datetime:
    return datetime.now(UTC)


def do(at: okta.OktaEnforcer, lab: Org, step: str, what: Target, **said: Any) -> None:
    """A step, until Okta has done what it accepted."""
    for _ in range(3):
        try:
            getattr(at, step)(what, key="REV-7", now=now(), **said)
        except TemporaryFailure:
            lab.settle()
        else:
            break
    lab.settle()


def seen(at: okta.OktaEnforcer, what: Target, step: Step = "revoke") -> str:
    return at.verify(what, step=step, now=now()).state


THINGS = {
    "user": {"name": ANA},
    "app": {"name": APP},
    "agent": {"name": AGENT},
    "secret": {"name": "ocs1", "app": APP},
    "key": {"name": "batch-2026", "app": APP},
}
ENDED = THINGS | {
    "api_token": {"name": "00TPIPELINE"},
    "refresh_token": {"name": "oar1", "app": APP},
    "app_grant": {"name": ANA, "app": APP},
}


@pytest.mark.parametrize("kind", THINGS)
def test_what_is_held_refuses_and_is_let_go_again_however_often_it_is_asked(
    lab: Org, enforcer: Set, kind: str
) -> None:
    at, what = enforcer(), target(lab, kind, **THINGS[kind])
    assert seen(at, what, "hold") == "active"
    counts = []
    for _ in range(2):
        before = len(lab.changes())
        do(at, lab, "hold", what)
        counts.append(len(lab.changes()) - before)
        held = at.verify(what, step="hold", now=now())
        assert (held.state, confirms(held, step="hold")) == ("held", True)
    # What is held already is not asked for again; what it could open meanwhile is ended again.
    assert counts == {"user": [2, 1], "app": [2, 1]}.get(kind, [1, 0])
    for _ in range(2):
        do(at, lab, "release", what)
        assert seen(at, what, "release") == "active"
    agents = {one.headers["user-agent"] for one in lab.there.asked if one.method != "GET"}
    assert "countersign countersign-key/REV-7" in agents


@pytest.mark.parametrize("kind", ["user", "app", "agent"])
def test_a_suspended_identity_is_confirmed_by_what_refuses_everything(
    lab: Org, enforcer: Set, kind: str
) -> None:
    at, what = enforcer(), target(lab, kind, **THINGS[kind])
    do(at, lab, "suspend", what)
    assert confirms(at.verify(what, step="suspend", now=now()), step="suspend")
    do(at, lab, "resume", what)
    assert confirms(at.verify(what, step="resume", now=now()), step="resume")


@pytest.mark.parametrize("kind", ENDED)
def test_what_is_revoked_is_gone_and_stays_gone(lab: Org, enforcer: Set, kind: str) -> None:
    at, what = enforcer(), target(lab, kind, **ENDED[kind])
    assert seen(at, what) == "active"
    for _ in range(2):
        do(at, lab, "revoke", what)
        found = at.verify(what, step="revoke", now=now())
        assert (found.state, confirms(found, step="revoke")) == ("gone", True)


@pytest.mark.parametrize("kind", THINGS)
def test_what_is_kept_instead_of_deleted_is_confirmed_when_it_is_held(
    lab: Org, enforcer: Set, kind: str
) -> None:
    at, what = enforcer(), target(lab, kind, **THINGS[kind])
    do(at, lab, "revoke", what, delete=False)
    found = at.verify(what, step="revoke", now=now())
    assert (found.state, confirms(found, step="revoke")) == ("held", False)
    assert confirms(found, step="revoke", delete=False)


def test_a_key_of_an_agent_is_found_by_the_name_its_owner_gave_it(lab: Org, enforcer: Set) -> None:
    at = enforcer()
    for name in ("invoices-2026", "wpk1"):
        assert seen(at, target(lab, "key", name, agent=AGENT)) == "active"
    do(at, lab, "revoke", target(lab, "key", "invoices-2026", agent=AGENT))
    assert lab.keys[AGENT] == []
    lab.key(APP, "pks2", "batch-2026")
    with pytest.raises(PermanentFailure, match="Several keys are called batch-2026"):
        do(at, lab, "hold", target(lab, "key", "batch-2026", app=APP))


def test_tokens_of_others_are_left_alone(lab: Org, enforcer: Set) -> None:
    lab.person("00uBEN", "ben@example.org")
    lab.refresh_token("oar2", app=APP, user="00uBEN")
    lab.refresh_token("oar3", app="0oaOTHER", user="00uANA")
    do(enforcer(), lab, "revoke", target(lab, "app_grant", ANA, app=APP))
    assert [one["id"] for one in lab.tokens] == ["oar2", "oar3"]
    do(enforcer(), lab, "hold", target(lab, "user", ANA))
    assert [one["id"] for one in lab.tokens] == ["oar2"]


@pytest.mark.parametrize("kind", ENDED)
def test_an_org_that_says_done_and_does_nothing_is_found_out(
    lab: Org, enforcer: Set, kind: str
) -> None:
    lab.lies = True
    at, what = enforcer(), target(lab, kind, **ENDED[kind])
    do(at, lab, "revoke", what)
    found = at.verify(what, step="revoke", now=now())
    assert (found.state, confirms(found, step="revoke")) == ("active", False)


def test_a_stop_is_not_seen_while_a_refresh_token_lives(lab: Org, enforcer: Set) -> None:
    at = enforcer()
    lab.users["00uANA"]["status"], lab.apps[APP]["status"] = "SUSPENDED", "INACTIVE"
    found = at.verify(target(lab, "user", ANA), step="hold", now=now())
    said = f"Okta shows {ANA} as SUSPENDED, and refresh tokens of theirs live at {APP}."
    assert (found.state, found.detail) == ("active", said)
    # On the second page: everything of the app's list is read.
    lab.tokens.clear()
    for number in range(3):
        lab.refresh_token(f"oar{number}", app=APP, user="00uANA")
    lab.tokens[0]["status"] = lab.tokens[1]["status"] = "REVOKED"
    found = at.verify(target(lab, "app", APP), step="hold", now=now())
    assert (
        found.detail == f"Okta shows app {APP} as INACTIVE, and 1 refresh tokens of it that live."
    )
    lab.users["00uANA"] |= {"status": "ACTIVE", "transitioningToStatus": "DEPROVISIONED"}
    assert seen(at, target(lab, "user", ANA)) == "active"


def test_an_accepted_change_is_seen_when_it_is_done(lab: Org, enforcer: Set) -> None:
    at, what = enforcer(), target(lab, "agent", AGENT)
    at.hold(what, key="REV-7", now=now())
    assert seen(at, what, "hold") == "active"
    lab.settle()
    assert seen(at, what, "hold") == "held"
    lab.agents[AGENT]["status"] = "ACTIVE"
    with pytest.raises(TemporaryFailure, match="is deactivating AI agent wlpINVOICES") as caught:
        at.revoke(what, key="REV-7", now=now())
    assert 5.0 <= caught.value.retry_after <= 7.5


def test_what_lives_on_has_an_end_where_one_is_known(lab: Org, enforcer: Set) -> None:
    since = now()

    def left(at: okta.OktaEnforcer, kind: str, **named: str) -> list[datetime | None]:
        what = target(lab, kind, **named)
        return [one.until for one in at.residual(what, since=since, now=since)]

    at = enforcer()
    day = since + timedelta(days=1)
    assert left(at, "api_token", name="00TPIPELINE") == []
    assert left(at, "app", name=APP) == [day]
    assert left(at, "user", name=ANA) == [day, None]
    at = enforcer(access_token_seconds=3600, app_session_seconds=7200)
    assert left(at, "user", name=ANA) == [since + HOUR, since + 2 * HOUR]
    assert left(at, "refresh_token", name="oar1", app=APP) == [since + HOUR]
    what = target(lab, "secret", "ocs1", app=APP)
    assert at.residual(what, since=since, now=since + HOUR) == []
    known = [
        KnownSession("AT.short", since - HOUR, since + HOUR / 2),
        KnownSession("oar9", since - HOUR, since + 90 * HOUR),
        KnownSession("AT.later", since + HOUR / 2, since + 90 * HOUR),
    ]
    found = at.residual(what, since=since, now=since, sessions=known)
    assert [one.what for one in found][1:] == ["token oar9, which was issued for this one"]
    # An agent reaches others by way of the app that it is linked to.
    assert left(at, "agent", name=AGENT) == [since + HOUR]
    lab.agents[AGENT]["appId"] = APP
    assert left(at, "agent", name=AGENT) == [since + HOUR, None]
    lab.apps[APP]["status"] = "INACTIVE"
    assert left(at, "agent", name=AGENT) == [since + HOUR]


@pytest.mark.parametrize("status", ["STAGED", "LOCKED_OUT", "PASSWORD_EXPIRED"])
def test_who_cannot_be_suspended_is_signed_out_and_said(
    lab: Org, enforcer: Set, status: str
) -> None:
    lab.users["00uANA"]["status"] = status
    with pytest.raises(PermanentFailure, match=f"was signed out, but is {status}") as caught:
        do(enforcer(), lab, "hold", target(lab, "user", ANA))
    assert caught.value.who_must_act == f"the administrator of {lab.url}"
    assert lab.tokens == []
    do(enforcer(), lab, "revoke", target(lab, "user", ANA))
    assert lab.users["00uANA"]["status"] == "DEPROVISIONED"


def test_what_was_never_let_in_is_not_let_in_by_a_release(lab: Org, enforcer: Set) -> None:
    lab.agents[AGENT]["status"] = "STAGED"
    lab.users["00uANA"]["status"] = "DEPROVISIONED"
    del lab.apps[APP]
    for kind in ("agent", "user", "app"):
        with pytest.raises(PermanentFailure, match="cannot be let in again from here"):
            do(enforcer(), lab, "release", target(lab, kind, **THINGS[kind]))
    assert lab.changes() == []


def test_the_only_secret_of_an_app_is_not_stopped_by_itself(lab: Org, enforcer: Set) -> None:
    lab.secrets[APP][1]["status"] = "INACTIVE"
    at, what = enforcer(), target(lab, "secret", "ocs1", app=APP)
    with pytest.raises(PermanentFailure, match="make another there first, or hold the app"):
        do(at, lab, "hold", what)
    assert lab.changes() == []
    (lacks,) = at.own_rights([what])
    assert (lacks.permission, lacks.resource) == ("stop secret", "ocs1")


@pytest.mark.parametrize(
    ("kind", "step", "instead"),
    [
        ("api_token", "hold", "revoke it, or hold the person it acts as"),
        ("refresh_token", "suspend", "revoke it, or hold the app"),
        ("app_grant", "release", "revoke it, or hold the app or the person"),
        ("secret", "resume", "hold or revoke it"),
        ("key", "narrow", "take groups, administrator roles or scopes away there, or hold it"),
    ],
)
def test_what_okta_has_no_step_for_is_refused_with_what_to_do(
    lab: Org, enforcer: Set, kind: str, step: str, instead: str
) -> None:
    what = target(lab, kind, **ENDED[kind])
    said = f"Okta has no {step} for {okta.A[kind]}: {instead}."
    assert okta.cannot(what, step) == said
    extra: dict[str, Any] = {"permissions": []} if step == "narrow" else {}
    with pytest.raises(PermanentFailure) as caught:
        getattr(enforcer(), step)(what, key="REV-7", now=now(), **extra)
    assert (caught.value.reason, caught.value.who_must_act) == (
        f"{what.name}: {said}",
        "whoever asked for it",
    )
    assert lab.there.asked == []


def test_an_agent_is_not_taken_for_gone_where_agents_cannot_be_seen(
    lab: Org, enforcer: Set
) -> None:
    lab.offers_agents = False
    with pytest.raises(PermanentFailure, match="whether AI agent wlpINVOICES lives cannot be seen"):
        seen(enforcer(), target(lab, "agent", AGENT))
    lab.offers_agents = True
    assert AGENTS not in {one.path for one in lab.there.asked if one.method != "GET"}
    with pytest.raises(PermanentFailure, match="set ai_agents to true"):
        seen(enforcer(ai_agents=False), target(lab, "agent", AGENT))
