"""The words of Kubernetes clusters: realms, users, calls and objects, whoever logged them.

Owns the one vocabulary of calls, ``verb resource/subresource``, and the names of users and objects,
which the cluster's own audit log (kubernetes.py), Google's wrapped entries (gcp) and the inventory
of a cluster's roles share. Knows no log's shape. Pure.
"""

import re
from functools import lru_cache
from typing import Any

from evidence.formats import aws, tables
from evidence.formats.record import ActorName
from evidence.vocabulary import CHANGE, ISSUANCE, REVOCATION, USE

URLS = "nonResourceURLs"
SERVICE_ACCOUNT = "system:serviceaccount:"
_NOBODY = frozenset({"system:anonymous", "system:unauthenticated"})
_OF_AKS = frozenset({"aksService", "acsService", "masterclient", "nodeclient"})
_VERSION = re.compile(r"v\d+(?:(?:alpha|beta)\d+)?")
# What a body holds besides the names, roles and subjects that a review looks at.
BODY = (
    ".data",
    ".stringData",
    ".binaryData",
    ".spec",
    ".command",
    ".template",
    ".items",
    ".status.token",
    '.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]',
    ".metadata.managedFields",
    "[*].value",
)

ACTIVITIES = {
    "create serviceaccounts/token": ISSUANCE,
    "update certificatesigningrequests/approval": ISSUANCE,
    "patch certificatesigningrequests/approval": ISSUANCE,
    "delete serviceaccounts": REVOCATION,
    "deletecollection serviceaccounts": REVOCATION,
}
PATTERNS = (
    # Calls that ask, connect or report: nothing is changed by them.
    (r"\w+ (?:token|(?:self|local)?subject\w*)reviews", USE),
    (r"\w+ (?:pods|services|nodes)/(?:exec|attach|portforward|proxy|log)", USE),
    (r"\w+ (?:leases|events)(?:/|$)|\w+ \w+/status", USE),
    (r"(?:create|update|patch|delete|deletecollection|post|put) ", CHANGE),
)


@lru_cache(maxsize=4096)
def realm_of(cluster: str) -> str:
    """The realm of a cluster's names."""
    return f"k8s:{cluster.lower()}"[:200] if cluster else "k8s"


@lru_cache(maxsize=16_384)
def called(verb: str, resource: str, subresource: str = "") -> str:
    """``create pods/exec``: the vocabulary of all clusters."""
    return (
        f"{verb.lower()} {resource}/{subresource}" if subresource else f"{verb.lower()} {resource}"
    )


def place(namespace: str, resource: str, name: str) -> str:
    """``namespaces/default/pods/web-1``; of a whole cluster: ``clusterroles/reader``."""
    within = f"namespaces/{namespace}/" if namespace and resource != "namespaces" else ""
    return f"{within}{resource}/{name}" if name else f"{within}{resource}"


@lru_cache(maxsize=65_536)
def named(username: str, realm: str) -> ActorName:
    """A user name as the cluster knows it; what AWS authenticated is AWS's name."""
    if username.startswith(SERVICE_ACCOUNT):
        return tables.actor(realm, "service_account", username)
    if username.startswith("arn:"):
        return of_aws(username)
    if username in _NOBODY:
        return tables.actor(realm, "user", username)
    if username.startswith(("system:", "eks:")) or username in _OF_AKS:
        return tables.actor(realm, "service", username)
    return tables.actor(realm, "user", username)


@lru_cache(maxsize=65_536)
def of_aws(arn: str, role: str = "") -> ActorName:
    """AWS's name as its own audit log writes it."""
    return aws.role_session(arn, role) if ":assumed-role/" in arn else aws.arn_actor(arn)


def from_path(path: Any) -> str:
    """``core/v1/namespaces/a/pods/b/exec``, as Google writes it, in this vocabulary."""
    parts = path.split("/") if type(path) is str else []
    if len(parts) < 3 or not _VERSION.fullmatch(parts[1]):
        return path if type(path) is str else ""
    rest = parts[2:]
    if rest[0] == "namespaces" and len(rest) > 2:
        return place(rest[1], rest[2], rest[3] if len(rest) > 3 else "")
    return place("", rest[0], rest[1] if len(rest) > 1 else "")


def with_terminal(agent: str, uri: str) -> str | None:
    """The user agent; with `tty=true` where the call asks for a terminal in a container, which
    scripts do not."""
    if "tty=true" in uri.partition("?")[2].split("&"):
        return f"{agent} tty=true".lstrip()
    return agent or None
