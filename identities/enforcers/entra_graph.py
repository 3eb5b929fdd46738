"""One Entra tenant at Microsoft Graph v1.0: its settings, its sign-in, one request.

Owns the settings under `entra` (configured.py), the application's token, and what Graph's refusals
mean for a change. Must not know which step a request is made for.

Sources: learn.microsoft.com, Microsoft Graph: "Microsoft Graph error responses and resource types",
"Microsoft Graph throttling guidance"; Microsoft Entra: "OAuth 2.0 client credentials flow".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from django.utils import timezone

from evidence.sources import graph, tokens
from evidence.sources import secrets as references
from evidence.sources.contract import Asked, Http
from evidence.sources.failures import Later, Stopped

from .addresses import WHO
from .configured import Entry, wrong
from .contract import PermanentFailure, TemporaryFailure, plain
from .web import Refused, Web, pause

GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
MOST_PAGES = 20
# The object is being changed by somebody else, or its replica is behind.
BUSY = frozenset({409, 412, 423})


class Absent(Exception):
    """The directory has nothing of this name."""


class _Stale(Exception):
    """Graph takes the kept token no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One tenant and the application that acts there. `secret`, `assertion`: references."""

    tenant: str
    client_id: str
    secret: str = ""
    assertion: str = ""
    url: str = "https://graph.microsoft.com"
    login: str = "https://login.microsoftonline.com"
    ca_file: str = ""
    # How long access tokens live at most, where a policy of the tenant says so.
    access_token_seconds: int | None = None
    # Whether what principals are allowed is narrowed from here, which takes a global
    # administrator's rights.
    entitlements: bool = False

    @property
    def administrator(self) -> str:
        return f"an administrator of the Entra tenant {self.tenant}"


_TEXTS = frozenset(Tenant.__dataclass_fields__) - {"access_token_seconds", "entitlements"}


def tenant(entry: Entry) -> Tenant:
    """The tenant an entry of the settings describes. Raises PermanentFailure with what is wrong."""
    where = f"entra, {entry.get('tenant', 'an entry without tenant')}"
    unknown = sorted(str(one) for one in set(entry) - set(Tenant.__dataclass_fields__))
    if unknown:
        raise wrong(f"{where}: there is no {unknown[0]}")
    for name in _TEXTS & set(entry):
        if not isinstance(entry[name], str):
            raise wrong(f"{where}: {name} is no text")
    for name in ("tenant", "client_id"):
        if GUID.fullmatch(entry.get(name, "")) is None:
            raise wrong(f"{where}: {name} is no id")
    life = entry.get("access_token_seconds")
    if life is not None and (type(life) is not int or life <= 0):
        raise wrong(f"{where}: access_token_seconds is no number of seconds")
    if type(entry.get("entitlements", False)) is not bool:
        raise wrong(f"{where}: entitlements is neither true nor false")
    made = Tenant(**{**entry, "tenant": entry["tenant"].lower()})
    if bool(made.secret) == bool(made.assertion):
        raise wrong(f"{where}: either secret or assertion is needed")
    said = references.wrong(made.secret or made.assertion)
    if said:
        raise wrong(f"{where}: {'secret' if made.secret else 'assertion'}: {said}")
    for name in ("url", "login"):
        if urlsplit(getattr(made, name)).scheme not in ("http", "https"):
            raise wrong(f"{where}: {name} is no address")
    return made


@lru_cache(maxsize=64)
def _bearer(tenant: Tenant, allow_private: bool) -> tokens.Bearer:
    """The application's token, kept while it holds: Microsoft asks for that."""
    now = timezone.now()
    http = Http(allow_private=allow_private, clock=timezone.now, ca_file=tenant.ca_file)
    settings = {
        name: getattr(tenant, name)
        for name in ("tenant", "client_id", "secret", "assertion", "url", "login")
    }
    return graph.bearer_of(Asked(settings, {}, now, now, http, by_operator=True))


class Graph:
    """Requests to one tenant's directory."""

    def __init__(self, tenant: Tenant, *, allow_private: bool) -> None:
        self.tenant, self._allow_private = tenant, allow_private
        self.web = Web(
            allow_private=allow_private,
            who_must_act=tenant.administrator,
            ca_file=tenant.ca_file,
        )

    def read(self, path: str, *, right: str) -> dict[str, Any]:
        """One object. Raises Absent."""
        return self.web.document(self._ask("GET", path, right=right))

    def rows(self, path: str, *, right: str) -> Iterator[dict[str, Any]]:
        """A list, page by page; the link to the next one must stay at this address."""
        base = self.tenant.url.rstrip("/")
        for _ in range(MOST_PAGES):
            found = self.read(path, right=right)
            rows = found.get("value")
            if type(rows) is not list:
                raise TemporaryFailure(
                    f"{base} answered with what is no list.", retry_after=pause()
                )
            yield from (one for one in rows if type(one) is dict)
            link = found.get("@odata.nextLink")
            if type(link) is not str or not link.startswith(f"{base}/v1.0/"):
                return
            path = link.removeprefix(f"{base}/v1.0/")

    def change(self, method: str, path: str, *, right: str, key: str, **said: Any) -> str:
        """Make a change; Graph's own name of the request. Raises Absent."""
        body = {"json": said} if said else {}
        answer = self._ask(method, path, right=right, key=key, **body)
        return plain(answer.headers.get("request-id", ""))

    def _ask(
        self, method: str, path: str, *, right: str, key: str = "", **options: Any
    ) -> httpx.Response:
        url = f"{self.tenant.url.rstrip('/')}/v1.0/{path}"
        try:
            return self.web.request(
                method, url, right=right, key=key, headers=self._signed_in(),
                explain=lambda answer: self._meaning(answer, right, kept=True), **options,
            )  # fmt: skip
        except _Stale:
            _bearer.cache_clear()
        return self.web.request(
            method, url, right=right, key=key, headers=self._signed_in(),
            explain=lambda answer: self._meaning(answer, right, kept=False), **options,
        )  # fmt: skip

    def _signed_in(self) -> dict[str, str]:
        try:
            return _bearer(self.tenant, self._allow_private).header()
        except Later as problem:
            raise TemporaryFailure(
                f"{problem.what}. {problem.fix}", retry_after=pause(problem.seconds)
            ) from None
        except Stopped as problem:
            raise PermanentFailure(f"{problem.what} {problem.fix}", who_must_act=WHO) from None

    def _meaning(self, answer: httpx.Response, right: str, *, kept: bool) -> Exception | None:
        """What Graph means; its errors are objects, told apart by their code."""
        status = answer.status_code
        if status == 401 and kept:
            return _Stale()
        try:
            error = tokens.document(answer).get("error")
        except Later:
            error = None
        about = error if type(error) is dict else {}
        code = plain(str(about.get("code", "")))[:100]
        # Cleaned before it is cut: half a secret is recognised by nobody.
        said = self.web.clean(str(about.get("message", "")))[:300]
        if status == 404 and "NotFound" in code:
            # Another 404 is a proxy's or a wrong address's, and proves nothing.
            return Absent()
        if status in BUSY:
            return TemporaryFailure(f"Graph answered {status} ({code}).", retry_after=pause())
        if status == 403:
            return Refused(
                f"Graph answered 403 ({code}: {said}): give Countersign's application {right} with"
                " the administrator's consent; for administrators and what they own it also needs"
                " a directory role that stands above theirs.",
                right=right,
                who_must_act=self.tenant.administrator,
            )
        if status == 400 and "on-premises" in said:
            return PermanentFailure(
                f"Graph answered 400 ({said}): disable it in the directory that it is synchronised"
                " from.",
                who_must_act="an administrator of the directory on the premises",
            )
        if status == 400:
            return PermanentFailure(
                f"Graph refuses the change ({code}: {said}).",
                who_must_act=self.tenant.administrator,
            )
        return None


def encoded(name: str) -> str:
    return quote(name, safe="")
