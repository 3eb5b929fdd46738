"""Secrets, certificates and federated trust of an application and of its service principal.

Owns where in one tenant a key can be, how it is taken away and whether it is gone. Must not know
steps other than that.

Sources: learn.microsoft.com, Microsoft Graph v1.0: "application: removePassword",
"servicePrincipal: removePassword" (204), "Update application", "Update servicePrincipal"
(keyCredentials is written as a whole; `key` is returned only for one object and where it is
selected), "application: removeKey" (wants a proof made with one of the application's own keys,
which nobody but the application has), "Delete federatedIdentityCredential" (204).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .contract import PermanentFailure, Seen, Sent, Target
from .entra_graph import GUID, Absent, Graph, encoded

RIGHT = "Application.ReadWrite.All"
_MEMBERS = "id,appId,keyCredentials,passwordCredentials"


@dataclass(frozen=True, slots=True)
class Holder:
    """An application or service principal, as Graph shows it."""

    path: str
    said: dict[str, Any]

    def each(self, member: str) -> list[dict[str, Any]]:
        found = self.said.get(member)
        return [one for one in found if type(one) is dict] if type(found) is list else []

    def has(self, name: str) -> bool:
        return any(
            _is(one, name)
            for member in ("passwordCredentials", "keyCredentials")
            for one in self.each(member)
        )


def _is(key: dict[str, Any], name: str) -> bool:
    """By its id, or by its certificate's thumbprint, as sign-ins may name it."""
    return name.lower() in (
        str(key.get("keyId", "")).lower(),
        str(key.get("customKeyIdentifier", "")).lower(),
    )


def remove(graph: Graph, target: Target, *, key: str) -> Sent:
    """Take it away wherever it is. That it is nowhere is success."""
    if target.kind == "federated":
        return _remove_trust(graph, target, key)
    reference, taken = "", []
    for holder in holders(graph, target):
        for one in holder.each("passwordCredentials"):
            if _is(one, target.name):
                path = f"{holder.path}/removePassword"
                reference = graph.change("POST", path, right=RIGHT, key=key, keyId=one["keyId"])
                taken.append("secret")
        certificates = holder.each("keyCredentials")
        rest = [one for one in certificates if not _is(one, target.name)]
        if len(rest) < len(certificates):
            reference = graph.change(
                "PATCH", holder.path, right=RIGHT, key=key, keyCredentials=rest
            )
            taken.append("certificate")
    if not taken:
        return Sent("", f"Key {target.name} is already gone.")
    return Sent(reference, f"The {' and '.join(taken)} {target.name} was taken away.")


def seen(graph: Graph, target: Target, *, now: datetime) -> Seen:
    """Whether any of the two still has it."""
    if target.kind == "federated":
        application, trust = _trust(graph, target)
        if application is None or trust is None:
            return Seen("gone", f"There is no federated trust {target.name}.", now)
        return Seen("active", f"The application still trusts {trust.get('name')}.", now)
    for holder in holders(graph, target):
        if holder.has(target.name):
            return Seen("active", f"{holder.path} still has the key {target.name}.", now)
    return Seen("gone", f"Neither application nor service principal has {target.name}.", now)


def holders(graph: Graph, target: Target) -> list[Holder]:
    """The service principal and the registration that may have the key.

    Raises PermanentFailure when the key may be where this tenant cannot reach.
    """
    found, app, elsewhere = [], target.extra.get("app", ""), ""
    try:
        principal = graph.read(
            f"{principal_path(target)}?$select={_MEMBERS},appOwnerOrganizationId,"
            "servicePrincipalType",
            right=RIGHT,
        )
    except Absent:
        if not app:
            raise PermanentFailure(
                f"This tenant has no service principal of key {target.name} any more, and evidence"
                " does not name its application: look in its registration for the key.",
                who_must_act=graph.tenant.administrator,
            ) from None
    else:
        if principal.get("servicePrincipalType") == "ManagedIdentity":
            raise PermanentFailure(
                f"{target.name} is a managed identity's, whose keys Azure itself keeps and renews:"
                " hold or revoke the managed identity.",
                who_must_act="whoever asked for it",
            )
        found.append(Holder(f"servicePrincipals/{principal['id']}", principal))
        app = str(principal.get("appId") or app)
        elsewhere = str(principal.get("appOwnerOrganizationId") or "").lower()
    application = _application(graph, app)
    if application is not None:
        found.append(application)
    elif elsewhere not in ("", graph.tenant.tenant) and not any(
        one.has(target.name) for one in found
    ):
        raise PermanentFailure(
            f"The application of key {target.name} is registered in the tenant {elsewhere}, which"
            " alone can take it away: hold its service principal here.",
            who_must_act=f"an administrator of the Entra tenant {elsewhere}",
        )
    return found


def principal_path(target: Target) -> str:
    number = target.extra.get("principal", "")
    if number:
        return f"servicePrincipals/{encoded(number)}"
    return f"servicePrincipals(appId='{encoded(target.extra.get('app', ''))}')"


def _application(graph: Graph, app: str) -> Holder | None:
    if GUID.fullmatch(app) is None:
        return None
    try:
        said = graph.read(f"applications(appId='{app}')?$select={_MEMBERS}", right=RIGHT)
    except Absent:
        return None
    return Holder(f"applications/{said['id']}", said)


def _trust(graph: Graph, target: Target) -> tuple[Holder | None, dict[str, Any] | None]:
    """The registration, and the trust in it; None for what there is not."""
    around = holders(graph, target)
    application = next((one for one in around if one.path.startswith("applications/")), None)
    if application is None:
        return None, None
    path = f"{application.path}/federatedIdentityCredentials/{encoded(target.name)}"
    try:
        return application, graph.read(path, right=RIGHT)
    except Absent:
        return application, None


def _remove_trust(graph: Graph, target: Target, key: str) -> Sent:
    application, trust = _trust(graph, target)
    if application is None or trust is None:
        return Sent("", f"Federated trust {target.name} is already gone.")
    path = f"{application.path}/federatedIdentityCredentials/{encoded(target.name)}"
    try:
        reference = graph.change("DELETE", path, right=RIGHT, key=key)
    except Absent:
        return Sent("", f"Federated trust {target.name} is already gone.")
    return Sent(reference, f"The trust {trust.get('name')} was taken away.")
