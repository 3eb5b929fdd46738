"""What a service account is allowed, at a cluster that keeps state: held, let go and narrowed."""

import json
from dataclasses import replace
from typing import Any

import pytest

from identities.enforcers import kubernetes, widening
from identities.enforcers.contract import PermanentFailure, Permission, Target, confirms
from identities.enforcers.kubernetes_bindings import HELD
from identities.enforcers.kubernetes_entitled import KIND
from identities.enforcers.kubernetes_rules import rights_of
from identities.enforcers.leaving import judged
from tests.identities.enforcers.kubernetes_lab import (
    OTHER,
    RBAC,
    SUBJECT,
    Lab,
    Set,
    kubernetes_enforcer,
    kubernetes_lab,
    now,
    target,
)

__all__ = ["kubernetes_enforcer", "kubernetes_lab"]

VIEW = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
EDIT = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "update"]}]
# What "view" gives within the namespace: one pod by name, and the list.
READS = Permission(("get pods",), ("namespaces/agents/pods", "namespaces/agents/pods/*"))


@pytest.fixture
def lab(kubernetes_lab: Lab) -> Lab:
    """The account may read pods in its namespace, and change Secrets everywhere."""
    kubernetes_lab.make("clusterroles", "view", rules=VIEW)
    kubernetes_lab.make("clusterroles", "edit", rules=EDIT)
    role = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "edit"}
    kubernetes_lab.objects["clusterrolebindings", "", "readers"]["roleRef"] = role
    return kubernetes_lab


@pytest.fixture
def at(lab: Lab, kubernetes_enforcer: Set) -> kubernetes.KubernetesEnforcer:
    return kubernetes_enforcer()


def of(lab: Lab, hold: str = "REV-7", kind: str = KIND) -> Target:
    return replace(target(lab), kind=kind, extra={"hold": hold} if hold else {})


def held(at: kubernetes.KubernetesEnforcer, one: Target, *left: Permission) -> dict[str, str]:
    """Hold it as a worker does: what it could is read first."""
    before = at.allowed(one, now=now())
    at.hold(one, key=one.extra["hold"], now=now(), permissions=left)
    return before


def state(at: kubernetes.KubernetesEnforcer, one: Target, step: Any, *left: Permission) -> str:
    return at.verify(one, step=step, now=now(), permissions=left).state


def test_what_is_not_left_is_held_and_exactly_that_comes_back(
    lab: Lab, at: kubernetes.KubernetesEnforcer
) -> None:
    one, token = of(lab), lab.token()
    before = {key: json.dumps(found) for key, found in lab.objects.items()}
    assert state(at, one, "hold", READS) == "active"
    could = held(at, one, READS)
    # By the binding of what is left it goes on working, out of the other it is taken.
    assert (lab.subjects("reports"), lab.subjects("readers", "")) == ([OTHER, SUBJECT], [])
    seen = at.verify(one, step="hold", now=now(), permissions=[READS])
    assert (seen.state, confirms(seen, step="hold"), lab.uses(token)) == ("held", True, 200)
    writes = lab.asked("PUT")
    at.hold(one, key="REV-7", now=now(), permissions=[READS])
    assert (lab.asked("PUT"), state(at, one, "release")) == (writes, "held")
    sent = at.release(one, key="REV-8", now=now(), allowed=could)
    assert sent.detail == "agents/reporting is put back into 1 role binding."
    assert state(at, one, "release") == "active"
    at.release(one, key="REV-8", now=now(), allowed=could)
    assert {key: found.get("subjects") for key, found in lab.objects.items()} == {
        key: json.loads(found).get("subjects") for key, found in before.items()
    }
    assert HELD not in json.dumps(list(lab.objects.values()))


def test_nothing_left_takes_it_out_of_everything_that_gives_something(
    lab: Lab, at: kubernetes.KubernetesEnforcer
) -> None:
    lab.make("clusterroles", "nothing", rules=[])
    lab.bind("empty", SUBJECT)
    lab.objects["rolebindings", "agents", "empty"]["roleRef"]["name"] = "nothing"
    lab.bind("lost", SUBJECT)  # of a role that is not there nobody knows what it gives
    lab.objects["rolebindings", "agents", "lost"]["roleRef"]["name"] = "gone"
    one = of(lab)
    held(at, one)
    names = [lab.subjects(name) for name in ("reports", "by-user", "empty", "lost")]
    assert (names, lab.subjects("readers", "")) == ([[OTHER], [], [SUBJECT], []], [])
    assert state(at, one, "hold") == "held"


def test_a_binding_that_gives_both_is_refused_before_anything_is_changed(
    lab: Lab, at: kubernetes.KubernetesEnforcer
) -> None:
    lab.objects["clusterroles", "", "view"]["rules"] = [*VIEW, *EDIT]
    for step, kind in (("hold", KIND), ("narrow", "service_account")):
        with pytest.raises(PermanentFailure) as caught:
            getattr(at, step)(of(lab, kind=kind), key="REV-7", permissions=[READS])
        assert "both what is left and more" in caught.value.reason
        assert "role binding agents/" in caught.value.reason.lower()
    assert lab.asked("PUT") == 0


def test_what_a_group_is_given_is_said_and_not_called_held(
    lab: Lab, at: kubernetes.KubernetesEnforcer
) -> None:
    lab.bind("everybody", {"kind": "Group", "name": "system:serviceaccounts"}, namespace="")
    one = of(lab)
    with pytest.raises(PermanentFailure, match="take the group out there") as caught:
        held(at, one)
    assert "system:serviceaccounts by cluster role binding everybody" in caught.value.reason
    # Stopped all the same as far as its own bindings go.
    assert (lab.subjects("readers", ""), state(at, one, "hold")) == ([], "active")
    lab.objects.pop(("clusterrolebindings", "", "everybody"))
    assert state(at, one, "hold") == "held"


def test_roles_that_give_more_by_now_keep_it_held_until_that_is_signed(
    lab: Lab, at: kubernetes.KubernetesEnforcer
) -> None:
    one = of(lab)
    could = held(at, one, READS)
    lab.objects["clusterroles", "", "edit"]["rules"] = [
        *EDIT, {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["delete"]},
    ]  # fmt: skip
    with pytest.raises(PermanentFailure, match="give more than when it was held") as caught:
        at.release(one, key="REV-8", now=now(), allowed=could)
    assert "new: allows by ClusterRole edit" in caught.value.reason
    assert lab.subjects("readers", "") == []
    # What a reading shows and owners sign is compared in the same words.
    rules = lab.objects["clusterroles", "", "edit"]["rules"]
    rights = [right for rule in rules for right in rights_of(rule, "", "signed")]
    signed = widening.allowed(right.as_json() for right in rights)
    at.release(one, key="REV-9", now=now(), allowed=signed)
    assert lab.subjects("readers", "") == [SUBJECT]


def test_two_holds_and_the_hold_of_the_account_do_not_know_each_other(
    lab: Lab, at: kubernetes.KubernetesEnforcer
) -> None:
    first, second, account = of(lab), of(lab, "REV-9"), target(lab)
    could = held(at, first, READS)
    held(at, second)
    at.hold(account, key="REV-11", now=now())
    at.release(first, key="REV-12", now=now(), allowed=could)
    assert (lab.subjects("readers", ""), state(at, first, "release")) == ([], "active")
    at.release(account, key="REV-13", now=now())
    assert (lab.subjects("readers", ""), lab.subjects("reports")) == ([], [OTHER])
    assert (state(at, account, "release"), state(at, second, "release")) == ("active", "held")
    at.release(second, key="REV-14", now=now(), allowed=could)
    assert (lab.subjects("readers", ""), lab.subjects("reports")) == ([SUBJECT], [OTHER, SUBJECT])


def test_narrowed_for_good_it_ends_the_hold_and_what_is_left_goes_on(
    lab: Lab, at: kubernetes.KubernetesEnforcer
) -> None:
    held(at, of(lab))
    one = of(lab, kind="service_account")
    assert state(at, one, "narrow", READS) == "active"
    for _ in range(2):
        sent = at.narrow(one, key="REV-8", permissions=[READS])
    assert sent.detail == "agents/reporting is taken out of 0 role bindings."
    assert (lab.subjects("readers", ""), lab.subjects("reports")) == ([], [OTHER, SUBJECT])
    seen = at.verify(one, step="narrow", now=now(), permissions=[READS])
    assert (seen.state, confirms(seen, step="narrow")) == ("denied", True)
    assert HELD not in json.dumps(list(lab.objects.values()))
    # Nothing gives it back: neither the hold that is over, nor that of the account.
    at.release(of(lab), key="REV-9", now=now(), allowed={})
    at.hold(target(lab), key="REV-10", now=now())
    at.release(target(lab), key="REV-11", now=now())
    assert lab.subjects("readers", "") == []


def test_account_that_is_gone_is_held_and_narrowed_and_not_let_go(
    lab: Lab, at: kubernetes.KubernetesEnforcer
) -> None:
    lab.objects.pop(("serviceaccounts", "agents", "reporting"))
    one = of(lab)
    assert (held(at, one), state(at, one, "hold"), lab.asked("PUT")) == ({}, "gone", 0)
    assert at.narrow(of(lab, kind="service_account"), key="REV-8", permissions=[]).detail == (
        "agents/reporting is already gone."
    )
    assert state(at, of(lab, kind="service_account"), "narrow") == "gone"
    with pytest.raises(PermanentFailure, match="nothing to release"):
        at.release(one, key="REV-8", now=now(), allowed={})


def test_server_that_lies_is_not_believed(lab: Lab, at: kubernetes.KubernetesEnforcer) -> None:
    lab.lies = True
    one = of(lab)
    held(at, one)
    assert state(at, one, "hold") == "active"


@pytest.mark.parametrize(
    ("left", "how"),
    [
        ((), "beyond"),
        ((READS,), "within"),
        ((Permission(("*",), ("*",)),), "within"),
        ((Permission(("get pods",), ("namespaces/agents/pods/a",)),), "mixed"),
        ((Permission(("get *",), ("namespaces/agents/*",)),), "within"),
        ((Permission(("GET PODS",), READS.resources),), "within"),
        ((Permission(("get secrets",), READS.resources),), "beyond"),
        ((Permission(("get pods",), ("namespaces/other/*",)),), "beyond"),
    ],
)
def test_how_much_of_a_binding_is_left(left: tuple[Permission, ...], how: str) -> None:
    rights = [right for rule in VIEW for right in rights_of(rule, "agents", "x")]
    assert judged(rights, left) == how
    assert judged([], left) == "within"
