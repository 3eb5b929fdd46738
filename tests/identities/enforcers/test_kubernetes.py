"""The Kubernetes enforcer against a cluster that keeps state: each kind, each step, real tokens."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from identities.enforcers import kubernetes
from identities.enforcers.contract import PermanentFailure, Target, TemporaryFailure, confirms
from identities.enforcers.kubernetes_bindings import HELD
from tests.identities.enforcers.kubernetes_lab import (
    ACCOUNT,
    OTHER,
    SUBJECT,
    USER,
    Lab,
    Set,
    kubernetes_enforcer,
    kubernetes_lab,
    now,
    target,
)

__all__ = ["kubernetes_enforcer", "kubernetes_lab"]

KINDS = ("service_account", "secret", "pod")


@pytest.fixture
def lab(kubernetes_lab: Lab) -> Lab:
    return kubernetes_lab


@pytest.fixture
def enforcer(kubernetes_enforcer: Set) -> Set:
    return kubernetes_enforcer


def state(at: kubernetes.KubernetesEnforcer, one: Target, step: Any = "revoke") -> str:
    return at.verify(one, step=step, now=now()).state


@pytest.mark.parametrize(("stops", "starts"), [("hold", "release"), ("suspend", "resume")])
def test_a_held_account_may_nothing_and_then_what_it_might_before(
    lab: Lab, enforcer: Set, stops: Any, starts: Any
) -> None:
    at, one, token = enforcer(), target(lab), lab.token()
    before = [lab.subjects("reports"), lab.subjects("by-user"), lab.subjects("readers", "")]
    assert (state(at, one, stops), lab.uses(token)) == ("active", 200)
    sent = getattr(at, stops)(one, key="REV-7", now=now())
    assert sent.detail == "agents/reporting is taken out of 3 role bindings."
    seen = at.verify(one, step=stops, now=now())
    assert (seen.state, confirms(seen, step=stops), lab.uses(token)) == ("denied", True, 403)
    # Others keep what they have.
    assert (lab.subjects("reports"), lab.subjects("readers", "")) == ([OTHER], [])
    writes = lab.asked("PUT")
    assert getattr(at, stops)(one, key="REV-7", now=now()).detail.endswith("of 0 role bindings.")
    assert lab.asked("PUT") == writes == 3
    assert state(at, one, starts) == "denied"
    for _ in range(2):
        getattr(at, starts)(one, key="REV-8", now=now())
    assert (state(at, one, starts), lab.uses(token), lab.asked("PUT")) == ("active", 200, 6)
    assert [
        lab.subjects("reports"),
        lab.subjects("by-user"),
        lab.subjects("readers", ""),
    ] == before
    assert not any(HELD in str(binding) for binding in lab.objects.values())
    agents = {r.headers["user-agent"] for r in lab.there.asked if r.method == "PUT"}
    assert agents == {f"countersign countersign-key/REV-{number}" for number in (7, 8)}


def test_two_accounts_held_in_one_binding_are_put_back_each_for_itself(
    lab: Lab, enforcer: Set
) -> None:
    lab.make("serviceaccounts", "other", "agents")
    at, first, second = enforcer(), target(lab), target(lab, name="agents/other")
    for one in (first, second):
        at.hold(one, key="REV-7", now=now())
    assert lab.subjects("reports") == []
    at.release(first, key="REV-8", now=now())
    assert lab.subjects("reports") == [SUBJECT]
    assert (state(at, first, "release"), state(at, second, "release")) == ("active", "denied")
    at.release(second, key="REV-9", now=now())
    assert lab.subjects("reports") == [SUBJECT, OTHER]


def test_what_others_write_meanwhile_is_kept_and_what_they_delete_stays_deleted(
    lab: Lab, enforcer: Set
) -> None:
    at, one = enforcer(), target(lab)
    third = {"kind": "User", "name": "ann"}
    lab.meanwhile.append(lambda: lab.bind("by-user", USER, third))
    at.hold(one, key="REV-7", now=now())
    assert (lab.subjects("by-user"), state(at, one, "hold")) == ([third], "denied")
    lab.objects.pop(("rolebindings", "agents", "reports"))
    lab.meanwhile.append(lambda: lab.bind("by-user", third))  # and its memory with it
    at.release(one, key="REV-8", now=now())
    assert (lab.subjects("by-user"), lab.subjects("readers", "")) == ([third], [SUBJECT])
    assert ("rolebindings", "agents", "reports") not in lab.objects
    lab.meanwhile += [lambda: lab.bind("reports", SUBJECT)] * 9
    lab.bind("reports", SUBJECT)
    with pytest.raises(TemporaryFailure, match=r"agents/reports is changed again and again"):
        at.hold(one, key="REV-9", now=now())


def test_a_memory_that_somebody_wrote_names_nobody_else(lab: Lab, enforcer: Set) -> None:
    at, one = enforcer(), target(lab)
    at.hold(one, key="REV-7", now=now())
    planted = {"kind": "User", "name": "mallory"}
    for name, memory in (
        ("reports", json.dumps({ACCOUNT: {"subjects": [SUBJECT, planted, "x"]}})),
        ("by-user", json.dumps({ACCOUNT: {"subjects": None}, "agents/other": 7})),
    ):
        lab.objects["rolebindings", "agents", name]["metadata"]["annotations"] = {HELD: memory}
    readers = lab.objects["clusterrolebindings", "", "readers"]["metadata"]
    readers["annotations"] = {HELD: "{damaged", "app": "x"}
    at.release(one, key="REV-8", now=now())
    assert (lab.subjects("reports"), lab.subjects("by-user")) == ([OTHER, SUBJECT], [])
    assert (lab.subjects("readers", ""), readers["annotations"]["app"]) == ([], "x")
    assert state(at, one, "release") == "active"


def test_an_account_that_gitops_binds_again_is_seen_to_be(lab: Lab, enforcer: Set) -> None:
    at, one = enforcer(), target(lab)
    at.hold(one, key="REV-7", now=now())
    lab.bind("reports", OTHER, SUBJECT)
    assert at.verify(one, step="hold", now=now()).detail == (
        "Role binding agents/reports names agents/reporting."
    )


def test_a_revoked_account_takes_its_tokens_secrets_and_bindings_with_it(
    lab: Lab, enforcer: Set
) -> None:
    at, one = enforcer(), target(lab)
    tokens = [lab.token(), lab.token(pod="reporting-0"), lab.token(secret="reporting-token")]
    assert {lab.uses(token) for token in tokens} == {200}
    at.hold(one, key="REV-6", now=now())
    sent = at.revoke(one, key="REV-7", now=now())
    assert sent.detail == (
        "agents/reporting is taken out of 0 role bindings. agents/reporting is deleted."
    )
    assert ({lab.uses(token) for token in tokens}, state(at, one)) == ({401}, "gone")
    assert ("secrets", "agents", "reporting-token") not in lab.objects
    # Nothing is left by which one of the same name would have it all again.
    assert (lab.subjects("reports"), HELD in str(lab.objects)) == ([OTHER], False)
    assert at.revoke(one, key="REV-7", now=now()).detail.endswith("is already gone.")
    with pytest.raises(PermanentFailure, match="is gone: there is nothing to release"):
        at.release(one, key="REV-8", now=now())
    lab.make("serviceaccounts", "reporting", "agents")
    assert at.verify(one, step="revoke", now=now()).detail == (
        "agents/reporting is there, and no binding names it."
    )


def test_a_default_account_is_made_anew_and_may_nothing(lab: Lab, enforcer: Set) -> None:
    lab.make("serviceaccounts", "default", "agents")
    lab.bind("reports", {**SUBJECT, "name": "default"})
    at, one, token = enforcer(), target(lab, name="agents/default"), lab.token("agents/default")
    assert (state(at, one), lab.uses(token)) == ("active", 200)
    at.revoke(one, key="REV-7", now=now())
    assert (state(at, one), lab.uses(token)) == ("denied", 401)
    assert lab.uses(lab.token("agents/default")) == 403


def test_an_account_that_is_kept_is_only_taken_out(lab: Lab, enforcer: Set) -> None:
    at, one, token = enforcer(), target(lab), lab.token()
    at.revoke(one, key="REV-7", now=now(), delete=False)
    assert (lab.uses(token), lab.asked("DELETE"), HELD in str(lab.objects)) == (403, 0, False)


@pytest.mark.parametrize("kind", ["secret", "pod"])
def test_a_token_dies_with_what_it_is_bound_to(
    lab: Lab, enforcer: Set, tmp_path: Path, kind: str
) -> None:
    bound = {"secret": "reporting-token"} if kind == "secret" else {"pod": "reporting-0"}
    token, free, one = lab.token(**bound), lab.token(), target(lab, kind)
    at = enforcer(tokens=f"file:{tmp_path}/{{name}}.token")
    assert at.probe(one, now=now()) is None
    (tmp_path / f"{one.name.replace('/', '.')}.token").write_text(token)
    with pytest.raises(TemporaryFailure, match="still takes the token") as caught:
        at.probe(one, now=now())
    assert token not in caught.value.reason
    assert (state(at, one), lab.uses(token)) == ("active", 200)
    at.revoke(one, key="REV-7", now=now())
    assert (state(at, one), lab.uses(token), lab.uses(free)) == ("gone", 401, 200)
    seen = at.probe(one, now=now())
    assert seen is not None
    assert (seen.state, "has been invalidated" in seen.detail) == ("denied", True)
    assert at.revoke(one, key="REV-7", now=now()).detail.endswith("is already gone.")


def test_nothing_of_a_secret_but_its_metadata_is_read_and_no_other_secret_is_touched(
    lab: Lab, enforcer: Set
) -> None:
    lab.make("secrets", "database", "agents", metadata={"annotations": {}})
    at = enforcer()
    with pytest.raises(PermanentFailure, match="holds no token of a service account: it is left"):
        at.revoke(target(lab, "secret", "agents/database"), key="REV-7", now=now())
    at.revoke(target(lab, "secret"), key="REV-7", now=now())
    at.revoke(target(lab, "pod"), key="REV-8", now=now())
    gets = [one.headers["accept"] for one in lab.there.asked if one.method == "GET"]
    assert len(gets) == 3
    assert all("as=PartialObjectMetadata" in accept for accept in gets)
    assert ("secrets", "agents", "database") in lab.objects


@pytest.mark.parametrize("kind", KINDS)
def test_another_of_the_same_name_is_not_deleted(lab: Lab, enforcer: Set, kind: str) -> None:
    name = {"secret": "reporting-token", "pod": "reporting-0"}.get(kind, "reporting")
    plural = {"service_account": "serviceaccounts"}.get(kind, f"{kind}s")
    at, one = enforcer(), target(lab, kind)
    if kind == "service_account":
        at.hold(one, key="REV-6", now=now())
    old = lab.objects[plural, "agents", name]

    def replaced() -> None:
        lab.make(plural, name, "agents", **{k: v for k, v in old.items() if k != "metadata"})

    lab.meanwhile.append(replaced)
    if kind == "service_account":
        lab.meanwhile[:0] = [lambda: None] * 3
    with pytest.raises(TemporaryFailure, match="was changed while it was being deleted"):
        at.revoke(one, key="REV-7", now=now())
    assert (plural, "agents", name) in lab.objects


@pytest.mark.parametrize("kind", KINDS)
def test_a_cluster_that_lies_is_seen_to_have_done_nothing(
    lab: Lab, enforcer: Set, kind: str
) -> None:
    at, one = enforcer(), target(lab, kind)
    lab.lies = True
    at.revoke(one, key="REV-7", now=now())
    assert state(at, one) == "active"
    if kind == "service_account":
        at.hold(one, key="REV-7", now=now())
        assert state(at, one, "hold") == "active"


def test_what_a_finalizer_keeps_is_not_gone(lab: Lab, enforcer: Set) -> None:
    at, one = enforcer(), target(lab, "secret")
    lab.lingers.add("secrets")
    at.revoke(one, key="REV-7", now=now())
    assert at.verify(one, step="revoke", now=now()).detail == (
        "agents/reporting-token is being deleted, and still there."
    )


def test_lists_are_read_to_their_end(lab: Lab, enforcer: Set) -> None:
    lab.page, at = 1, enforcer()
    at.hold(target(lab), key="REV-7", now=now())
    assert (lab.asked("PUT"), lab.subjects("readers", "")) == (3, [])


def test_what_lives_on_and_until_when(lab: Lab, enforcer: Set) -> None:
    since, one = now(), target(lab)
    assert enforcer().residual(one, since=since, now=since) == []
    everybody = {"kind": "Group", "name": "system:serviceaccounts:agents"}
    lab.bind("for-all", everybody)
    lab.bind("elsewhere", everybody, namespace="other")
    lab.bind("system:basic-user", {"kind": "Group", "name": "system:authenticated"}, namespace="")
    made = lab.objects["clusterrolebindings", "", "system:basic-user"]["metadata"]
    made["labels"] = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    (left,) = enforcer().residual(one, since=since, now=since)
    assert (left.what, left.until) == (
        "what system:serviceaccounts:agents may by role binding agents/for-all",
        None,
    )
    trusted = enforcer(token_seconds=600)
    outside = "its tokens, for those who trust the cluster's tokens without asking it"
    found = [(one.what, one.until) for one in trusted.residual(one, since=since, now=since)]
    # A held account is still given new ones.
    assert found == [(outside, None), (left.what, None)]
    end = since + timedelta(seconds=600)
    (left,) = trusted.residual(target(lab, "pod"), since=since, now=since)
    assert (left.what, left.until) == (outside, end)
    assert trusted.residual(target(lab, "secret"), since=since, now=since) == []
    trusted.revoke(one, key="REV-7", now=now())
    (left,) = trusted.residual(one, since=since, now=since)
    assert (left.what, left.until) == (outside, end)
    assert trusted.residual(one, since=since, now=end) == []


def test_an_account_of_that_name_elsewhere_is_another(lab: Lab, enforcer: Set) -> None:
    lab.make("serviceaccounts", "reporting", "other")
    lab.bind("theirs", {**SUBJECT, "namespace": "other"})
    enforcer().hold(target(lab), key="REV-7", now=now())
    assert lab.subjects("theirs") == [{**SUBJECT, "namespace": "other"}]
    assert ACCOUNT in str(lab.objects["rolebindings", "agents", "reports"]["metadata"])
