"""A cluster's API on loopback that keeps state, for tests of its enforcer.

Owns service accounts, Secrets, pods and role bindings with resourceVersions, Status objects as the
API writes them, and an authorizer that knows RBAC by name. Tokens are JWTs with Kubernetes' own
claims: TokenReview checks their signature and what they are bound to (kubernetes/kubernetes,
pkg/serviceaccount/claims.go). `uses` is a real use of a token there.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from joserfc import jwk, jwt
from joserfc.errors import JoseError

from identities.enforcers import kubernetes, kubernetes_cluster
from identities.enforcers.contract import Target
from tests.evidence.sources.server import Answer, Request, There, serving

OURS = "the-token-of-countersign-itself"
ACCOUNT = "agents/reporting"
SUBJECT = {"kind": "ServiceAccount", "name": "reporting", "namespace": "agents"}
OTHER = {"kind": "ServiceAccount", "name": "other", "namespace": "agents"}
RBAC = "rbac.authorization.k8s.io"
USER = {"apiGroup": RBAC, "kind": "User", "name": "system:serviceaccount:agents:reporting"}
PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/v1(?:/namespaces/(?P<namespace>[^/]+))?/(?P<kind>[a-z]+)"
    r"(?:/(?P<name>[^/]+))?"
)
ISSUED_BY = "kubernetes/serviceaccount"

type Key = tuple[str, str, str]  # kind, namespace, name
type Set = Callable[..., kubernetes.KubernetesEnforcer]


class Lab:
    """What the cluster holds. `lies`: it answers that it did what it did not do."""

    def __init__(self, there: There) -> None:
        self.there, self.lies, self.version = there, False, 100
        self.objects: dict[Key, dict[str, Any]] = {}
        self.forbidden: set[tuple[str, str]] = set()  # verb, resource
        self.lingers: set[str] = set()  # kinds that a finalizer keeps
        self.meanwhile: list[Callable[[], None]] = []  # what others do before the next write
        self.page = 500
        self._signer = jwk.ECKey.generate_key("P-256")
        for method in ("GET", "POST", "PUT", "DELETE"):
            there.on(method, "/*", self._door)

    # What others do there

    def make(self, kind: str, name: str, namespace: str = "", **more: Any) -> dict[str, Any]:
        self.version += 1
        metadata = {
            "name": name,
            "uid": str(uuid4()),
            "resourceVersion": str(self.version),
            **({"namespace": namespace} if namespace else {}),
            **more.pop("metadata", {}),
        }
        self.objects[kind, namespace, name] = {"metadata": metadata, **more}
        return self.objects[kind, namespace, name]

    def bind(self, name: str, *subjects: dict[str, str], namespace: str = "agents") -> None:
        kind = "rolebindings" if namespace else "clusterrolebindings"
        role = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"}
        self.make(kind, name, namespace, subjects=[dict(s) for s in subjects], roleRef=role)

    def subjects(self, name: str, namespace: str = "agents") -> list[dict[str, str]]:
        kind = "rolebindings" if namespace else "clusterrolebindings"
        found: list[dict[str, str]] = self.objects[kind, namespace, name].get("subjects", [])
        return found

    def token(self, account: str = ACCOUNT, **bound: str) -> str:
        """A token of a service account; `pod` or `secret`: bound to it."""
        namespace, name = account.split("/")
        about: dict[str, Any] = {"namespace": namespace}
        about["serviceaccount"] = self._reference("serviceaccounts", namespace, name)
        for kind, to in bound.items():
            about[kind] = self._reference(f"{kind}s", namespace, to)
        claims = {
            "iss": ISSUED_BY,
            "sub": f"system:serviceaccount:{namespace}:{name}",
            "exp": int(time.time()) + 3600,
            "kubernetes.io": about,
        }
        return jwt.encode({"alg": "ES256"}, claims, self._signer, algorithms=["ES256"])

    def uses(self, token: str) -> int:
        """What a request in its namespace with this token is answered."""
        who, _ = self._authenticated(token)
        if not who:
            return 401
        _, _, namespace, name = who.split(":")
        ours = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        names = [ours, {"kind": "User", "name": who}]
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
        names += [{"kind": "Group", "name": one} for one in groups]
        named = (
            {k: v for k, v in subject.items() if k != "apiGroup"} in names
            for (kind, _, _), one in self.objects.items()
            if kind.endswith("rolebindings")
            for subject in one.get("subjects") or []
        )
        return 200 if any(named) else 403

    def asked(self, method: str) -> int:
        return sum(one.method == method for one in self.there.asked)

    def _reference(self, kind: str, namespace: str, name: str) -> dict[str, str]:
        return {"name": name, "uid": self.objects[kind, namespace, name]["metadata"]["uid"]}

    def _authenticated(self, token: str) -> tuple[str, str]:
        """(user name, why not)."""
        try:
            claims = jwt.decode(token, self._signer, algorithms=["ES256"]).claims
        except (JoseError, ValueError):
            return "", "invalid bearer token"
        about = claims["kubernetes.io"]
        for kind in ("serviceaccount", "pod", "secret"):
            said = about.get(kind)
            found = said and self.objects.get((f"{kind}s", about["namespace"], said["name"]))
            if said and (found is None or found["metadata"]["uid"] != said["uid"]):
                return "", "[invalid bearer token, service account token has been invalidated]"
        return str(claims["sub"]), ""

    # What it answers

    def _door(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {OURS}":
            return _status(401, "Unauthorized", "Unauthorized")
        found = PATH.fullmatch(request.path)
        if found is None:
            return Answer(404, "404 page not found")
        kind, namespace, name = found["kind"], found["namespace"] or "", found["name"] or ""
        body = json.loads(request.body) if request.body else {}
        match kind:
            case "selfsubjectaccessreviews":
                asked = body["spec"]["resourceAttributes"]
                allowed = (asked["verb"], asked["resource"]) not in self.forbidden
                return Answer(201, {**body, "status": {"allowed": allowed}})
            case "tokenreviews":
                return self._reviewed(body)
        verbs = {"GET": "get" if name else "list", "PUT": "update", "DELETE": "delete"}
        verb = verbs[request.method]
        wanted = {(verb, kind)} | ({("bind", "clusterroles")} if verb == "update" else set())
        if wanted & self.forbidden:
            said = f'{kind} "{name}" is forbidden: User "system:serviceaccount:cs:cs" cannot {verb}'
            return _status(403, "Forbidden", said, name=name, kind=kind)
        if verb == "list":
            return self._list(kind, namespace, request)
        one = self.objects.get((kind, namespace, name))
        if one is None:
            said = f'{kind} "{name}" not found'
            return _status(404, "NotFound", said, name=name, kind=kind)
        if verb == "get":
            only = "PartialObjectMetadata" in request.headers["accept"]
            more = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
            return Answer(200, {**more, "metadata": one["metadata"]} if only else one)
        if self.meanwhile:
            self.meanwhile.pop(0)()
            one = self.objects[kind, namespace, name]
        return (self._put if verb == "update" else self._delete)((kind, namespace, name), one, body)

    def _reviewed(self, body: dict[str, Any]) -> Answer:
        who, why = self._authenticated(body["spec"]["token"])
        said = {"authenticated": True, "user": {"username": who}} if who else {"error": why}
        # The API server does not repeat the token.
        return Answer(201, {"kind": "TokenReview", "metadata": {}, "spec": {}, "status": said})

    def _list(self, kind: str, namespace: str, request: Request) -> Answer:
        field = request.query.get("fieldSelector", "")
        _, _, account = field.partition("spec.serviceAccountName=")
        found = [
            one
            for (k, n, _), one in sorted(self.objects.items())
            if k == kind
            and namespace in ("", n)
            and account in ("", one.get("spec", {}).get("serviceAccountName"))
        ]
        start = int(request.query.get("continue", "0"))
        end = start + min(self.page, int(request.query["limit"]))
        more = {"continue": str(end)} if end < len(found) else {}
        items = found[start:end]
        if "as=PartialObjectMetadataList" in request.headers["accept"]:
            items = [{"metadata": one["metadata"]} for one in items]
        return Answer(200, {"kind": "List", "metadata": more, "items": items})

    def _put(self, key: Key, one: dict[str, Any], body: dict[str, Any]) -> Answer:
        if body["metadata"]["resourceVersion"] != one["metadata"]["resourceVersion"]:
            said = f'Operation cannot be fulfilled on {key[0]} "{key[2]}": the object has been modified'
            return _status(409, "Conflict", said, name=key[2], kind=key[0])
        assert (body["roleRef"], body["apiVersion"]) == (one["roleRef"], f"{RBAC}/v1")
        if not self.lies:
            self.version += 1
            stored = deepcopy({k: v for k, v in body.items() if k not in ("apiVersion", "kind")})
            stored["metadata"]["resourceVersion"] = str(self.version)
            self.objects[key] = stored
        return Answer(200, body)

    def _delete(self, key: Key, one: dict[str, Any], body: dict[str, Any]) -> Answer:
        for name, wanted in body["preconditions"].items():
            if one["metadata"][name] != wanted:
                said = f"Precondition failed: {name} in precondition: {wanted}"
                return _status(409, "Conflict", said, name=key[2], kind=key[0])
        if key[0] in self.lingers:
            one["metadata"]["deletionTimestamp"] = datetime.now(UTC).isoformat()
        elif not self.lies:
            self.objects.pop(key)
            if key[0] == "serviceaccounts":
                self._controllers(key[1], key[2])
        return Answer(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})

    def _controllers(self, namespace: str, name: str) -> None:
        """The token controller ends an account's Secrets; `default` is made anew."""
        holder = {kubernetes.HOLDER: name}
        for key, one in list(self.objects.items()):
            if key[:2] == ("secrets", namespace) and one["metadata"]["annotations"] == holder:
                self.objects.pop(key)
        if name == "default":
            self.make("serviceaccounts", "default", namespace)


def _status(code: int, reason: str, message: str, *, name: str = "", kind: str = "") -> Answer:
    said = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    details = {"name": name, "kind": kind} if name else {}
    whole = {**said, "message": message, "reason": reason, "details": details, "code": code}
    return Answer(code, whole, {"Audit-Id": str(uuid4())})


@pytest.fixture
def kubernetes_lab() -> Iterator[Lab]:
    """A cluster with a service account in three bindings, a Secret with its token, and a pod."""
    with serving() as there:
        lab = Lab(there)
        lab.make("serviceaccounts", "reporting", "agents")
        lab.bind("reports", OTHER, SUBJECT)
        lab.bind("by-user", USER)
        lab.bind("readers", SUBJECT, namespace="")
        annotations = {kubernetes.HOLDER: "reporting"}
        lab.make("secrets", "reporting-token", "agents", metadata={"annotations": annotations})
        spec = {"serviceAccountName": "reporting"}
        lab.make("pods", "reporting-0", "agents", spec=spec)
        yield lab


@pytest.fixture
def kubernetes_enforcer(kubernetes_lab: Lab, tmp_path: Path) -> Set:
    (tmp_path / "token").write_text(OURS)

    def make(**said: Any) -> kubernetes.KubernetesEnforcer:
        entry = {
            "url": kubernetes_lab.there.url,
            "realms": ["k8s:lab"],
            "token": f"file:{tmp_path}/token",
        }
        cluster = kubernetes_cluster.cluster(entry | said)
        return kubernetes.KubernetesEnforcer(cluster, allow_private=True)

    return make


def target(lab: Lab, kind: str = "service_account", name: str = ACCOUNT) -> Target:
    """The thing of this kind that the lab begins with, or another of this name."""
    extra = {}
    if name == ACCOUNT and kind == "secret":
        name = "agents/reporting-token"
    if kind == "pod":
        extra = {"service_account": ACCOUNT}
        if name == ACCOUNT:
            name = lab.objects["pods", "agents", "reporting-0"]["metadata"]["uid"]
    return Target("kubernetes", urlsplit(lab.there.url).geturl(), kind, name, extra)


def now() -> datetime:
    return datetime.now(UTC)
