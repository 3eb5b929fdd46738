"""What granters could not give or take away today: said by the targets, asked at night, nothing tried."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings

from identities.actions.grants import What, lacking
from identities.actions.revocations import of_aws, rights
from identities.enforcers.contract import Target
from identities.enforcers.grants_github import GitHubGranter
from identities.enforcers.grants_kubernetes import KubernetesGranter
from identities.enforcers.grants_okta import MANAGE
from identities.enforcers.grants_vault import VaultGranter
from identities.models import Rights
from tests.awslab.lab import ANY_S3, Lab
from tests.identities.enforcers import github_lab as hub
from tests.identities.enforcers import kubernetes_lab as kube
from tests.identities.enforcers import vault_lab as safe
from tests.identities.enforcers.github_lab import github_lab
from tests.identities.enforcers.kubernetes_lab import kubernetes_lab
from tests.identities.enforcers.okta_lab import Org, okta_lab
from tests.identities.enforcers.vault_lab import vault_lab
from tests.identities.granting import READ, given, no_time_passes_within_a_step_of_a_grant
from tests.identities.grants.test_groups import GROUP, members, okta
from tests.identities.grants.test_targets import binding, cluster, github, member, teams, to, vault
from tests.identities.revoking import held_by, pointed_at_the_account

__all__ = [
    "cluster",
    "github",
    "github_lab",
    "held_by",
    "kubernetes_lab",
    "members",
    "no_time_passes_within_a_step_of_a_grant",
    "okta",
    "okta_lab",
    "pointed_at_the_account",
    "teams",
    "vault",
    "vault_lab",
]

pytestmark = pytest.mark.django_db
NIGHT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("right", "words"),
    [
        (("bind", "clusterroles"), "bind clusterroles in all namespaces"),
        (("create", "rolebindings"), "create rolebindings in agents"),
        (("delete", "secrets"), "delete secrets in agents"),
        (("create", "serviceaccounts"), "create serviceaccounts/token in agents"),
    ],
)
def test_a_cluster_says_what_may_not_be_bound_or_handed_out(
    kubernetes_lab: kube.Lab, cluster: KubernetesGranter, right: tuple[str, str], words: str
) -> None:
    one = to(binding(kubernetes_lab))
    assert cluster.own_rights([one]) == []
    kubernetes_lab.forbidden.add(right)
    assert [found.permission for found in cluster.own_rights([one])] == [words]
    assert not any(name.startswith("countersign") for _, _, name in kubernetes_lab.objects)


def test_a_vault_says_which_capabilities_are_missing(
    vault_lab: safe.Lab, vault: VaultGranter
) -> None:
    one = to(Target("vault", vault_lab.address, "policy", "incident"))
    paths = {"auth/token/create-orphan", "auth/token/lookup-accessor", "auth/token/revoke-accessor"}
    vault_lab.policy |= {one: ["update"] for one in paths}
    vault_lab.policy["sys/policies/acl/incident"] = ["read"]
    assert vault.own_rights([one]) == []
    del vault_lab.policy["auth/token/create-orphan"]
    (found,) = vault.own_rights([one])
    assert found.permission == "update auth/token/create-orphan"
    assert 'path "auth/token/create-orphan" { capabilities = ["update"] }' in found.sentence
    assert vault.own_rights([]) == []


def test_an_organisation_says_whether_members_may_be_changed(
    github_lab: hub.Organisation, github: GitHubGranter
) -> None:
    one = member(github_lab)
    assert github.own_rights([one]) == []
    gone = replace(one, target=replace(one.target, name="nobody"))
    assert [found.resource for found in github.own_rights([one, gone])] == ["nobody"]
    github_lab.permissions["members"] = "read"
    again = GitHubGranter(github._server.org, allow_private=True)
    assert [found.permission for found in again.own_rights([one])] == ["members"]
    assert github_lab.changes() == []


def test_an_org_says_which_scopes_and_groups_are_missing(
    okta_lab: Org, okta: Callable[..., Any]
) -> None:
    one = to(Target("okta", okta_lab.url, "group", GROUP, {"user": "ana@example.org"}))
    gone = to(Target("okta", okta_lab.url, "group", "00gNONE", {"user": "ana@example.org"}))
    assert okta().own_rights([one]) == []
    assert [found.resource for found in okta().own_rights([one, gone])] == ["00gNONE"]
    okta_lab.scopes.remove(MANAGE)
    assert [found.permission for found in okta().own_rights([one])] == [MANAGE]
    assert okta_lab.changes() == []


@pytest.fixture
def poor(lab: Lab, settings: LazySettings, tmp_path: Path) -> None:
    """Countersign signs in as a user that may nothing."""
    own = lab.user().credentials
    said = {"access_key_id": own.access_key_id, "secret_access_key": own.secret_access_key}
    (tmp_path / "poor.json").write_text(json.dumps(said))
    settings.AWS_CREDENTIALS = f"file:{tmp_path / 'poor.json'}"
    of_aws._clients.cache_clear()


def asked(now: datetime) -> Rights | None:
    rights.ask_due(clock=lambda: now, enough=lambda: False)
    return Rights.objects.filter(system="aws").first()


def what(lab: Lab, role: str) -> What:
    return What("aws", lab.demo.account, "role_sessions", role, (READ,), words="x")


@pytest.mark.parametrize("by", ["a grant", "a bundle"])
def test_at_night_each_account_is_asked_also_where_nothing_of_ours_is_stopped(
    lab: Lab, active: Callable[..., Any], poor: None, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    role = lab.role(ANY_S3, trusts=lab.user())
    assert asked(NIGHT) is None
    monkeypatch.setattr(lacking, "_offering", [])
    if by == "a bundle":
        lacking.offered_by(lambda: [what(lab, role)])
    else:
        given(what(lab, role), active("alice"), NIGHT, lasts=timedelta(hours=1))
    row = asked(NIGHT)
    assert row is not None
    assert (row.account, row.targets, row.failed_why) == (lab.demo.account, 0, "")
    found = {one["permission"]: one["sentence"] for one in row.missing}
    assert {"iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:GetRole"} <= set(found)
    assert all(one.startswith("To give access for a while: ") for one in found.values())
    before = lab.proxy.calls("iam:PutRolePolicy")
    assert asked(NIGHT) == row
    assert lab.proxy.calls("iam:PutRolePolicy") == before


def test_at_night_nothing_is_missing_where_countersign_may_give_it(
    lab: Lab, active: Callable[..., Any]
) -> None:
    given(
        what(lab, lab.role(ANY_S3, trusts=lab.user())),
        active("alice"),
        NIGHT,
        lasts=timedelta(hours=1),
    )
    row = asked(NIGHT)
    assert row is not None
    assert (row.missing, row.failed_why) == ([], "")
