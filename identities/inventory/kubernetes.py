"""What one Kubernetes cluster lists: service accounts, and what role bindings let them do.

Sources: kubernetes.io: API concepts (`limit`, `continue`, PartialObjectMetadataList), "Using RBAC
Authorization", "Service Accounts", "Managing Service Accounts" (legacy tokens). Rights are
written in the words of the audit log (evidence/formats/clusters.py): ``create pods/exec`` on
``namespaces/default/pods/*``. Only RBAC is read: other authorizers and admission are not in it.

Tokens of TokenRequest are in no list; they are born from the audit log. Secrets that hold a token
are listed by their metadata alone, and only where somebody gave the right.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from evidence.formats import clusters as words
from evidence.formats.record import ActorName
from evidence.formats.tables import actor
from evidence.sources import kubernetes
from evidence.sources.contract import Asked
from identities.enforcers.kubernetes_rules import rights_of
from identities.enforcers.possible_aws import Possible
from identities.inventory import hints
from identities.inventory.contract import (
    MOST_RIGHTS,
    Batch,
    Found,
    Hint,
    Part,
    System,
    inside,
    json_of,
    objects,
    text,
    when,
)
from identities.inventory.paging import Caller, Pages

LIMIT = 500
RBAC = "/apis/rbac.authorization.k8s.io/v1"
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
OF_TOKENS = quote("type=kubernetes.io/service-account-token")

type Subject = tuple[str, str]  # kind, name: of a service account "namespace:name"


class Cluster:
    """One cluster while it is read; its roles and bindings are kept in memory."""

    def __init__(self, asked: Asked) -> None:
        self.realm = words.realm_of(asked.settings["cluster"])
        self._http = kubernetes.client_of(asked)
        self.call = Caller(self._http, asked.settings["url"], kubernetes.headers_of(asked))
        self._granted: dict[Subject, list[Possible]] | None = None

    def close(self) -> None:
        self._http.close()

    def service_account(self, namespace: str, name: str) -> ActorName:
        return words.named(f"{words.SERVICE_ACCOUNT}{namespace}:{name}", self.realm)

    def pages(
        self, path: str, cursor: str = "", **headers: str
    ) -> Iterator[tuple[list[dict[str, Any]], str]]:
        """The items of a list, with the mark of the next page ('' at the end)."""
        seen = Pages()
        while True:
            seen.begin(f"{path}#{cursor}")
            joined = "&" if "?" in path else "?"
            more = f"&continue={quote(cursor)}" if cursor else ""
            found: dict[str, Any] = json_of(
                self.call.get(f"{path}{joined}limit={LIMIT}{more}", **headers), dict
            )
            cursor = text(inside(found, "metadata", "continue"), 4_000)
            yield objects(found.get("items")), cursor
            if not cursor:
                return

    def whole(self, path: str) -> Iterator[dict[str, Any]]:
        for items, _ in self.pages(path):
            yield from items

    def granted(self) -> Mapping[Subject, list[Possible]]:
        """What each subject may do by all bindings. Raises Stopped."""
        if self._granted is None:
            rules = {
                (kind, text(inside(one, "metadata", "namespace")), name_of(one)): objects(
                    one.get("rules")
                )
                for kind, path in (("Role", "roles"), ("ClusterRole", "clusterroles"))
                for one in self.whole(f"{RBAC}/{path}")
            }
            found: dict[Subject, list[Possible]] = {}
            for path in ("rolebindings", "clusterrolebindings"):
                for binding in self.whole(f"{RBAC}/{path}"):
                    namespace = text(inside(binding, "metadata", "namespace"))
                    kind = text(inside(binding, "roleRef", "kind"))
                    role = text(inside(binding, "roleRef", "name"))
                    of = rules.get((kind, namespace if kind == "Role" else "", role))
                    via = f"{path[:-1]} {_place(namespace, name_of(binding))}, {kind} {role}"
                    rights = (
                        [Possible.unread(via=f"{via}, which is not there")]
                        if of is None
                        else [right for rule in of for right in rights_of(rule, namespace, via)]
                    )
                    for subject in subjects_of(binding, namespace):
                        found.setdefault(subject, []).extend(rights)
            self._granted = found
        return self._granted


def _place(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name


def name_of(one: Mapping[str, Any]) -> str:
    return text(inside(one, "metadata", "name"))


def subjects_of(binding: Mapping[str, Any], namespace: str) -> Iterator[Subject]:
    for one in objects(binding.get("subjects")):
        kind, name = text(one.get("kind")), text(one.get("name"))
        if kind == "ServiceAccount":
            name = f"{text(one.get('namespace')) or namespace}:{name}"
        yield kind, name


def service_accounts(cluster: Cluster, cursor: Mapping[str, Any]) -> Iterator[Batch]:
    """Service accounts, with what roles and the groups that each is in let them do."""
    granted = cluster.granted()
    everybody = [
        *granted.get(("Group", "system:serviceaccounts"), ()),
        *granted.get(("Group", "system:authenticated"), ()),
    ]
    for items, going_on in cluster.pages("/api/v1/serviceaccounts", text(cursor.get("next"), 4000)):
        found = []
        for one in items:
            namespace, name = text(inside(one, "metadata", "namespace")), name_of(one)
            rights = [
                *granted.get(("ServiceAccount", f"{namespace}:{name}"), ()),
                *granted.get(("User", f"{words.SERVICE_ACCOUNT}{namespace}:{name}"), ()),
                *granted.get(("Group", f"system:serviceaccounts:{namespace}"), ()),
                *everybody,
            ]
            left = len(rights) - MOST_RIGHTS
            found.append(
                Found(
                    cluster.service_account(namespace, name),
                    "service account",
                    title=f"{namespace}/{name}",
                    created_at=when(inside(one, "metadata", "creationTimestamp")),
                    hints=_hints(one),
                    rights=tuple(rights[:MOST_RIGHTS]),
                    missing=f"{left} more rules" if left > 0 else "",
                )
            )
        yield Batch(tuple(found), {"next": going_on} if going_on else {})


def _hints(one: Mapping[str, Any]) -> tuple[Hint, ...]:
    found: list[Hint] = []
    for member, word in (("annotations", "annotation"), ("labels", "label")):
        said = inside(one, "metadata", member)
        if type(said) is dict:
            found += hints.of_tags({text(key): text(said[key]) for key in said}, word)
    # Whoever applied it: kubectl, helm, argocd-controller.
    managers = {
        text(entry.get("manager")) for entry in objects(inside(one, "metadata", "managedFields"))
    }
    found += [Hint("creator", name, "managedFields") for name in sorted(managers)]
    return hints.bounded(found)


def token_secrets(cluster: Cluster, cursor: Mapping[str, Any]) -> Iterator[Batch]:
    """Secrets that hold a token without an end, by their metadata."""
    path = f"/api/v1/secrets?fieldSelector={OF_TOKENS}"
    for items, going_on in cluster.pages(path, text(cursor.get("next"), 4000), Accept=METADATA):
        found = []
        for one in items:
            namespace, name = text(inside(one, "metadata", "namespace")), name_of(one)
            account = text(
                inside(one, "metadata", "annotations", "kubernetes.io/service-account.name")
            )
            found.append(
                Found(
                    actor(cluster.realm, "secret", words.place(namespace, "secrets", name)),
                    "token secret",
                    credential=True,
                    holder=cluster.service_account(namespace, account) if account else None,
                    title=f"{namespace}/{name}",
                    created_at=when(inside(one, "metadata", "creationTimestamp")),
                    # Kubernetes writes the day.
                    last_used_at=when(
                        inside(one, "metadata", "labels", "kubernetes.io/legacy-token-last-used")
                    ),
                    hints=_hints(one),
                )
            )
        yield Batch(tuple(found), {"next": going_on} if going_on else {})


SYSTEM = System(
    name="kubernetes",
    title="Kubernetes",
    fits=lambda connector, _: connector == "kubernetes",
    open=Cluster,
    parts=(
        Part(
            "service accounts",
            service_accounts,
            "list serviceaccounts, roles, clusterroles, rolebindings, clusterrolebindings",
        ),
        Part("token secrets", token_secrets, "list secrets (not advised)", optional=True),
    ),
    narrowed_by="admission and authorizers other than RBAC",
)
