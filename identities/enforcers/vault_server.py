"""One HashiCorp Vault or OpenBao server: its settings, its requests, and what its answers mean.

Owns the entries under `vault` (configured.py), how one asks, and the texts by which a server says
that a thing is gone or that we may not. Must not know which step they are made for.

Sources: developer.hashicorp.com and openbao.org, "HTTP API" (headers, status codes), "/auth/token",
"/sys/leases", "AppRole auth method (API)", "Identity secrets engine: entity", and
"/sys/capabilities-self". The texts are those of OpenBao's own source; Vault writes the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import httpx

from evidence.sources import secrets as references
from evidence.sources import tokens as answers
from evidence.sources.failures import Later

from .addresses import WHO
from .configured import Entry, wrong
from .contract import PermanentFailure, plain
from .web import Refused, Web

type Kind = Literal["token", "lease", "lease_prefix", "secret_id", "entity"]

# Vault's own longest life of a lease where nobody set another: 768 hours ("max_lease_ttl").
LONGEST_LEASE = 2_764_800
# Thrown away by the server in the middle of the thing: the wanted state all the same.
GONE = (
    "invalid accessor",
    "token not found",
    "invalid lease",
    "failed to find accessor entry",
    "entity not found",
)
# What is said of the token in X-Vault-Token, and not of what was asked for.
NOT_OURS_ANY_MORE = ("invalid token", "bad token")
NAMES: dict[str, re.Pattern[str]] = {
    # With the namespace's id behind a point, where it is not the root's.
    "token": re.compile(r"[A-Za-z0-9-]{8,64}(?:\.[A-Za-z0-9]{1,16})?"),
    "lease": re.compile(r"[\w.@:-]+(?:/[\w.@:-]+)+"),
    "lease_prefix": re.compile(r"[\w.@:-]+(?:/[\w.@:-]+)*/"),
    "secret_id": re.compile(r"[A-Za-z0-9-]{8,64}"),
    "entity": re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:\.[A-Za-z0-9]{1,16})?"),
}
ROLE = re.compile(r"auth/(?:[\w.@:-]+/)+role/[\w.@:-]+")
DIGEST = "hmac-sha256:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server, in one namespace of it. `token` and `ca_file` as the settings name them."""

    address: str
    realms: tuple[str, ...]
    token: str
    namespace: str = ""
    max_lease_seconds: int = LONGEST_LEASE
    ca_file: str = ""

    @property
    def account(self) -> str:
        return f"{self.address}/{self.namespace}" if self.namespace else self.address

    @property
    def administrator(self) -> str:
        return f"the administrator of {self.account}"


def server(entry: Entry) -> Server:
    """The server that an entry of the settings describes. Raises PermanentFailure."""
    where = f"vault, {entry.get('address', 'an entry without address')}"
    unknown = sorted(str(one) for one in set(entry) - set(Server.__dataclass_fields__))
    if unknown:
        raise wrong(f"{where}: there is no {unknown[0]}")
    for name in ("address", "token", "namespace", "ca_file"):
        if not isinstance(entry.get(name, ""), str):
            raise wrong(f"{where}: {name} is no text")
    for name in ("address", "token"):
        if not entry.get(name):
            raise wrong(f"{where}: {name} is missing")
    realms = entry.get("realms")
    if not isinstance(realms, list) or not realms or not all(isinstance(r, str) for r in realms):
        raise wrong(f"{where}: realms is no list of the realms that evidence names it by")
    longest = entry.get("max_lease_seconds", LONGEST_LEASE)
    if type(longest) is not int or longest < 0:
        raise wrong(f"{where}: max_lease_seconds is no number of seconds")
    said = references.wrong(entry["token"])
    if said:
        raise wrong(f"{where}: token: {said}")
    parts = urlsplit(entry["address"])
    more = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme not in ("http", "https") or not parts.hostname or more:
        raise wrong(f"{where}: address is not the server's address, as in VAULT_ADDR")
    tidy = {"address": entry["address"].rstrip("/"), "realms": tuple(realms)}
    return Server(**{**entry, **tidy, "namespace": entry.get("namespace", "").strip("/")})


class Absent(Exception):
    """The server says that there is no such thing."""


class Api:
    """Requests to one server for one step."""

    def __init__(self, at: Server, *, allow_private: bool) -> None:
        self.at = at
        self.web = Web(
            allow_private=allow_private, who_must_act=at.administrator, ca_file=at.ca_file
        )

    def ask(
        self,
        method: str,
        path: str,
        *,
        right: str,
        body: Mapping[str, object] | None = None,
        key: str = "",
    ) -> httpx.Response:
        """The answer of a success. Raises Absent, or a failure; `path` is relative to /v1/."""
        headers = {
            "X-Vault-Token": self.web.secret(self.at.token, called="token"),
            # Some servers want it, against requests that a page makes (HTTP API, "Vault request").
            "X-Vault-Request": "true",
        }
        if self.at.namespace:
            headers["X-Vault-Namespace"] = f"{self.at.namespace}/"
        said: dict[str, Any] = {} if body is None else {"json": dict(body)}
        return self.web.request(
            method,
            f"{self.at.address}/v1/{path}",
            right=right,
            key=key,
            explain=lambda answer: self._meaning(answer, right, method),
            headers=headers,
            **said,
        )

    def data(self, answer: httpx.Response) -> dict[str, Any]:
        """The members that matter; some endpoints also repeat them beside `data`."""
        whole = self.web.document(answer)
        found = whole.get("data")
        return found if isinstance(found, dict) else whole

    def _meaning(self, answer: httpx.Response, right: str, method: str) -> Exception | None:
        """What the server means by its list of errors."""
        try:
            errors = answers.document(answer).get("errors")
        except Later:
            return None
        if not isinstance(errors, list):
            return None
        said = self.web.clean("; ".join(str(one) for one in errors[:4]))
        code, account = answer.status_code, self.at.account
        if any(text in said for text in GONE) or (code == 404 and method == "GET" and not said):
            return Absent(said)
        because = f"{account} answered {code}{said and f' ({said})'}"
        if code == 403 and any(text in said for text in NOT_OURS_ANY_MORE):
            return Refused(
                f"{because}: it does not accept Countersign's own token. Renew it where the"
                " enforcer's settings refer to.",
                right=right,
                who_must_act=WHO,
            )
        if code == 403:
            return Refused(
                f"{because}: allow Countersign's token to {right}.",
                right=right,
                who_must_act=self.at.administrator,
            )
        return PermanentFailure(f"{because}.", who_must_act=WHO)


def segments(path: str) -> str:
    """A path of names, each encoded for an address."""
    return "/".join(quote(one, safe="") for one in path.split("/"))


def checked(name: str, kind: str) -> str:
    """The name, when it can be one of this kind. Evidence says it: it goes nowhere unlooked at."""
    shape = NAMES.get(kind)
    if shape is None:
        raise PermanentFailure(
            f"The Vault enforcer does not know the kind {kind}.",
            who_must_act="whoever asked for it",
        )
    if shape.fullmatch(name) is None or {".", ".."} & set(name.split("/")):
        raise PermanentFailure(
            f"{plain(name)} is no name that Vault gives a {kind}: end it there by hand.",
            who_must_act="whoever asked for it",
        )
    return name
