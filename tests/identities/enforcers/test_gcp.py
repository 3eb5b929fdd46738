"""The Google Cloud enforcer against a project on loopback: each kind, each step, each fault."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from identities.enforcers import gcp, gcp_projects, web
from identities.enforcers.contract import (
    KnownSession,
    PermanentFailure,
    Target,
    TemporaryFailure,
    confirms,
)
from tests.identities.enforcers.gcp_lab import PROJECT, Lab, credentials, gcp_lab
from tests.identities.enforcers.oauth_lab import answering, quiet

__all__ = ["gcp_lab"]

type Set = Callable[..., gcp.GcpEnforcer]


@pytest.fixture
def lab(gcp_lab: Lab) -> Lab:
    return gcp_lab


@pytest.fixture
def enforcer(lab: Lab, tmp_path: Path) -> Set:
    (tmp_path / "gcp.json").write_text(credentials())

    def make(*, allow_private: bool = True, **said: Any) -> gcp.GcpEnforcer:
        entry = {
            "projects": ["another-project", PROJECT],
            "credentials": f"file:{tmp_path / 'gcp.json'}",
            "url": lab.url,
            "resources": lab.url,
        }
        settings = gcp_projects.projects(entry | said)
        return gcp.GcpEnforcer(settings, PROJECT, allow_private=allow_private)

    return make


def target(lab: Lab, kind: str) -> Target:
    """An account, or a key of one, that is there."""
    address = lab.account()
    if kind == "service_account":
        return Target("gcp", PROJECT, kind, address)
    return Target("gcp", PROJECT, "key", lab.key(address), {"account": address})


def path_of(of: Target) -> str:
    account = of.extra.get("account", of.name)
    key = f"/keys/{of.name}" if of.kind == "key" else ""
    return f"/v1/projects/{PROJECT}/serviceAccounts/{account}{key}"


def now() -> datetime:
    return datetime.now(UTC)


def seen(at: gcp.GcpEnforcer, of: Target, step: Any = "hold") -> str:
    return at.verify(of, step=step, now=now()).state


@pytest.mark.parametrize(("kind", "stopped"), [("service_account", "denied"), ("key", "held")])
def test_it_is_stopped_let_go_and_deleted(lab: Lab, enforcer: Set, kind: str, stopped: str) -> None:
    of, at = target(lab, kind), enforcer()
    assert seen(at, of) == "active"
    for again in (False, True):
        sent = at.hold(of, key="REV-7", now=now())
        assert ("which it was before" in sent.detail) is again
        found = at.verify(of, step="hold", now=now())
        assert (found.state, confirms(found, step="hold")) == (stopped, True)
    for _ in range(2):
        at.release(of, key="REV-8", now=now())
        assert seen(at, of, "release") == "active"
    at.suspend(of, key="REV-9", now=now())
    assert seen(at, of) == stopped
    at.resume(of, key="REV-9", now=now())
    kept = at.revoke(of, key="REV-10", now=now(), delete=False)
    assert kept.detail == f"{of.name} was disabled."
    found = at.verify(of, step="revoke", now=now())
    assert (confirms(found, step="revoke", delete=False), confirms(found, step="revoke")) == (True, False)  # fmt: skip
    sent = at.revoke(of, key="REV-11", now=now())
    found = at.verify(of, step="revoke", now=now())
    assert (found.state, confirms(found, step="revoke")) == ("gone", True)
    assert ("For 30 days it may be undeleted by its unique id" in sent.detail) is (
        kind == "service_account"
    )
    agents = {agent for method, _, agent in lab.seen if method == "DELETE"}
    assert agents == {"countersign countersign-key/REV-11"}
    verbs = [path.rpartition(":")[2] for method, path in lab.changes() if method == "POST"]
    assert verbs == [
        *("disable", "disable", "enable", "enable"),
        *("disable", "enable", "disable", "disable"),
    ]


@pytest.mark.parametrize("hides", [False, True])
@pytest.mark.parametrize("kind", ["service_account", "key"])
def test_what_is_gone_already_is_success_and_cannot_be_let_in_again(
    lab: Lab, enforcer: Set, kind: str, hides: bool
) -> None:
    """Google answers 403 also for what is not there: its lists tell which it is."""
    of, at = target(lab, kind), enforcer()
    lab.account("another")
    lab.key(lab.account("third"))
    at.revoke(of, key="REV-7", now=now())
    lab.hides, made = hides, len(lab.changes())
    assert at.revoke(of, key="REV-7", now=now()).detail == f"{of.name} is already gone."
    assert (seen(at, of, "revoke"), len(lab.changes())) == ("gone", made)
    with pytest.raises(PermanentFailure, match="nothing of it can be let in again"):
        at.release(of, key="REV-8", now=now())
    if kind == "key":
        del lab.accounts[of.extra["account"]]
        assert seen(at, of, "revoke") == "gone"


@pytest.mark.parametrize("kind", ["service_account", "key"])
def test_what_may_not_be_seen_is_not_taken_for_gone(lab: Lab, enforcer: Set, kind: str) -> None:
    of, at = target(lab, kind), enforcer()
    hidden = '{"error": {"message": "Permission denied on resource (or it may not exist)."}}'
    lab.fail(path_of(of), answering(403, hidden))
    with pytest.raises(web.Refused) as caught:
        seen(at, of, "revoke")
    assert caught.value.right.endswith(".get")
    lab.fail(path_of(of), answering(403, hidden))
    lab.given.remove("iam.serviceAccounts.list")
    with pytest.raises(web.Refused) as caught:
        seen(at, of, "revoke")
    assert caught.value.right == "iam.serviceAccounts.list"


@pytest.mark.parametrize("kind", ["service_account", "key"])
def test_a_project_that_lies_is_seen_to_have_done_nothing(
    lab: Lab, enforcer: Set, kind: str
) -> None:
    of, at = target(lab, kind), enforcer()
    lab.lies = True
    at.revoke(of, key="REV-7", now=now())
    found = at.verify(of, step="revoke", now=now())
    assert (found.state, confirms(found, step="revoke")) == ("active", False)
    # Disabled and, whatever was answered, not deleted.
    lab.lies = False
    at.hold(of, key="REV-8", now=now())
    lab.lies = True
    at.revoke(of, key="REV-9", now=now())
    found = at.verify(of, step="revoke", now=now())
    assert (found.state, confirms(found, step="revoke")) == ("held", False)


def test_where_deleting_is_refused_it_is_stopped_all_the_same(lab: Lab, enforcer: Set) -> None:
    of, at = target(lab, "key"), enforcer()
    lab.given.remove("iam.serviceAccountKeys.delete")
    with pytest.raises(web.Refused) as caught:
        at.revoke(of, key="REV-7", now=now())
    assert caught.value.right == "iam.serviceAccountKeys.delete"
    assert seen(at, of) == "held"


def test_an_account_is_found_by_its_number_too(lab: Lab, enforcer: Set) -> None:
    address = lab.account()
    number = lab.key(address)
    unique = lab.accounts[address]["uniqueId"]
    of, at = Target("gcp", PROJECT, "key", number, {"account": unique}), enforcer()
    at.revoke(of, key="REV-7", now=now())
    assert (seen(at, of, "revoke"), lab.keys[address]) == ("gone", {})


def test_a_key_that_google_keeps_is_for_nobody_to_take_away(lab: Lab, enforcer: Set) -> None:
    address = lab.account()
    of = Target("gcp", PROJECT, "key", lab.key(address, "SYSTEM_MANAGED"), {"account": address})
    with pytest.raises(PermanentFailure) as caught:
        enforcer().revoke(of, key="REV-7", now=now())
    assert caught.value.who_must_act == "whoever asked for it"
    assert caught.value.reason.endswith("hold its service account.")
    assert lab.changes() == []


def test_what_lives_on_has_the_documented_ends(lab: Lab, enforcer: Set) -> None:
    account, since = target(lab, "service_account"), now()
    key = target(lab, "key")
    known = [KnownSession("s", since - timedelta(minutes=5), since + timedelta(minutes=20))]

    def ends(at: gcp.GcpEnforcer, of: Target, after: float = 0) -> list[float]:
        when = since + timedelta(minutes=after)
        found = at.residual(of, since=since, now=when, sessions=known)
        return [((one.until or since) - since) / timedelta(minutes=1) for one in found]

    at = enforcer()
    # Access tokens of a disabled account are rejected; those of a key live on.
    assert ends(at, account) == [7, 60]
    assert (ends(at, account, 8), ends(at, account, 61)) == ([60], [])
    assert ends(at, key) == [20, 60]
    assert ends(enforcer(access_token_seconds=12 * 3600), key) == [20, 720]
    assert ends(at, key, 61) == []


def test_steps_that_google_has_not_say_what_to_do(lab: Lab, enforcer: Set) -> None:
    of, at = target(lab, "service_account"), enforcer()
    with pytest.raises(PermanentFailure, match="have its bindings changed there, or hold it"):
        at.narrow(of, permissions=[], key="REV-7", now=now())
    assert gcp.cannot(of, "hold") == ""
    key = target(lab, "key")
    with pytest.raises(PermanentFailure, match="may what its service account may"):
        at.narrow(key, permissions=[], key="REV-7", now=now())
    assert lab.seen == []


@pytest.mark.parametrize(
    ("kind", "name", "account"),
    [
        ("service_account", "a-name@another-project.iam.gserviceaccount.com", ""),
        ("service_account", "123456789012-compute@developer.gserviceaccount.com", ""),
        ("service_account", "ann@example.com", ""),
        ("service_account", "../projects", ""),
        ("service_account", f"x@{PROJECT}.iam.gserviceaccount.com:enable", ""),
        ("key", "aa/../bb", f"reporter@{PROJECT}.iam.gserviceaccount.com"),
        ("key", "abcdef0123", "a-name@another-project.iam.gserviceaccount.com"),
        ("key", "abcdef0123", ""),
        ("bucket", "abcdef0123", ""),
    ],
)
def test_what_is_not_this_projects_is_refused_before_anything_is_asked(
    lab: Lab, enforcer: Set, kind: str, name: str, account: str
) -> None:
    at, of = enforcer(), Target("gcp", PROJECT, kind, name, {"account": account})
    for ask in (
        lambda: at.revoke(of, key="REV-7", now=now()),
        lambda: at.verify(of, step="revoke", now=now()),
        lambda: at.residual(of, since=now(), now=now()),
    ):
        with pytest.raises(PermanentFailure) as caught:
            ask()
        assert caught.value.who_must_act == "the administrator of Countersign"
    elsewhere = Target("gcp", "another-project", "service_account", lab.account())
    with pytest.raises(PermanentFailure, match="this enforcer in agents-prod"):
        at.hold(elsewhere, key="REV-7", now=now())
    assert lab.seen == []


@pytest.mark.parametrize(
    ("fault", "least", "most"),
    [
        (answering(429, '{"error": {"status": "RESOURCE_EXHAUSTED"}}'), 15.0, 22.5),
        (answering(503, Retry_After="7200"), 3600.0, 5400.0),
        (answering(500), 15.0, 22.5),
        (answering(409, '{"error": {"status": "ABORTED"}}'), 15.0, 22.5),
        (answering(200, '{"name": '), 15.0, 22.5),
        (answering(200, "<html>Sign in"), 15.0, 22.5),
    ],
)
def test_a_project_that_cannot_now_is_asked_again_no_sooner_than_it_says(
    lab: Lab, enforcer: Set, fault: Any, least: float, most: float
) -> None:
    of = target(lab, "key")
    lab.fail(path_of(of), fault)
    with pytest.raises(TemporaryFailure) as caught:
        enforcer().hold(of, key="REV-7", now=now())
    assert least <= caught.value.retry_after <= most
    assert lab.changes() == []


def test_a_project_that_says_nothing_is_given_up(
    lab: Lab, enforcer: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    of, at = target(lab, "key"), enforcer()
    monkeypatch.setattr(web, "TIMEOUT", 0.2)
    lab.fail(f"{path_of(of)}:disable", quiet(0.6))
    with pytest.raises(TemporaryFailure, match="did not answer"):
        at.hold(of, key="REV-7", now=now())


@pytest.mark.parametrize(
    ("status", "body", "shown"),
    [
        (200, '{"disabled": true}', "is not it: check url"),
        (200, "{}", "is not it: check url"),
        (404, "<html>nothing here", "answered 404"),
        (404, '{"detail": "no such route"}', "answered 404"),
    ],
)
def test_an_answer_about_something_else_proves_nothing(
    lab: Lab, enforcer: Set, status: int, body: str, shown: str
) -> None:
    of = target(lab, "service_account")
    lab.fail(path_of(of), answering(status, body))
    with pytest.raises(PermanentFailure, match=shown):
        seen(enforcer(), of)
    lab.accounts[of.name]["disabled"] = "yes"
    assert seen(enforcer(), of) == "unknown"


def test_refusals_of_the_change_itself_say_who_must_act(lab: Lab, enforcer: Set) -> None:
    of, at = target(lab, "service_account"), enforcer()
    said = '{"error": {"status": "FAILED_PRECONDITION", "message": "disabled by Google"}}'
    lab.fail(f"{path_of(of)}:enable", answering(400, said))
    with pytest.raises(PermanentFailure, match="FAILED_PRECONDITION: disabled by Google") as caught:
        at.release(of, key="REV-7", now=now())
    assert caught.value.who_must_act == "an administrator of the Google Cloud project agents-prod"
    said = '{"error": {"message": "off", "details": [{"reason": "SERVICE_DISABLED"}]}}'
    lab.fail(path_of(of), answering(403, said))
    with pytest.raises(PermanentFailure, match="enable the API in the project"):
        at.hold(of, key="REV-7", now=now())
