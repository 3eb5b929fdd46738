"""The Kubernetes enforcer when its cluster cannot, will not or may not: faults, rights, settings."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from identities.enforcers import kubernetes, kubernetes_cluster, web
from identities.enforcers.contract import PermanentFailure, Target, TemporaryFailure
from tests.evidence.sources.server import Answer, Request
from tests.identities.enforcers.kubernetes_lab import (
    ACCOUNT,
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


@pytest.mark.parametrize("kind", [*KINDS, "token", "certificate"])
@pytest.mark.parametrize("step", ["hold", "release", "suspend", "resume", "narrow"])
def test_what_kubernetes_has_no_step_for_is_refused_with_what_to_do(
    lab: Lab, enforcer: Set, kind: str, step: str
) -> None:
    one = target(lab, kind)
    if kind == "service_account":
        assert kubernetes.cannot(one, step) == ""
        return
    more: dict[str, Any] = {"permissions": []} if step == "narrow" else {}
    with pytest.raises(PermanentFailure) as caught:
        getattr(enforcer(), step)(one, key="REV-7", now=now(), **more)
    assert caught.value.reason == f"{one.name}: {kubernetes.cannot(one, step)}"
    assert caught.value.reason.endswith("old the identity.")
    assert lab.there.asked == []


@pytest.mark.parametrize("kind", ["token", "certificate"])
def test_a_single_token_or_certificate_cannot_be_ended(lab: Lab, enforcer: Set, kind: str) -> None:
    with pytest.raises(PermanentFailure, match="hold the identity") as caught:
        enforcer().revoke(target(lab, kind, "jti-1"), key="REV-7", now=now())
    assert caught.value.who_must_act == "whoever asked for it"


@pytest.mark.parametrize(
    ("kind", "name", "holder"),
    [
        ("service_account", "agents", ""),
        ("service_account", "agents/../kube-system/x", ""),
        ("service_account", "Agents/reporting", ""),
        ("secret", "agents/a?x=1", ""),
        ("secret", "../agents/a", ""),
        ("pod", "reporting-0", ACCOUNT),
        ("pod", "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a", "agents,metadata.name=x"),
        ("node", "agents/a", ""),
    ],
)
def test_a_name_that_is_none_goes_nowhere(
    lab: Lab, enforcer: Set, kind: str, name: str, holder: str
) -> None:
    one = Target("kubernetes", lab.there.url, kind, name, {"service_account": holder})
    with pytest.raises(PermanentFailure, match=r"is no name that|is no uid of|know the kind"):
        enforcer().revoke(one, key="REV-7", now=now())
    assert lab.there.asked == []


def test_what_is_of_another_cluster_is_refused_before_anything_is_asked(
    lab: Lab, enforcer: Set
) -> None:
    foreign = Target("kubernetes", "https://other.example.com", "service_account", ACCOUNT)
    with pytest.raises(PermanentFailure, match=f"not of {lab.there.url}"):
        enforcer().hold(foreign, key="REV-7", now=now())
    assert lab.there.asked == []


@pytest.mark.parametrize(
    ("answer", "least", "most"),
    [
        # API Priority and Fairness says when.
        (Answer(429, "Too many requests, please try again later.", {"Retry-After": "1"}), 1.0, 1.5),
        (Answer(503, {"kind": "Status", "reason": "ServiceUnavailable"}), 15.0, 22.5),
        (Answer(500, "etcdserver: request timed out"), 15.0, 22.5),
        (Answer(410, {"kind": "Status", "reason": "Expired", "message": "too old"}), 1.0, 1.5),
    ],
)
def test_a_cluster_that_cannot_now_is_asked_again_no_sooner_than_it_says(
    lab: Lab, enforcer: Set, answer: Answer, least: float, most: float
) -> None:
    at, one = enforcer(), target(lab)
    lab.there.fail(answer)
    with pytest.raises(TemporaryFailure) as caught:
        at.hold(one, key="REV-7", now=now())
    assert least <= caught.value.retry_after <= most
    at.hold(one, key="REV-7", now=now())
    assert at.verify(one, step="hold", now=now()).state == "denied"


@pytest.mark.parametrize(
    "body", ["", "<html>", "[]", "{}", '{"metadata": {"name": "another", "uid": "1"}}']
)
@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_does_not_say_whether_it_is_there_proves_nothing(
    lab: Lab, enforcer: Set, kind: str, body: str
) -> None:
    at, one = enforcer(), target(lab, kind)
    lab.there.fail(Answer(200, body))
    with pytest.raises(TemporaryFailure):
        at.verify(one, step="revoke", now=now())


def test_a_path_that_is_not_there_is_no_proof(lab: Lab, enforcer: Set) -> None:
    nothing = {"kind": "Status", "reason": "NotFound", "details": {}, "message": "could not find"}
    for answer in (Answer(404, "404 page not found"), Answer(404, nothing)):
        lab.there.fail(answer)
        with pytest.raises(PermanentFailure) as caught:
            enforcer().verify(target(lab, "secret"), step="revoke", now=now())
        assert caught.value.who_must_act == "the administrator of Countersign"


def test_a_cluster_that_says_nothing_is_given_up(
    lab: Lab, enforcer: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(_: Request) -> Answer:
        time.sleep(0.6)
        return Answer(200)

    monkeypatch.setattr(web, "TIMEOUT", 0.2)
    lab.there.on("GET", "/*", slow)
    with pytest.raises(TemporaryFailure, match="did not answer"):
        enforcer().verify(target(lab), step="revoke", now=now())


def test_our_own_token_that_ended_is_for_us_to_renew_and_stands_in_no_text(
    lab: Lab, enforcer: Set, tmp_path: Path
) -> None:
    at, one = enforcer(), target(lab)
    (tmp_path / "token").write_text("an-older-token-of-ours")
    said = {"kind": "Status", "reason": "Unauthorized", "message": "no: an-older-token-of-ours"}
    lab.there.fail(None, Answer(401, json.dumps(said)))
    for _ in range(2):
        with pytest.raises(web.Refused, match="does not accept Countersign's own token") as caught:
            at.hold(one, key="REV-7", now=now())
        assert caught.value.who_must_act == "the administrator of Countersign"
        assert "an-older-token" not in caught.value.reason


@pytest.mark.parametrize(
    ("kind", "verb", "resource"),
    [
        ("service_account", "update", "rolebindings"),
        ("service_account", "bind", "clusterroles"),
        ("service_account", "list", "clusterrolebindings"),
        ("service_account", "delete", "serviceaccounts"),
        ("secret", "get", "secrets"),
        ("pod", "delete", "pods"),
    ],
)
def test_a_right_that_is_missing_is_named_and_nothing_is_tried(
    lab: Lab, enforcer: Set, kind: str, verb: str, resource: str
) -> None:
    at, one = enforcer(), target(lab, kind)
    assert at.own_rights([one]) == []
    lab.forbidden.add((verb, resource))
    (missing,) = at.own_rights([one])
    where = "in all namespaces" if "role" in resource else "in agents"
    assert missing.permission == f"{verb} {resource} {where}"
    assert f'resources ["{resource}"], verbs ["{verb}"]' in missing.sentence
    assert {one.path.rsplit("/", 1)[-1] for one in lab.there.asked} == {"selfsubjectaccessreviews"}
    with pytest.raises(web.Refused, match="allow Countersign's service account to") as caught:
        at.revoke(one, key="REV-7", now=now())
    assert caught.value.who_must_act == f"the administrator of {lab.there.url}"


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"token": "given-itself"}, "token: a secret is named, not given"),
        ({"token": ""}, "token is missing"),
        ({"realms": []}, "realms is no list"),
        ({"token_seconds": "60"}, "token_seconds is no number"),
        ({"tokens": "file:/run/token"}, "tokens does not say where {name} stands"),
        ({"url": "api.example.com:6443"}, "url is not the address of the API server"),
        ({"tokne": "x"}, "there is no tokne"),
        ({"ca_file": 7}, "ca_file is no text"),
    ],
)
def test_wrong_settings_name_their_place(said: Any, problem: str) -> None:
    right = {
        "url": "https://api.example.com:6443/",
        "realms": ["k8s:prod"],
        "token": "file:/var/run/secrets/kubernetes.io/serviceaccount/token",
    }
    assert kubernetes_cluster.cluster(right).url == "https://api.example.com:6443"
    with pytest.raises(PermanentFailure) as caught:
        kubernetes_cluster.cluster(right | said)
    assert problem in caught.value.reason
    assert caught.value.who_must_act == "the administrator of Countersign"
