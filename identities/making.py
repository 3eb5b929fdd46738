"""Principals that a log says were made or removed: which operations, and what they name. Pure.

Owns the table of those operations. What was made may act, and may be given keys: it is a link of the
chain of issuances that issues no credential itself (identities/issued.py). A system whose log names
what it made gets rows of its own.
"""

import re
from collections.abc import Collection
from functools import partial
from typing import NamedTuple

from evidence.formats import aws, clusters, tables
from evidence.formats.record import ActorName

_ARN = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):([a-z-]+)/(.+)")
_IN_NAMESPACE = re.compile(r"namespaces/([^/]+)/serviceaccounts/([^/]+)")


class Made(NamedTuple):
    """`thing` is the same for making and removing, where a log writes the name in two ways."""

    name: ActorName
    kind: str
    thing: str
    removed: bool


def of(action: str, resource: str, realms: Collection[str]) -> Made | None:
    """What this operation made or removed. `realms`: of who called and of their credential."""
    known = _OPERATIONS.get(action)
    if known is None:
        return None
    system, kind, removed = known
    # The longest says most: AWS's keys are of no account.
    realm = max((one for one in realms if one.partition(":")[0] == system), key=len, default="")
    if system == "aws":
        return _of_aws(resource, kind, realm, removed)
    if not realm:
        return None
    if kind == "service_account" and system == "k8s":
        found = _IN_NAMESPACE.fullmatch(resource)
        if found is None:
            return None
        name = clusters.named(f"{clusters.SERVICE_ACCOUNT}{found[1]}:{found[2]}", realm)
    else:
        name = tables.actor(realm, kind, resource)
    return Made(name, kind, f"{realm} {kind} {name.value}", removed)


def _of_aws(resource: str, kind: str, realm: str, removed: bool) -> Made | None:
    found = _ARN.fullmatch(resource)
    if found is None:
        # What only a name is given of: a provider of identities, a role of a service.
        if ":" not in realm or resource.startswith("arn:"):
            return None
        return Made(aws.named(kind, resource, realm.partition(":")[2]), kind,
                    f"{realm} {kind} {resource}", removed)  # fmt: skip
    name = found[3].rpartition("/")[2]
    # Removing names no path.
    thing = f"{aws.realm_of(found[1])} {kind} {name}"
    return Made(aws.arn_actor(resource), kind, thing, removed)


def _both(system: str, kind: str, makes: str, removes: str) -> dict[str, tuple[str, str, bool]]:
    return {makes: (system, kind, False), removes: (system, kind, True)}


_iam = partial(_both, "aws")
_OPERATIONS: dict[str, tuple[str, str, bool]] = {
    **_iam("user", "iam:CreateUser", "iam:DeleteUser"),
    **_iam("role", "iam:CreateRole", "iam:DeleteRole"),
    **_iam("service_linked_role", "iam:CreateServiceLinkedRole", "iam:DeleteServiceLinkedRole"),
    **_iam("policy", "iam:CreatePolicy", "iam:DeletePolicy"),
    **_iam("saml_provider", "iam:CreateSAMLProvider", "iam:DeleteSAMLProvider"),
    **_iam("oidc_provider", "iam:CreateOpenIDConnectProvider", "iam:DeleteOpenIDConnectProvider"),
    **_both("k8s", "service_account", "create serviceaccounts", "delete serviceaccounts"),
    **_both("k8s", "role_binding", "create rolebindings", "delete rolebindings"),
    **_both(
        "k8s", "cluster_role_binding", "create clusterrolebindings", "delete clusterrolebindings"
    ),
    **_both("okta", "user", "user.lifecycle.create", "user.lifecycle.delete.completed"),
    **_both("github", "member", "org.add_member", "org.remove_member"),
    **_both(
        "github",
        "app_installation",
        "integration_installation.create",
        "integration_installation.delete",
    ),
    # Google's entry names the project alone.
    "google.iam.admin.v1.CreateServiceAccount": ("gcp", "service_account_in", False),
    **_both("entra", "service_principal", "Add service principal", "Remove service principal"),
    **_both("entra", "user", "Add user", "Delete user"),
}
ACTIONS = tuple(_OPERATIONS)
