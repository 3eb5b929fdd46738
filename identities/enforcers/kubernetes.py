"""The Kubernetes enforcer: service accounts, their token Secrets, and the pods tokens are bound to.

Owns what each step means there, how it is read back and what lives on. Must not know rows, cases
or people; decides nothing about who may ask.

| kind            | hold, suspend | release, resume | narrow       | revoke |
| service_account | out of every role binding that names it | put back | out of the bindings that give nothing of what is left | out of them for good, and deleted: its tokens and token Secrets end with it |
| service_account_entitlement | out of those bindings, for a while | put back | as its account | not possible |
| secret          | not possible  | not possible    | not possible | deleted, and with it the token in it |
| pod             | not possible  | not possible    | not possible | deleted, and with it every token bound to it |

A single token or client certificate cannot be ended. Sources: those of kubernetes_cluster.py and
kubernetes_bindings.py, and "Managing Service Accounts" (bound tokens, their validity, token
controller, the account "default").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from . import kubernetes_bindings as bindings
from . import kubernetes_entitled as entitled
from .contract import (
    KnownSession,
    MissingRight,
    PermanentFailure,
    Permission,
    Residual,
    Seen,
    Sent,
    Step,
    Target,
    TemporaryFailure,
    plain,
)
from .kubernetes_cluster import (
    CORE,
    METADATA,
    METADATA_LIST,
    Absent,
    Api,
    Changed,
    Cluster,
    metadata_of,
    parted,
)
from .kubernetes_rights import missing, needed
from .unable import Unable
from .web import pause

RESOURCE = {"service_account": "serviceaccounts", "secret": "secrets", "pod": "pods"}
ACCOUNTS = ("service_account", entitled.KIND)
HOLDER = "kubernetes.io/service-account.name"
MOST_LISTED = 20
_UID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CANNOT = {
    "token": "Kubernetes ends no token by itself: it dies with the pod or Secret that it is bound"
    " to, or with its service account. Revoke those, or hold the identity.",
    "certificate": "Kubernetes takes a client certificate until it expires: take its user out of"
    " the role bindings there, or hold the identity.",
}


def cannot(target: Target, step: str) -> str:
    """Why Kubernetes has no such step for this target; "" where it has."""
    if target.kind in _CANNOT:
        return _CANNOT[target.kind]
    if target.kind == "service_account":
        return ""
    if target.kind == entitled.KIND:
        if step in ("hold", "release"):
            return ""
        return f"What a service account is allowed has no {step}: hold, release or narrow it."
    if step == "revoke":
        return ""
    return f"Kubernetes has no {step} for a {target.kind}: revoke it, or hold the identity."


class KubernetesEnforcer(Unable):
    """Steps in one cluster."""

    system = "kubernetes"

    def __init__(self, cluster: Cluster, *, allow_private: bool) -> None:
        self._cluster, self._allow_private = cluster, allow_private

    def cannot(self, target: Target, step: str) -> str:
        return cannot(target, step)

    # Steps

    def hold(self, target: Target, **said: Any) -> Sent:
        """A service account out of every binding that names it, which each remember it; of what it
        is allowed, out of those that give nothing of what is left."""
        api = self._at(target, "hold")
        if target.kind == entitled.KIND:
            if self._found(api, target) is None:
                return Sent("", f"{target.name} is already gone.")
            return entitled.hold(api, target, said.get("permissions", ()), key=said["key"])
        many = self._out(api, target, remember=True, key=said["key"])
        return Sent("", f"{target.name} is taken out of {_counted(many)}.")

    def release(self, target: Target, **said: Any) -> Sent:
        """A service account back in every binding that remembers it."""
        api, who = self._at(target, "release"), parted(target.name, "service account")
        if self._found(api, target) is None:
            raise PermanentFailure(
                f"Service account {target.name} is gone: there is nothing to release.",
                who_must_act="whoever asked for it",
            )
        if target.kind == entitled.KIND:
            return entitled.release(api, target, before=said.get("allowed") or {}, key=said["key"])
        held = bindings.holding(bindings.every(api), *who, holder=bindings.ACCOUNT)
        for one in held:
            bindings.put_back(api, one, who, holder=bindings.ACCOUNT, key=said["key"])
        return Sent("", f"{target.name} is put back into {_counted(len(held))}.")

    def narrow(self, target: Target, **said: Any) -> Sent:
        """A service account out of the bindings that give nothing of what is left, for good."""
        api = self._at(target, "narrow")
        if self._found(api, target) is None:
            return Sent("", f"{target.name} is already gone.")
        return entitled.narrow(api, target, said["permissions"], key=said["key"])

    def allowed(self, target: Target, **_: Any) -> dict[str, str]:
        """What its bindings give a service account, to give to `release` later."""
        api = self._at(target, "hold")
        return {} if self._found(api, target) is None else entitled.allowed(api, target)

    def suspend(self, target: Target, **said: Any) -> Sent:
        self._at(target, "suspend")
        return self.hold(target, **said)

    def resume(self, target: Target, **said: Any) -> Sent:
        self._at(target, "resume")
        return self.release(target, **said)

    def revoke(
        self,
        target: Target,
        *,
        key: str,
        now: datetime,  # noqa: ARG002 -- the contract gives every step the moment
        delete: bool = True,
    ) -> Sent:
        """The end of it. `delete=False` leaves a service account out of its bindings for good."""
        api, said = self._at(target, "revoke"), ""
        if target.kind == "service_account":
            many = self._out(api, target, remember=False, key=key)
            said = f"{target.name} is taken out of {_counted(many)}. "
            if not delete:
                return Sent("", said.strip())
        found = self._found(api, target)
        if found is None:
            return Sent("", f"{said}{target.name} is already gone.")
        about = metadata_of(found)
        # Only what was looked at: not another of the same name that somebody made meanwhile.
        preconditions = {name: about[name] for name in ("uid", "resourceVersion") if name in about}
        if target.kind == "pod":
            # A pod's status is written all the time.
            preconditions.pop("resourceVersion", None)
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions}
        path = _place(target, str(about.get("name")))
        try:
            api.ask("DELETE", path, right=f"delete {RESOURCE[target.kind]}", body=body, key=key)
        except Absent:
            return Sent("", f"{said}{target.name} is already gone.")
        except Changed:
            raise TemporaryFailure(
                f"{target.name} was changed while it was being deleted.", retry_after=pause(1.0)
            ) from None
        return Sent("", f"{said}{target.name} is deleted.")

    # Looking at it afterwards

    def verify(
        self,
        target: Target,
        *,
        step: Step,
        now: datetime,
        since: datetime | None = None,  # noqa: ARG002 -- each is one thing, whenever made
        permissions: Sequence[Permission] = (),
    ) -> Seen:
        """What the cluster shows when it is asked anew."""
        api = self._at(target, step)
        there = self._found(api, target)
        if there is None and (target.kind not in ACCOUNTS or step == "narrow"):
            return Seen("gone", f"{target.name} is not there.", now)
        if target.kind not in ACCOUNTS and there is not None:
            ending = "deletionTimestamp" in metadata_of(there)
            what = "is being deleted, and still there" if ending else "is there"
            return Seen("active", f"{target.name} {what}.", now)
        if there is not None and (target.kind == entitled.KIND or step == "narrow"):
            return entitled.seen(api, target, permissions, step=step, now=now)
        return self._seen_account(api, target, step, there is not None, now=now)

    def residual(
        self,
        target: Target,
        *,
        since: datetime,
        now: datetime,
        sessions: Iterable[KnownSession] = (),  # noqa: ARG002 -- a token opens none
    ) -> list[Residual]:
        """What lives on after a step at `since`; ends that have passed are left out."""
        api, seconds = self._at(target, "revoke"), self._cluster.token_seconds
        lives: list[Residual] = []
        there = target.kind == "service_account" and self._found(api, target) is not None
        if seconds is not None and target.kind != "secret":
            # What the token controller signs has an issuer that nobody outside knows.
            what = "its tokens, for those who trust the cluster's tokens without asking it"
            # A held account is still given new ones.
            lives.append(Residual(what, None if there else since + timedelta(seconds=seconds)))
        if there:
            namespace, _ = parted(target.name, "service account")
            given = bindings.grouped(bindings.every(api), namespace)
            granted = sorted({(group, bindings.called(one)) for group, one in given})
            lives += [
                Residual(plain(f"what {group} may by {binding}"), None)
                for group, binding in granted[:MOST_LISTED]
            ]
        return [one for one in lives if one.until is None or one.until > now]

    def probe(self, target: Target, *, now: datetime) -> Seen | None:
        """What TokenReview says of a held token of this target; None where none is held."""
        if target.kind == "service_account" or not self._cluster.tokens:
            return None
        api = self._at(target, "revoke")
        reference = self._cluster.tokens.replace("{name}", target.name.replace("/", "."))
        try:
            token = api.web.secret(reference, called="tokens")
        except PermanentFailure:
            return None
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token},
        }
        path = "/apis/authentication.k8s.io/v1/tokenreviews"
        status = api.ask("POST", path, right="create tokenreviews", body=body).get("status")
        if not isinstance(status, dict):
            raise api.unclear("a TokenReview")
        if status.get("authenticated") is True:
            # The API server remembers for some seconds what it took.
            raise TemporaryFailure(
                f"{self._cluster.url} still takes the token of {target.name}.", retry_after=pause()
            )
        said = plain(str(status.get("error") or "it is not authenticated"))
        return Seen("denied", f"The token of {target.name} is refused ({said}).", now)

    def own_rights(self, targets: Sequence[Target] = ()) -> list[MissingRight]:
        """What our own service account may not do, as the cluster itself says; nothing is tried."""
        api = Api(self._cluster, allow_private=self._allow_private)
        return missing(api, needed([one for one in targets if one.kind in RESOURCE]))

    # What there is

    def _at(self, target: Target, step: str) -> Api:
        """The cluster, when this target is of it and has this step."""
        if target.account != self._cluster.url:
            raise PermanentFailure(
                f"{plain(target.name)} is of {plain(target.account)}, not of {self._cluster.url}.",
                who_must_act="whoever asked for it",
            )
        if self.cannot(target, step):
            raise self.not_possible(target, step)
        if target.kind not in (*RESOURCE, entitled.KIND):
            raise PermanentFailure(
                f"The Kubernetes enforcer does not know the kind {target.kind}.",
                who_must_act="whoever asked for it",
            )
        parted(_holder(target) if target.kind == "pod" else target.name, target.kind)
        if target.kind == "pod" and _UID.fullmatch(target.name) is None:
            raise PermanentFailure(
                f"{plain(target.name)} is no uid of a pod: delete the pod there by hand.",
                who_must_act="whoever asked for it",
            )
        return Api(self._cluster, allow_private=self._allow_private)

    def _out(self, api: Api, target: Target, *, remember: bool, key: str) -> int:
        who = parted(target.name, "service account")
        all_of_them = bindings.every(api)
        named = bindings.naming(all_of_them, *who)
        # Where it is out already, for another hold, it is remembered for this one too.
        held = bindings.holding(all_of_them, *who)
        holder = bindings.ACCOUNT if remember else ""
        for one in [*named, *(one for one in held if one not in named)]:
            bindings.take_out(api, one, who, holder=holder, key=key)
        return len(named)

    def _seen_account(
        self, api: Api, target: Target, step: Step, there: bool, *, now: datetime
    ) -> Seen:
        who = parted(target.name, "service account")
        if not there:
            return Seen("gone", f"{target.name} is not there.", now)
        all_of_them = bindings.every(api)
        if step in ("release", "resume"):
            held = bindings.holding(all_of_them, *who, holder=bindings.ACCOUNT)
            if held:
                return Seen("denied", f"{_listed(held)} still holds {target.name}.", now)
            return Seen("active", f"No binding holds {target.name}.", now)
        named = bindings.naming(all_of_them, *who)
        if named:
            return Seen("active", f"{_listed(named)} names {target.name}.", now)
        if step == "revoke" and who[1] != "default":
            return Seen("active", f"{target.name} is there, and no binding names it.", now)
        # A namespace's default account is made anew at once; tokens of the old one stay dead.
        return Seen("denied", f"No binding names {target.name}.", now)

    def _found(self, api: Api, target: Target) -> dict[str, Any] | None:
        """The object, by its metadata alone: nothing else of a Secret or a pod is read."""
        if target.kind == "pod":
            namespace, account = parted(_holder(target), "service account")
            pods = api.listed(
                f"{CORE}/namespaces/{namespace}/pods",
                right="list pods",
                accept=METADATA_LIST,
                fieldSelector=f"spec.serviceAccountName={account}",
            )
            return next((one for one in pods if metadata_of(one).get("uid") == target.name), None)
        _, name = parted(target.name, target.kind)
        try:
            right = f"get {_resource(target)}"
            found = api.ask("GET", _place(target, name), right=right, accept=METADATA)
        except Absent:
            return None
        about = metadata_of(found)
        if about.get("name") != name or not about.get("uid"):
            raise api.unclear(target.name)
        if target.kind == "secret" and not (about.get("annotations") or {}).get(HOLDER):
            raise PermanentFailure(
                f"Secret {target.name} holds no token of a service account: it is left alone.",
                who_must_act="whoever asked for it",
            )
        return found


def _place(target: Target, name: str) -> str:
    namespace = (_holder(target) if target.kind == "pod" else target.name).partition("/")[0]
    return f"{CORE}/namespaces/{namespace}/{_resource(target)}/{name}"


def _resource(target: Target) -> str:
    return RESOURCE["service_account" if target.kind == entitled.KIND else target.kind]


def _holder(target: Target) -> str:
    return target.extra.get("service_account", "")


def _listed(some: list[bindings.Binding]) -> str:
    names = ", ".join(bindings.called(one) for one in some[:MOST_LISTED])
    return plain(names[0].upper() + names[1:])


def _counted(many: int) -> str:
    return "1 role binding" if many == 1 else f"{many} role bindings"
