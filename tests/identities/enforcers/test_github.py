"""The GitHub enforcer over HTTP: the whole life of each kind, twice, gone already, and lied about."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from identities.enforcers import github, github_server
from identities.enforcers.contract import (
    KnownSession,
    PermanentFailure,
    Step,
    Target,
    confirms,
)
from identities.inventory.github import fingerprint
from tests.identities.enforcers.github_lab import (
    NUMBER,
    OURS,
    OWNER,
    Organisation,
    error,
    github_lab,
    pem,
)

__all__ = ["github_lab"]

type Set = Callable[..., github.GitHubEnforcer]

AN_OWNER = "an owner of the GitHub organisation acme"
KEY = fingerprint("ssh-ed25519 Ym9keQ== deploys")
ENDED: dict[str, dict[str, str]] = {
    "app": {"name": "deployer[bot]"},
    "token": {"name": "9003"},
    "authorization": {"name": "SHA256:ana"},
    "deploy_key": {"name": KEY, "repository": "acme/reports.api"},
    "member": {"name": "Ana"},
}
PATHS = {
    "app": ("DELETE", "/app/installations/12"),
    "token": ("POST", "/orgs/acme/personal-access-tokens/3"),
    "authorization": ("DELETE", "/orgs/acme/credential-authorizations/33"),
    "deploy_key": ("DELETE", "/repos/acme/reports.api/keys/43"),
    "member": ("DELETE", "/orgs/acme/memberships/Ana"),
}


@pytest.fixture
def lab(github_lab: Organisation) -> Organisation:
    """An App, a member, and their credentials, each last of three in its list."""
    org = github_lab
    org.install("deployer", 12)
    org.join("Ana")
    for number in (1, 2, 3):
        org.token(number, 9000 + number)
        org.authorize(30 + number, fingerprint="SHA256:ana" if number == 3 else None)
        body = b"body" if number == 3 else b"other%d" % number
        org.deploy_key("acme/reports.api", 40 + number, body)
    return org


@pytest.fixture
def enforcer(lab: Organisation, tmp_path: Path) -> Set:
    for slug in ("countersign", "deployer"):
        (tmp_path / slug).write_text(pem(slug))

    def make(**said: Any) -> github.GitHubEnforcer:
        entry = {
            "owner": OWNER,
            "client_id": OURS,
            "installation": int(NUMBER),
            "key": f"file:{tmp_path / 'countersign'}",
            "url": lab.url,
            "apps": {
                "deployer": {"client_id": "Iv1.deployer", "key": f"file:{tmp_path / 'deployer'}"}
            },
        }
        return github.GitHubEnforcer(github_server.organisation(entry | said), allow_private=True)

    return make


def target(lab: Organisation, kind: str, name: str, **extra: str) -> Target:
    return Target("github", f"{lab.url}/orgs/acme", kind, name, extra)


def now() -> datetime:
    return datetime.now(UTC)


def revoke(at: github.GitHubEnforcer, what: Target, **said: Any) -> None:
    at.revoke(what, key="REV-7", now=now(), **said)


def seen(at: github.GitHubEnforcer, what: Target, step: Step = "revoke") -> str:
    return at.verify(what, step=step, now=now()).state


@pytest.mark.parametrize("kind", ENDED)
def test_what_is_revoked_is_gone_and_ended_once(
    lab: Organisation, enforcer: Set, kind: str
) -> None:
    at, what = enforcer(), target(lab, kind, **ENDED[kind])
    assert seen(at, what) == "active"
    for _ in range(2):
        revoke(at, what)
        found = at.verify(what, step="revoke", now=now())
        assert (found.state, confirms(found, step="revoke")) == ("gone", True)
        assert at.residual(what, since=now(), now=now()) == []
    assert lab.changes() == [PATHS[kind]]
    agents = {one.headers["user-agent"] for one in lab.there.asked if one.method != "GET"}
    assert "countersign countersign-key/REV-7" in agents


@pytest.mark.parametrize(("stop", "start"), [("hold", "release"), ("suspend", "resume")])
def test_an_app_is_stopped_and_let_in_again_once(
    lab: Organisation, enforcer: Set, stop: Step, start: Step
) -> None:
    at, what = enforcer(), target(lab, "app", "deployer[bot]")
    for step, method in ((stop, "PUT"), (start, "DELETE")):
        for _ in range(2):
            getattr(at, step)(what, key="REV-7", now=now())
            assert confirms(at.verify(what, step=step, now=now()), step=step)
        assert lab.changes()[-1] == (method, "/app/installations/12/suspended")
    assert len(lab.changes()) == 2
    revoke(at, what, delete=False)
    found = at.verify(what, step="revoke", now=now())
    assert confirms(found, step="revoke", delete=False)
    lab.installed.clear()
    with pytest.raises(PermanentFailure, match="has to be installed there anew") as caught:
        at.release(what, key="REV-7", now=now())
    assert caught.value.who_must_act == AN_OWNER


@pytest.mark.parametrize("kind", ENDED)
def test_an_organisation_that_says_done_and_does_nothing_is_found_out(
    lab: Organisation, enforcer: Set, kind: str
) -> None:
    lab.lies = True
    at, what = enforcer(), target(lab, kind, **ENDED[kind])
    revoke(at, what)
    found = at.verify(what, step="revoke", now=now())
    assert (found.state, confirms(found, step="revoke")) == ("active", False)


def test_a_credential_is_found_by_any_of_its_names(lab: Organisation, enforcer: Set) -> None:
    lab.authorize(34, authorized_credential_id=5000)
    at = enforcer()
    for kind, name, extra in (
        ("authorization", "5000", {}),
        ("authorization", "34", {}),
        ("deploy_key", "43", {"repository": "ACME/reports.api"}),
    ):
        assert seen(at, target(lab, kind, name, **extra)) == "active"
    for kind, extra in (
        ("token", {}),
        ("authorization", {}),
        ("deploy_key", {"repository": "acme/reports.api"}),
    ):
        for name in ("None", "", "3"):
            assert seen(at, target(lab, kind, name, **extra)) == "gone"


def test_what_evidence_shows_beside_a_credential_lives_on(lab: Organisation, enforcer: Set) -> None:
    since, hour = now(), timedelta(hours=1)
    known = [
        KnownSession("a", since - hour, since + hour),
        KnownSession("b", since - hour, since - hour / 2),
        KnownSession("c", since + hour),
        KnownSession("d", since - hour),
    ]
    what = target(lab, "token", "9003")
    found = enforcer().residual(what, since=since, now=since, sessions=known)
    assert [one.until for one in found] == [since + hour, None]
    app = target(lab, "app", "deployer[bot]")
    assert enforcer().residual(app, since=since, now=since, sessions=known) == []


@pytest.mark.parametrize(
    ("kind", "step", "said"),
    [
        ("token", "hold", "GitHub has no hold for a fine-grained token: revoke it, or hold the"),
        ("authorization", "suspend", "GitHub has no suspend for an authorised credential: revoke"),
        ("member", "release", "GitHub has no release for a member: revoke it, or hold the"),
        ("app", "narrow", "GitHub narrows nothing from outside: change permissions or teams"),
    ],
)
def test_what_github_has_no_step_for_is_refused_with_what_to_do(
    lab: Organisation, enforcer: Set, kind: str, step: str, said: str
) -> None:
    what = target(lab, kind, **ENDED[kind])
    assert github.cannot(what, step).startswith(said)
    extra: dict[str, Any] = {"permissions": []} if step == "narrow" else {}
    with pytest.raises(PermanentFailure) as caught:
        getattr(enforcer(), step)(what, key="REV-7", now=now(), **extra)
    assert caught.value.who_must_act == "whoever asked for it"
    assert lab.there.asked == []


@pytest.mark.parametrize("step", ["hold", "release", "suspend", "resume", "revoke", "verify"])
def test_a_target_of_another_organisation_is_refused_before_anything_is_asked(
    lab: Organisation, enforcer: Set, step: str
) -> None:
    what = Target("github", f"{lab.url}/orgs/other", "app", "deployer[bot]")
    said: dict[str, Any] = {"step": "hold"} if step == "verify" else {"key": "REV-7"}
    with pytest.raises(PermanentFailure, match="/orgs/other, not of http"):
        getattr(enforcer(), step)(what, now=now(), **said)
    with pytest.raises(PermanentFailure, match="/orgs/other, not of http"):
        enforcer().residual(what, since=now(), now=now())
    assert lab.there.asked == []


@pytest.mark.parametrize(
    ("kind", "name", "extra"),
    [
        ("member", "../../../user", {}),
        ("member", "ana/../ben", {}),
        ("member", "ana?x=", {}),
        ("deploy_key", "43", {"repository": "other/reports.api"}),
        ("deploy_key", "43", {"repository": "acme/../other/reports"}),
        ("deploy_key", "43", {"repository": "acme/.."}),
        ("deploy_key", "43", {"repository": "acme/a%2fb"}),
        ("deploy_key", "43", {}),
        ("app", "somebody-elses[bot]", {}),
    ],
)
def test_a_name_that_leads_elsewhere_is_never_asked_for(
    lab: Organisation, enforcer: Set, kind: str, name: str, extra: dict[str, str]
) -> None:
    with pytest.raises(PermanentFailure):
        revoke(enforcer(), target(lab, kind, name, **extra))
    assert lab.there.asked == []


def test_an_app_that_is_not_ours_to_stop_says_who_can(lab: Organisation, enforcer: Set) -> None:
    what = target(lab, "app", "vendor[bot]")
    with pytest.raises(PermanentFailure, match="its private key is not set up here") as caught:
        enforcer().hold(what, key="REV-7", now=now())
    assert caught.value.who_must_act == AN_OWNER
    (lacks,) = enforcer().own_rights([what, target(lab, "app", "deployer[bot]")])
    assert (lacks.permission, lacks.resource) == ("stop app", "vendor[bot]")
    # The key of one App under the name of another stops neither.
    lab.installed["deployer"]["app_slug"] = "billing"
    with pytest.raises(PermanentFailure, match=r"is not of App deployer\[bot\] but of billing"):
        enforcer().hold(target(lab, "app", "deployer[bot]"), key="REV-7", now=now())
    assert lab.changes() == []


def test_what_is_hidden_is_not_taken_for_gone(lab: Organisation, enforcer: Set) -> None:
    at, what = enforcer(), target(lab, "deploy_key", KEY, repository="acme/hidden")
    with pytest.raises(PermanentFailure, match="it is gone, or the App lacks") as caught:
        seen(at, what)
    assert caught.value.who_must_act == AN_OWNER
    for path in ("/orgs/acme/personal-access-tokens", "/orgs/acme/credential-authorizations"):
        lab.fail(path, error(404, "Not Found"))
    for kind in ("token", "authorization"):
        with pytest.raises(PermanentFailure, match="it is gone, or the App lacks"):
            seen(at, target(lab, kind, **ENDED[kind]))


def test_looking_at_a_token_takes_as_many_requests_however_many_there_are(
    lab: Organisation, enforcer: Set
) -> None:
    what, counts = target(lab, "token", **ENDED["token"]), []
    for more in (0, 40):
        for number in range(more):
            lab.token(1_000 + number, 2_000 + number)
        before = len(lab.there.asked)
        assert seen(enforcer(), what) == "active"
        counts.append(len(lab.there.asked) - before)
    assert counts == [2, 2]  # its own sign-in, and one page
    lab.filters = False
    assert seen(enforcer(), what) == "active"
    revoke(enforcer(), what)
    assert seen(enforcer(), what) == "gone"
