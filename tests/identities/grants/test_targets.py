"""Clusters, Vault and GitHub: what a grant puts there, that it is taken away again, and what is not
ours stays."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from identities.acting import COMMAND
from identities.actions import grants
from identities.actions.grants import What, minting
from identities.enforcers import github_server, kubernetes_cluster, vault_server
from identities.enforcers.contract import PermanentFailure, Target
from identities.enforcers.grants import Given, Granter, Handed
from identities.enforcers.grants_github import GitHubGranter
from identities.enforcers.grants_kubernetes import KubernetesGranter
from identities.enforcers.grants_vault import VaultGranter
from identities.models import Grant
from identities.permissions import NotPossible
from tests.evidence.sources.server import Answer, Request
from tests.identities.enforcers import github_lab as hub
from tests.identities.enforcers import kubernetes_lab as kube
from tests.identities.enforcers import vault_lab as safe
from tests.identities.enforcers.github_lab import github_lab
from tests.identities.enforcers.kubernetes_lab import kubernetes_lab
from tests.identities.enforcers.vault_lab import vault_lab
from tests.identities.granting import (
    HOUR,
    MINUTE,
    given,
    no_time_passes_within_a_step_of_a_grant,
    work,
)

__all__ = [
    "github_lab",
    "kubernetes_lab",
    "no_time_passes_within_a_step_of_a_grant",
    "vault_lab",
]

Make = Callable[..., Any]
RBAC = "/apis/rbac.authorization.k8s.io/v1"
BINDING = ("rolebindings", "agents", "countersign-grt-7")
SECRET = ("secrets", "agents", "countersign-grt-7")
ON_ACCOUNT = {
    "subject_kind": "ServiceAccount",
    "subject": "agents/reporting",
    "role_kind": "ClusterRole",
}


def to(target: Target, *handed: Handed, lasts: timedelta = HOUR) -> Given:
    now = datetime.now(UTC)
    return Given("GRT-7", target, (), now, now + lasts, handed)


def state(granter: Granter, one: Given) -> tuple[str, str]:
    now = datetime.now(UTC)
    return granter.granted(one, now=now).state, granter.ended(one, now=now).state


# Kubernetes


def creates(lab: kube.Lab) -> None:
    """What the lab does not do yet: objects are made, and tokens of accounts given out."""

    def make(asked: Request) -> Answer:
        assert asked.headers["authorization"] == f"Bearer {kube.OURS}"
        _, _, namespace, kind = asked.path.rsplit("/", 3)
        body = asked.json()
        name = body["metadata"]["name"]
        if (kind, namespace, name) in lab.objects:
            said = f'{kind} "{name}" already exists'
            return kube._status(409, "AlreadyExists", said, name=name, kind=kind)
        if lab.lies:
            return Answer(201, body)
        more = {part: body[part] for part in ("subjects", "roleRef") if part in body}
        return Answer(201, lab.make(kind, name, namespace, metadata=body["metadata"], **more))

    def token(asked: Request) -> Answer:
        spec = asked.json()["spec"]
        bound = spec["boundObjectRef"]
        assert lab.objects["secrets", "agents", bound["name"]]["metadata"]["uid"] == bound["uid"]
        ends = datetime.now(UTC) + timedelta(seconds=spec["expirationSeconds"])
        said = {"token": lab.token(secret=bound["name"]), "expirationTimestamp": ends.isoformat()}
        return Answer(201, {"kind": "TokenRequest", "status": said})

    lab.there.on("POST", f"{RBAC}/namespaces/agents/rolebindings", make)
    lab.there.on("POST", "/api/v1/namespaces/agents/secrets", make)
    lab.there.on("POST", "/api/v1/namespaces/agents/serviceaccounts/reporting/token", token)


@pytest.fixture
def cluster(kubernetes_lab: kube.Lab, tmp_path: Path) -> KubernetesGranter:
    creates(kubernetes_lab)
    (tmp_path / "token").write_text(kube.OURS)
    entry = {
        "url": kubernetes_lab.there.url,
        "realms": ["k8s:lab"],
        "token": f"file:{tmp_path}/token",
    }
    return KubernetesGranter(kubernetes_cluster.cluster(entry), allow_private=True)


def binding(lab: kube.Lab, **extra: str) -> Target:
    return Target("kubernetes", lab.there.url, "role_binding", "agents/view", ON_ACCOUNT | extra)


def test_a_binding_is_made_found_and_deleted_with_its_tokens(
    kubernetes_lab: kube.Lab, cluster: KubernetesGranter
) -> None:
    lab, now = kubernetes_lab, datetime.now(UTC)
    one = to(binding(lab))
    assert state(cluster, one) == ("gone", "gone")
    cluster.grant(one, now=now)
    cluster.grant(one, now=now)
    assert lab.asked("POST") == 1
    assert state(cluster, one) == ("active", "active")
    made = lab.objects[BINDING]
    assert made["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "view",
    }
    assert made["subjects"] == [
        {"kind": "ServiceAccount", "namespace": "agents", "name": "reporting"}
    ]

    minted = cluster.mint(one, person="alice", now=now)
    assert minted.document["kind"] == "ExecCredential"
    token = minted.document["status"]["token"]
    assert lab.uses(token) == 200
    assert token not in repr(minted)
    ended = to(binding(lab), minted.handed)
    cluster.end(ended, now=now)
    cluster.end(ended, now=now)
    assert state(cluster, ended) == ("gone", "gone")
    assert BINDING not in lab.objects
    assert SECRET not in lab.objects
    # The token is dead, whatever else its account is still bound to.
    assert lab.uses(token) == 401
    assert lab.uses(lab.token()) == 200


def test_what_somebody_else_made_of_that_name_stays(
    kubernetes_lab: kube.Lab, cluster: KubernetesGranter
) -> None:
    lab, now = kubernetes_lab, datetime.now(UTC)
    lab.bind(BINDING[2], kube.OTHER)
    for act in (cluster.grant, cluster.end):
        with pytest.raises(PermanentFailure, match="not what Countersign makes"):
            act(to(binding(lab)), now=now)
    assert BINDING in lab.objects


def test_a_cluster_that_lies_is_not_believed(
    kubernetes_lab: kube.Lab, cluster: KubernetesGranter
) -> None:
    lab, now = kubernetes_lab, datetime.now(UTC)
    one = to(binding(lab))
    lab.lies = True
    cluster.grant(one, now=now)
    assert state(cluster, one) == ("gone", "gone")
    lab.lies = False
    cluster.grant(one, now=now)
    lab.lies = True
    cluster.end(one, now=now)
    assert state(cluster, one) == ("active", "active")


@pytest.mark.parametrize(
    ("name", "extra", "words"),
    [
        ("agents", {}, "no name of a role"),
        ("Agents/view", {}, "no name that Kubernetes gives"),
        ("agents/view", {"subject": "reporting"}, "no name that Kubernetes gives"),
        ("agents/view", {"subject_kind": "Robot"}, "subject_kind is one of"),
        (
            "agents/view",
            {"subject_kind": "Group", "subject": "system:masters"},
            "no name that a grant",
        ),
        ("agents/view", {"role_kind": "Cluster"}, "role_kind is"),
    ],
)
def test_what_a_cluster_would_not_take_is_refused_before(
    kubernetes_lab: kube.Lab,
    cluster: KubernetesGranter,
    name: str,
    extra: dict[str, str],
    words: str,
) -> None:
    url = kubernetes_lab.there.url
    one = to(Target("kubernetes", url, "role_binding", name, ON_ACCOUNT | extra))
    assert words in cluster.why_not(one)


# Vault


@pytest.fixture
def vault(vault_lab: safe.Lab, tmp_path: Path) -> VaultGranter:
    (tmp_path / "token").write_text(safe.OURS)

    def create(asked: Request) -> Answer:
        body = asked.json()
        assert (body["renewable"], body["no_default_policy"]) == (False, True)
        assert body["ttl"] == body["explicit_max_ttl"]
        accessor = vault_lab.login()
        vault_lab.tokens[accessor] |= {"policies": body["policies"], "meta": body["meta"]}
        auth = {"client_token": vault_lab.tokens[accessor]["token"], "accessor": accessor}
        return Answer(200, {"request_id": "r", "auth": auth, "data": None})

    def policy(asked: Request) -> Answer:
        known = asked.path.endswith("/incident")
        return safe._data({"name": "incident"}) if known else safe._refused(404)

    vault_lab.there.on("POST", "/v1/auth/token/create-orphan", create)
    vault_lab.there.on("GET", "/v1/sys/policies/acl/*", policy)
    entry = {
        "address": vault_lab.address,
        "realms": ["vault:lab"],
        "token": f"file:{tmp_path}/token",
    }
    return VaultGranter(vault_server.server(entry), allow_private=True)


def test_tokens_of_a_policy_live_no_longer_than_the_grant_and_die_with_it(
    vault_lab: safe.Lab, vault: VaultGranter
) -> None:
    now = datetime.now(UTC)
    target = Target("vault", vault_lab.address, "policy", "incident")
    one = to(target, lasts=5 * MINUTE)
    vault.grant(one, now=now)
    assert state(vault, one) == ("active", "gone")
    first, second = (vault.mint(one, person="alice", now=now) for _ in range(2))
    assert first.handed.lives_until <= one.ends_at
    assert vault_lab.tokens[first.handed.credential]["meta"] == {
        "grant": "GRT-7",
        "person": "alice",
    }
    assert first.document["token"] not in repr(first)
    lost = Handed("GRT-7.alice", "asked-and-never-answered", one.ends_at)
    ended = to(target, first.handed, second.handed, lost)
    assert vault.ended(ended, now=now).state == "active"
    vault.end(ended, now=now)
    vault.end(ended, now=now)
    assert vault.ended(ended, now=now).state == "gone"
    assert [vault_lab.uses(each.handed.credential) for each in (first, second)] == [403, 403]
    with pytest.raises(PermanentFailure, match="time is over"):
        vault.mint(one, person="alice", now=one.ends_at)


def test_a_policy_that_is_not_there_is_said(vault_lab: safe.Lab, vault: VaultGranter) -> None:
    one = to(Target("vault", vault_lab.address, "policy", "nowhere"))
    with pytest.raises(PermanentFailure, match="There is no policy nowhere"):
        vault.granted(one, now=datetime.now(UTC))
    root = to(Target("vault", vault_lab.address, "policy", "root"))
    assert "nobody's to grant" in vault.why_not(root)


# GitHub


@pytest.fixture
def teams(github_lab: hub.Organisation) -> dict[str, str]:
    """Who is in the team `ops`, and how."""
    there: dict[str, str] = {}

    def membership(asked: Request) -> Answer:
        login = asked.path.rsplit("/", 1)[-1]
        if asked.method == "PUT" and not github_lab.lies:
            there[login] = "active" if login in github_lab.members else "pending"
        if asked.method == "DELETE" and not github_lab.lies:
            there.pop(login, None)
        if asked.method == "DELETE":
            return Answer(204)
        if login not in there:
            return hub.error(404, "Not Found")
        return Answer(200, {"state": there[login], "role": "member"})

    for method in ("GET", "PUT", "DELETE"):
        github_lab.there.on(method, "/orgs/acme/teams/ops/memberships/*", membership)
    github_lab.there.on("GET", "/orgs/acme/teams/ops", Answer(200, {"slug": "ops"}))
    github_lab.join("ana")
    return there


@pytest.fixture
def github(github_lab: hub.Organisation, teams: dict[str, str], tmp_path: Path) -> GitHubGranter:
    (tmp_path / "key.pem").write_text(hub.pem("countersign"))
    entry = {
        "owner": hub.OWNER,
        "client_id": hub.OURS,
        "installation": hub.NUMBER,
        "key": f"file:{tmp_path}/key.pem",
        "url": github_lab.url,
    }
    return GitHubGranter(github_server.organisation(entry), allow_private=True)


def member(lab: hub.Organisation, login: str = "ana", team: str = "ops") -> Given:
    return to(Target("github", f"{lab.url}/orgs/acme", "team", team, {"user": login}))


def test_somebody_joins_a_team_and_leaves_it(
    github_lab: hub.Organisation, github: GitHubGranter, teams: dict[str, str]
) -> None:
    now, one = datetime.now(UTC), member(github_lab)
    assert state(github, one) == ("gone", "gone")
    github.grant(one, now=now)
    assert state(github, one) == ("active", "active")
    github.end(one, now=now)
    github.end(one, now=now)
    assert state(github, one) == ("gone", "gone")
    # Who is not in the organisation is invited, which is not yet membership.
    guest = member(github_lab, "gast")
    github.grant(guest, now=now)
    assert github.granted(guest, now=now).state == "unknown"
    # Of a team that is not shown nothing is known.
    assert github.ended(member(github_lab, team="hidden"), now=now).state == "unknown"


def test_who_was_in_the_team_before_is_not_given_it(
    github_lab: hub.Organisation, github: GitHubGranter, teams: dict[str, str]
) -> None:
    teams["ana"] = "active"
    with pytest.raises(PermanentFailure, match="somebody else gave"):
        github.grant(member(github_lab), now=datetime.now(UTC))
    assert teams == {"ana": "active"}


# What no target ends by itself


@pytest.mark.django_db
def test_it_ends_only_while_countersign_runs_and_says_so(
    kubernetes_lab: kube.Lab, active: Make, user: Make, settings: Any, tmp_path: Path
) -> None:
    lab, now = kubernetes_lab, datetime.now(UTC)
    creates(lab)
    (tmp_path / "token").write_text(kube.OURS)
    file = tmp_path / "enforcers.yaml"
    file.write_text(
        f"kubernetes:\n  - url: {lab.there.url}\n    realms: ['k8s:lab']\n"
        f"    token: 'file:{tmp_path}/token'\n"
    )
    settings.ENFORCERS, settings.ALLOW_PRIVATE = str(file), True
    holder, alice = active("svc", expires_at=now + 900 * HOUR), user("alice")
    what = What("kubernetes", lab.there.url, "role_binding", "agents/view", extra=ON_ACCOUNT)
    offered = [one for one in grants.offer(["kubernetes"]) if one.kind == "role_binding"]
    assert [(one.account, one.about.ends_itself) for one in offered] == [(lab.there.url, False)]
    with pytest.raises(
        NotPossible, match="4 hours at most, as it ends only while Countersign runs"
    ):
        given(what, holder, now, lasts=5 * HOUR)

    row = given(what, holder, now)
    work(now)
    token = minting.mint(row.pk, by=alice, now=now).document["status"]["token"]
    (seen,) = grants.state_of(row.case, now=now)
    assert (seen.state, seen.only_while_running) == ("usable", True)
    # Longer, as another case signed: the target knows nothing of times, and is not asked.
    asked = len(lab.there.asked)
    longer = row.ends_at + HOUR
    grants.extend(row.pk, until=longer, by=COMMAND, case=row.case, now=now)
    work(now)
    assert len(lab.there.asked) == asked
    # The cluster does not answer when its time is over: it is late, red, and tried on.
    lab.there.fail(*[Answer(503)] * 3)
    moment = longer
    for _ in range(3):
        work(moment)
        moment = max(moment + MINUTE, Grant.objects.get(pk=row.pk).not_before)
    assert lab.uses(token) == 200
    late = moment + 10 * MINUTE
    (seen,) = grants.state_of(row.case, now=late)
    assert seen.burning
    assert [one.pk for one in grants.unfinished(now=late) if one.pk == row.pk] == [row.pk]
    work(late)
    row = Grant.objects.get(pk=row.pk)
    assert (row.state, row.removed_at) == ("ended", late)
    assert lab.uses(token) == 401
