"""One Kubernetes cluster: its settings, the requests to its API, and what its answers mean.

Owns the entries under `kubernetes` (configured.py), paths of objects, and the Status objects by
which the API says that a thing is gone, has changed meanwhile, or is not ours to change. Must not
know which step they are made for.

Sources: kubernetes.io, "Kubernetes API Concepts" (resourceVersion, PartialObjectMetadata, lists in
pieces), the references of Status, DeleteOptions, SelfSubjectAccessReview and TokenReview, and "API
Priority and Fairness" (429 with Retry-After).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from evidence.sources import secrets as references
from evidence.sources import tokens as answers
from evidence.sources.failures import Later

from .addresses import WHO
from .configured import Entry, wrong
from .contract import PermanentFailure, TemporaryFailure, plain
from .web import Refused, Web, pause

CORE, RBAC = "/api/v1", "/apis/rbac.authorization.k8s.io/v1"
# Names of objects as the API itself takes them ("Object Names and IDs").
NAMESPACE = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")
# A binding with managedFields is some kilobytes, and an answer may be one MiB (web.py).
LIMIT, MOST_PAGES = 100, 200
JSON = "application/json"
METADATA = f"{JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One cluster. `token`, `tokens` and `ca_file` as the settings name them."""

    url: str
    realms: tuple[str, ...]
    token: str
    ca_file: str = ""
    tokens: str = ""
    # How long its tokens live for those who take them without asking it; None: nobody does.
    token_seconds: int | None = None

    @property
    def administrator(self) -> str:
        return f"the administrator of {self.url}"


def cluster(entry: Entry) -> Cluster:
    """The cluster that an entry of the settings describes. Raises PermanentFailure."""
    where = f"kubernetes, {entry.get('url', 'an entry without url')}"
    unknown = sorted(str(one) for one in set(entry) - set(Cluster.__dataclass_fields__))
    if unknown:
        raise wrong(f"{where}: there is no {unknown[0]}")
    for name in ("url", "token", "tokens", "ca_file"):
        if not isinstance(entry.get(name, ""), str):
            raise wrong(f"{where}: {name} is no text")
    for name in ("url", "token"):
        if not entry.get(name):
            raise wrong(f"{where}: {name} is missing")
    realms = entry.get("realms")
    if not isinstance(realms, list) or not realms or not all(isinstance(r, str) for r in realms):
        raise wrong(f"{where}: realms is no list of the realms that evidence names it by")
    seconds = entry.get("token_seconds")
    if seconds is not None and (type(seconds) is not int or seconds <= 0):
        raise wrong(f"{where}: token_seconds is no number of seconds")
    if entry.get("tokens") and "{name}" not in entry["tokens"]:
        raise wrong(f"{where}: tokens does not say where {{name}} stands in it")
    for name in ("token", "tokens"):
        said = references.wrong(entry[name].replace("{name}", "name")) if entry.get(name) else ""
        if said:
            raise wrong(f"{where}: {name}: {said}")
    parts = urlsplit(entry["url"])
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise wrong(f"{where}: url is not the address of the API server, as in its kubeconfig")
    return Cluster(**{**entry, "url": entry["url"].rstrip("/"), "realms": tuple(realms)})


class Absent(Exception):
    """The API says that there is no such object."""


class Changed(Exception):
    """Somebody changed or replaced the object since it was read."""


class Api:
    """Requests to one cluster for one step."""

    def __init__(self, at: Cluster, *, allow_private: bool) -> None:
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
        accept: str = JSON,
    ) -> dict[str, Any]:
        """The object that was answered. Raises Absent, Changed, or a failure."""
        token = self.web.secret(self.at.token, called="token")
        said: dict[str, Any] = {} if body is None else {"json": dict(body)}
        answer = self.web.request(
            method,
            f"{self.at.url}{path}",
            right=right,
            key=key,
            explain=lambda refused: self._meaning(refused, right),
            headers={"Authorization": f"Bearer {token}", "Accept": accept},
            **said,
        )
        return self.web.document(answer)

    def listed(
        self, path: str, *, right: str, accept: str = JSON, **query: str
    ) -> Iterator[dict[str, Any]]:
        """All objects of a list, piece by piece."""
        more = "".join(f"&{name}={quote(value, safe='')}" for name, value in query.items())
        going_on = ""
        for _ in range(MOST_PAGES):
            piece = f"{path}?limit={LIMIT}{more}{going_on}"
            found = self.ask("GET", piece, right=right, accept=accept)
            items, metadata = found.get("items"), found.get("metadata")
            if not isinstance(items, list) or not isinstance(metadata, dict):
                raise self.unclear(path)
            yield from (one for one in items if isinstance(one, dict))
            mark = metadata.get("continue")
            if not mark:
                return
            going_on = f"&continue={quote(str(mark), safe='')}"
        raise self.unclear(path)

    def unclear(self, what: str) -> TemporaryFailure:
        return TemporaryFailure(
            f"{self.at.url} does not say clearly what is at {plain(what)}.", retry_after=pause()
        )

    def _meaning(self, answer: httpx.Response, right: str) -> Exception | None:
        """What the API means by the Status that it answers."""
        try:
            found = answers.document(answer)
        except Later:
            return None
        if found.get("kind") != "Status":
            return None
        reason, code = found.get("reason"), answer.status_code
        said = self.web.clean(str(found.get("message") or ""))
        because = f"{self.at.url} answered {code}{said and f' ({said})'}"
        # Of a path that the API does not have it says NotFound too, but of no object.
        if code == 404 and reason == "NotFound" and (found.get("details") or {}).get("name"):
            return Absent(said)
        if code == 409 and reason == "Conflict":
            return Changed(said)
        if code == 410:
            return TemporaryFailure(f"{because}.", retry_after=pause(1.0))
        if code == 401:
            return Refused(
                f"{because}: it does not accept Countersign's own token. Renew it where the"
                " enforcer's settings refer to.",
                right=right,
                who_must_act=WHO,
            )
        if code == 403:
            return Refused(
                f"{because}: allow Countersign's service account to {right}.",
                right=right,
                who_must_act=self.at.administrator,
            )
        return PermanentFailure(f"{because}.", who_must_act=WHO)


def metadata_of(one: Mapping[str, Any]) -> dict[str, Any]:
    found = one.get("metadata")
    return found if isinstance(found, dict) else {}


def parted(name: str, what: str) -> tuple[str, str]:
    """(namespace, name). Evidence says both: they go nowhere unlooked at."""
    namespace, _, own = name.partition("/")
    if NAMESPACE.fullmatch(namespace) is None or NAME.fullmatch(own) is None:
        raise PermanentFailure(
            f"{plain(name)} is no name that Kubernetes gives a {what}: end it there by hand.",
            who_must_act="whoever asked for it",
        )
    return namespace, own
