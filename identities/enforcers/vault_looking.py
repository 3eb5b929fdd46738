"""What a Vault server shows of one thing, asked anew: whether it is there.

Owns how each kind is looked up and which answers say that it is gone; an answer that says neither
is no answer. Changes nothing, and must not know which step it is for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evidence.formats import times

from .contract import PermanentFailure, Target, TemporaryFailure, plain
from .vault_server import ROLE, Absent, Api, segments
from .web import pause


def entity(api: Api, name: str) -> dict[str, Any] | None:
    try:
        answer = api.ask("GET", f"identity/entity/id/{segments(name)}", right="read entities")
    except Absent:
        return None
    found = api.data(answer)
    if found.get("id") != name or type(found.get("disabled")) is not bool:
        raise _unclear(api, f"entity {name}")
    metadata = found.get("metadata") or {}
    return {"disabled": found["disabled"], "metadata": dict(metadata)}


def lives(api: Api, target: Target) -> str:
    """That it is there, in words; "" when the server says that it is not."""
    looked: dict[str, Callable[[Api, Target], str]] = {
        "token": _token,
        "lease": _lease,
        "lease_prefix": _prefix,
        "secret_id": _secret_id,
    }
    try:
        return looked[target.kind](api, target)
    except Absent:
        return ""


def _token(api: Api, target: Target) -> str:
    body = {"accessor": target.name}
    answer = api.ask(
        "POST", "auth/token/lookup-accessor", right="look tokens up by accessor", body=body
    )
    if api.data(answer).get("accessor") != target.name:
        raise _unclear(api, f"token {target.name}")
    return f"Token {target.name} is there."


def _lease(api: Api, target: Target) -> str:
    body = {"lease_id": target.name}
    found = api.data(api.ask("POST", "sys/leases/lookup", right="look leases up", body=body))
    if found.get("id") != target.name:
        raise _unclear(api, f"lease {target.name}")
    failed = found.get("revoke_error")
    because = f": its engine could not end it ({plain(str(failed))})" if failed else ""
    return f"Lease {target.name} is there{because}."


def _prefix(api: Api, target: Target) -> str:
    path = f"sys/leases/lookup/{segments(target.name)}?list=true"
    keys = api.data(api.ask("GET", path, right="list leases")).get("keys")
    if not isinstance(keys, list):
        raise _unclear(api, f"leases under {target.name}")
    return f"Under {target.name} there are leases." if keys else ""


def _secret_id(api: Api, target: Target) -> str:
    of = segments(role(target))
    # Of a role that is gone the lookup says 500; with it went its secret ids.
    api.ask("GET", of, right="read its AppRole")
    answer = api.ask(
        "POST",
        f"{of}/secret-id-accessor/lookup",
        right="look secret ids up by accessor",
        body={"secret_id_accessor": target.name},
    )
    if answer.status_code == 204:
        return ""
    found = api.data(answer)
    if found.get("secret_id_accessor") != target.name:
        raise _unclear(api, f"secret id {target.name}")
    ends = times.moment(str(found.get("expiration_time") or ""))
    if ends is not None and 0 < ends < api.web.now().timestamp() * 1_000_000:
        return ""
    return f"Secret id {target.name} is there."


def role(target: Target) -> str:
    """The AppRole of a secret id, as the path of its issue says it."""
    path = target.extra.get("role", "")
    if ROLE.fullmatch(path) is None or {".", ".."} & set(path.split("/")):
        raise PermanentFailure(
            f"Of which AppRole secret id {target.name} is cannot be told: destroy it there.",
            who_must_act="whoever asked for it",
        )
    return path


def _unclear(api: Api, what: str) -> TemporaryFailure:
    return TemporaryFailure(
        f"{api.at.account} does not say whether {what} is there.", retry_after=pause()
    )
