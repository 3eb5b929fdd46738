"""Grants in one Kubernetes cluster: a binding of a role, and tokens of the account that it names.

Owns the objects `countersign-grt-12` and how they are read back. Must not know rows or people.

| kind                 | name             | what it gives                                        |
| role_binding         | namespace/role   | a role, or with `role_kind: ClusterRole` a cluster's, in a namespace |
| cluster_role_binding | cluster role     | a cluster's role everywhere                          |

RBAC knows no time: a binding ends only when somebody deletes it. Tokens (TokenRequest) of a service
account are bound to a Secret of the grant, and die with it: the API server checks that at each use.

Sources: kubernetes.io, "Using RBAC Authorization" (roleRef cannot change; who may bind); TokenRequest
(expirationSeconds of at least 600, boundObjectRef to a Pod, Node or Secret); "Managing Service
Accounts" (bound tokens); client authentication v1, ExecCredential.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from .contract import MissingRight, PermanentFailure, Residual, Seen, Sent, TemporaryFailure, plain
from .grants import Given, Handed, Kind, Minted
from .kubernetes_cluster import CORE, RBAC, Absent, Api, Changed, Cluster, metadata_of, parted
from .kubernetes_rights import GROUP, Right, missing
from .web import pause

SHORTEST_TOKEN, LONGEST_TOKEN = timedelta(minutes=10), timedelta(hours=1)
LABEL = "countersign/grant"
_ROLE = re.compile(r"[A-Za-z0-9](?:[\w.:-]{0,251}[A-Za-z0-9])?", re.ASCII)
_WHO = re.compile(r"[^\s\"\\]{1,253}")
_SUBJECTS = ("ServiceAccount", "User", "Group")
_NEEDS = {
    "subject_kind": "ServiceAccount, User or Group",
    "subject": "its name; of a service account namespace/name",
}
KINDS = {
    "role_binding": Kind(
        "a role in one namespace",
        "namespace/role",
        needs=_NEEDS,
        may={"role_kind": "Role, or ClusterRole"},
        ends_itself=False,
        mints="kubernetes",
    ),
    "cluster_role_binding": Kind(
        "a cluster role everywhere",
        "the cluster role's name",
        needs=_NEEDS,
        ends_itself=False,
        mints="kubernetes",
    ),
}


class KubernetesGranter:
    """Gives and takes in one cluster."""

    def __init__(self, at: Cluster, *, allow_private: bool) -> None:
        self._api = Api(at, allow_private=allow_private)

    def why_not(self, given: Given) -> str:
        target, extra = given.target, given.target.extra
        role = target.name
        try:
            if target.kind == "role_binding":
                namespace, _, role = target.name.partition("/")
                parted(f"{namespace}/x", "namespace")
            if extra.get("subject_kind") == "ServiceAccount":
                parted(extra.get("subject", ""), "service account")
        except PermanentFailure as problem:
            return problem.reason
        if _ROLE.fullmatch(role) is None:
            return f"{plain(role)[:80]} is no name of a role."
        if extra.get("subject_kind") not in _SUBJECTS:
            return f"subject_kind is one of {', '.join(_SUBJECTS)}."
        if _WHO.fullmatch(extra.get("subject", "")) is None or extra["subject"].startswith(
            "system:"
        ):
            return "subject is no name that a grant can be given to."
        if extra.get("role_kind", "Role") not in ("Role", "ClusterRole"):
            return "role_kind is Role or ClusterRole."
        return ""

    def grant(self, given: Given, *, now: datetime) -> Sent:  # noqa: ARG002 -- the contract gives every step the moment
        place, body = _binding(given)
        found = self._found(f"{place}/{_name(given)}", _right("get", given))
        if found is not None:
            if _same(found, body):
                return Sent("", f"{_name(given)} is there already.")
            raise self._others(given)
        right = (
            f"create {place.rsplit('/', 1)[-1]}, and to bind (or have) every role that they give"
        )
        made = self._api.ask("POST", place, right=right, body=body, key=given.key)
        return Sent(
            str(metadata_of(made).get("uid", "")), f"{_name(given)} binds {given.target.name}."
        )

    def granted(self, given: Given, *, now: datetime) -> Seen:
        place, body = _binding(given)
        found = self._found(f"{place}/{_name(given)}", _right("get", given))
        if found is None or metadata_of(found).get("deletionTimestamp"):
            return Seen("gone", f"There is no {_name(given)}.", now)
        if not _same(found, body):
            return Seen("unknown", f"{_name(given)} does not say what was given.", now)
        return Seen("active", f"{_name(given)} binds {given.target.name}.", now)

    def own_rights(self, given: Sequence[Given]) -> list[MissingRight]:
        """By the cluster's own answer (kubernetes_rights.py)."""
        return missing(self._api, list(dict.fromkeys(r for one in given for r in _needed(one))))

    def end(self, given: Given, *, now: datetime) -> Sent:  # noqa: ARG002 -- the contract gives every step the moment
        """The binding first, then the Secret with which its tokens die."""
        place, _ = _binding(given)
        reference = self._delete(f"{place}/{_name(given)}", given, _right("delete", given))
        secret = _secret(given)
        if given.handed and secret:
            self._delete(f"{secret}/{_name(given)}", given, "get and delete secrets there")
        return Sent(reference, f"{_name(given)} is deleted.")

    def ended(self, given: Given, *, now: datetime) -> Seen:
        place, _ = _binding(given)
        if self._found(f"{place}/{_name(given)}", _right("get", given)) is not None:
            return Seen("active", f"{_name(given)} is still there.", now)
        secret = _secret(given)
        if given.handed and secret:
            found = self._found(f"{secret}/{_name(given)}", "get and delete secrets there")
            if found is not None:
                return Seen(
                    "active", f"The Secret of its tokens, {_name(given)}, is still there.", now
                )
        return Seen("gone", f"There is no {_name(given)}.", now)

    def residual(self, given: Given, *, since: datetime, now: datetime) -> Sequence[Residual]:  # noqa: ARG002 -- the contract gives every step the moment
        """Nothing: a token whose Secret is gone is no token any more."""
        return []

    def mint(self, given: Given, *, person: str, now: datetime) -> Minted:
        """A token of the service account that the binding names, as kubectl's exec plug-ins give it."""
        secret = _secret(given)
        if not secret:
            raise PermanentFailure(
                "Only a service account has tokens: a user or group signs in as ever.",
                who_must_act="whoever asked for it",
            )
        left = given.ends_at - now
        if left <= timedelta(0):
            raise PermanentFailure("Its time is over.", who_must_act="whoever asked for it")
        seconds = int(min(max(left, SHORTEST_TOKEN), LONGEST_TOKEN).total_seconds())
        bound = self._bound(given, secret)
        namespace, account = parted(given.target.extra["subject"], "service account")
        path = f"{CORE}/namespaces/{namespace}/serviceaccounts/{account}/token"
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "expirationSeconds": seconds,
                "boundObjectRef": {
                    "kind": "Secret",
                    "apiVersion": "v1",
                    "name": _name(given),
                    "uid": bound,
                },
            },
        }
        right = f"create serviceaccounts/token in {namespace}"
        status = self._api.ask("POST", path, right=right, body=body, key=given.key).get("status")
        token = status.get("token") if isinstance(status, dict) else None
        if not isinstance(status, dict) or not isinstance(token, str) or not token:
            raise self._api.unclear("a TokenRequest")
        self._api.web.discreet(token)
        lives_until = _moment(status.get("expirationTimestamp")) or now + timedelta(seconds=seconds)
        ends = min(lives_until, given.ends_at)
        said = _jti(token) or f"{person} {now.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        return Minted(
            Handed(f"{_name(given)} of {namespace}/{account}", said, lives_until),
            ends,
            {
                "apiVersion": "client.authentication.k8s.io/v1",
                "kind": "ExecCredential",
                "status": {
                    "token": token,
                    "expirationTimestamp": f"{ends.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
                },
            },
        )

    def _bound(self, given: Given, secret: str) -> str:
        """The uid of the grant's Secret, made where it is not there yet."""
        for _ in range(2):
            found = self._found(f"{secret}/{_name(given)}", "get and create secrets there")
            if found is not None:
                return str(metadata_of(found).get("uid", ""))
            body = {"apiVersion": "v1", "kind": "Secret", "metadata": _metadata(given)}
            try:
                made = self._api.ask(
                    "POST", secret, right="create secrets there", body=body, key=given.key
                )
                return str(metadata_of(made).get("uid", ""))
            except PermanentFailure as problem:
                # Two sessions at once: the other one made it.
                if "already exists" not in problem.reason:
                    raise
        raise self._api.unclear("the Secret of a grant")

    def _found(self, path: str, right: str) -> dict[str, Any] | None:
        try:
            return self._api.ask("GET", path, right=right)
        except Absent:
            return None

    def _delete(self, path: str, given: Given, right: str) -> str:
        found = self._found(path, right)
        if found is None:
            return ""
        about = metadata_of(found)
        if (about.get("labels") or {}).get(LABEL) != given.key:
            raise self._others(given)
        body = {"preconditions": {"uid": str(about.get("uid", ""))}}
        try:
            self._api.ask("DELETE", path, right=right, body=body, key=given.key)
        except Absent:
            return ""
        except Changed:
            raise TemporaryFailure(
                f"{_name(given)} was made anew meanwhile.", retry_after=pause(1.0)
            ) from None
        return str(about.get("uid", ""))

    def _others(self, given: Given) -> PermanentFailure:
        return PermanentFailure(
            f"{_name(given)} is there and is not what Countersign makes: look at it, and delete it.",
            who_must_act=self._api.at.administrator,
        )


def _name(given: Given) -> str:
    return f"countersign-{given.key.lower()}"


def _right(verb: str, given: Given) -> str:
    return (
        f"{verb} {'rolebindings' if given.target.kind == 'role_binding' else 'clusterrolebindings'}"
    )


def _metadata(given: Given) -> dict[str, Any]:
    return {
        "name": _name(given),
        "labels": {LABEL: given.key},
        "annotations": {"countersign/until": given.ends_at.astimezone(UTC).isoformat()},
    }


def _binding(given: Given) -> tuple[str, dict[str, Any]]:
    """(the path of its list, the object)."""
    target, extra = given.target, given.target.extra
    group = "rbac.authorization.k8s.io"
    if extra["subject_kind"] == "ServiceAccount":
        namespace, account = parted(extra["subject"], "service account")
        subject = {"kind": "ServiceAccount", "namespace": namespace, "name": account}
    else:
        subject = {"kind": extra["subject_kind"], "apiGroup": group, "name": extra["subject"]}
    metadata, kind, role_kind, role = (
        _metadata(given),
        "ClusterRoleBinding",
        "ClusterRole",
        target.name,
    )
    place = f"{RBAC}/clusterrolebindings"
    if target.kind == "role_binding":
        within, _, role = target.name.partition("/")
        kind, role_kind = "RoleBinding", extra.get("role_kind", "Role")
        metadata["namespace"] = within
        place = f"{RBAC}/namespaces/{within}/rolebindings"
    return place, {
        "apiVersion": f"{group}/v1",
        "kind": kind,
        "metadata": metadata,
        "subjects": [subject],
        "roleRef": {"apiGroup": group, "kind": role_kind, "name": role},
    }


def _needed(given: Given) -> list[Right]:
    """Bindings there, the right to bind what they give, and of a service account its tokens."""
    kind, name = given.target.kind, given.target.name
    namespace = name.partition("/")[0] if kind == "role_binding" else ""
    bindings = "rolebindings" if namespace else "clusterrolebindings"
    role = given.target.extra.get("role_kind", "Role") if namespace else "ClusterRole"
    rights = [Right(verb, bindings, GROUP, namespace) for verb in ("get", "create", "delete")]
    rights.append(Right("bind", f"{role.lower()}s", GROUP, namespace if role == "Role" else ""))
    if given.target.extra.get("subject_kind") == "ServiceAccount":
        beside = given.target.extra.get("subject", "").partition("/")[0]
        rights += [Right(verb, "secrets", "", beside) for verb in ("get", "create", "delete")]
        rights.append(Right("create", "serviceaccounts/token", "", beside))
    return rights


def _secret(given: Given) -> str:
    """The path of the Secrets beside the service account; "" where the subject is none."""
    if given.target.extra.get("subject_kind") != "ServiceAccount":
        return ""
    namespace, _ = parted(given.target.extra["subject"], "service account")
    return f"{CORE}/namespaces/{namespace}/secrets"


def _same(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether it is ours, and gives this role to this subject alone. The API adds the group that is
    the default, and says nothing of it for service accounts."""
    labels = metadata_of(found).get("labels") or {}
    if labels.get(LABEL) != wanted["metadata"]["labels"][LABEL]:
        return False
    subjects = found.get("subjects")
    if found.get("roleRef") != wanted["roleRef"] or not isinstance(subjects, list):
        return False
    return [_bare(one) for one in subjects] == [_bare(one) for one in wanted["subjects"]]


def _bare(subject: object) -> dict[str, Any]:
    if not isinstance(subject, dict):
        return {}
    return {name: value for name, value in subject.items() if name != "apiGroup"}


def _jti(token: str) -> str:
    """The id by which the cluster's own log names the token; "" where it has none."""
    body = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        found = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except ValueError:
        return ""
    jti = found.get("jti") if isinstance(found, dict) else None
    return plain(jti)[:100] if isinstance(jti, str) else ""


def _moment(value: object) -> datetime | None:
    try:
        when = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return when if when.tzinfo else None
