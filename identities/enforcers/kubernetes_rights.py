"""What a Kubernetes enforcer has to be allowed, and asking the cluster whether it is.

Owns the rules of the ClusterRole that docs/enforcers.md shows. SelfSubjectAccessReview answers
for all authorizers together and changes nothing (kubernetes.io, "Authorization", "Checking API
access").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .contract import MissingRight, Target, plain
from .kubernetes_cluster import Api
from .web import Refused

GROUP = "rbac.authorization.k8s.io"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class Right(NamedTuple):
    """One verb on one resource; a namespace of "" is all of them."""

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""

    @property
    def words(self) -> str:
        within = f" in {self.namespace}" if self.namespace else " in all namespaces"
        return f"{self.verb} {self.resource}{within}"


# A binding is only changed by whoever may bind its role, or has what it gives (RBAC, "Restrictions
# on role binding creation or update"): taking somebody out is such a change too.
ALWAYS = tuple(
    Right(verb, resource, GROUP)
    for resource, verbs in (
        ("rolebindings", ("list", "get", "update")),
        ("clusterrolebindings", ("list", "get", "update")),
        ("roles", ("get", "bind")),
        ("clusterroles", ("get", "bind")),
    )
    for verb in verbs
)
OF_KIND = {
    "service_account": ("serviceaccounts", ("get", "delete")),
    "secret": ("secrets", ("get", "delete")),
    "pod": ("pods", ("list", "delete")),
}


def needed(targets: Sequence[Target]) -> list[Right]:
    found = dict.fromkeys(ALWAYS)
    for one in targets:
        resource, verbs = OF_KIND[one.kind]
        name = one.extra.get("service_account", "") if one.kind == "pod" else one.name
        for verb in verbs:
            found[Right(verb, resource, "", name.partition("/")[0])] = None
    return list(found)


def missing(api: Api, rights: Sequence[Right]) -> list[MissingRight]:
    """Those of these rights that the cluster says we have not."""
    found = []
    for right in rights:
        resource, _, below = right.resource.partition("/")
        asked = {"verb": right.verb, "resource": resource, "group": right.group}
        if below:
            asked["subresource"] = below
        if right.namespace:
            asked["namespace"] = right.namespace
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        try:
            status = api.ask("POST", REVIEWS, right="ask what it may do", body=body).get("status")
        except Refused as problem:
            return [MissingRight(problem.right, api.at.url, problem.reason)]
        if not isinstance(status, dict) or type(status.get("allowed")) is not bool:
            raise api.unclear("a SelfSubjectAccessReview")
        if not status["allowed"]:
            sentence = (
                f'In Countersign\'s ClusterRole: apiGroups ["{right.group}"], resources'
                f' ["{right.resource}"], verbs ["{right.verb}"]; bind it'
                + (f" in {right.namespace}." if right.namespace else " in the whole cluster.")
            )
            found.append(MissingRight(right.words, api.at.url, plain(sentence)))
    return found
