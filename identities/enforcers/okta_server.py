"""One Okta org: how it is asked, and what its answers mean.

Owns the names that may stand in addresses, the errors of Okta's APIs and lists in pages. Must not
know which step is made.

Sources: developer.okta.com, Okta API error codes; Rate limits (X-Rate-Limit-Reset); OAuth for Okta
(403 `insufficient_scope` in WWW-Authenticate, without a body).
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from evidence.sources import tokens
from evidence.sources.failures import Later

from .addresses import WHO
from .contract import PermanentFailure, TemporaryFailure, plain
from .okta_orgs import Access, Org, access
from .web import Refused, Web, pause

# Okta's ids begin with what they are ids of. `me` and `current` would be ourselves.
IDS = {
    "app": re.compile(r"0oa[A-Za-z0-9]{1,40}"),
    "agent": re.compile(r"wlp[A-Za-z0-9]{1,40}"),
    "api_token": re.compile(r"00T[A-Za-z0-9]{1,40}"),
    "refresh_token": re.compile(r"oar[A-Za-z0-9]{1,40}"),
    "secret": re.compile(r"ocs[A-Za-z0-9]{1,40}"),
    "user": re.compile(r"00u[A-Za-z0-9]{1,40}"),
    # Their owners name keys (`kid`); they are only compared.
    "key": re.compile(r"\S{1,255}"),
}
NOT_FOUND, NOT_VALID, NOT_ALLOWED = "E0000007", "E0000001", "E0000006"
PAGE = 200
MOST_PAGES = 10
_SCOPE = re.compile(r'scope="([A-Za-z0-9. ]{1,300})"')


def is_id(kind: str, name: str) -> bool:
    return IDS[kind].fullmatch(name) is not None


def identifier(kind: str, name: str) -> str:
    """A name that may stand in an address. Raises PermanentFailure when it is none of Okta's."""
    if not is_id(kind, name):
        raise PermanentFailure(
            f"{plain(name)[:100]} is no id that Okta gives {kind.replace('_', ' ')}s: it is not"
            " asked for.",
            who_must_act="whoever asked for it",
        )
    return name


class _Absent(Exception):
    """Okta says that there is no such thing."""


class _Stale(Exception):
    """Okta does not take our access token."""


class Server:
    """One org, for one step."""

    def __init__(self, org: Org, allow_private: bool) -> None:
        self.org, self._allow_private = org, allow_private
        self.web = Web(
            allow_private=allow_private, who_must_act=org.administrator, ca_file=org.ca_file
        )

    def access(self, *, anew: bool = False) -> Access:
        return access(self.web, self.org, allow_private=self._allow_private, anew=anew)

    def ask(
        self, method: str, path: str, *, scope: str, key: str = "", **options: Any
    ) -> httpx.Response | None:
        """The answer; None where Okta itself says that there is no such thing."""
        for anew in (False, True):
            said = {
                "Accept": "application/json",
                "Authorization": f"Bearer {self.access(anew=anew).text}",
            }
            try:
                return self.web.request(
                    method,
                    path if path.startswith(self.org.url) else self.org.url + path,
                    right=scope,
                    key=key,
                    explain=partial(self._meaning, scope=scope, anew=anew),
                    headers=said,
                    **options,
                )
            except _Absent:
                return None
            except _Stale:
                continue  # it was kept, and has been revoked or changed since
        raise AssertionError  # the second time a refusal is one

    def change(self, method: str, path: str, *, scope: str, key: str, **options: Any) -> str:
        """Ask for a change; Okta's own name of the request. What is gone is success."""
        answer = self.ask(method, path, scope=scope, key=key, **options)
        return "" if answer is None else plain(answer.headers.get("X-Okta-Request-Id", ""))

    def read(self, path: str, *, scope: str) -> dict[str, Any] | None:
        """One object; None where there is none."""
        answer = self.ask("GET", path, scope=scope)
        return None if answer is None else self.web.document(answer)

    def listed(self, path: str, *, scope: str) -> list[dict[str, Any]]:
        """All objects of a list, page by page; of what does not exist, none."""
        found: list[dict[str, Any]] = []
        following = path
        for _ in range(MOST_PAGES):
            answer = self.ask("GET", following, scope=scope)
            if answer is None:
                return found
            try:
                rows = tokens.parsed(answer)
            except Later:
                rows = None
            if type(rows) is not list or not all(type(row) is dict for row in rows):
                raise TemporaryFailure(
                    f"{self.org.url}{urlsplit(following).path} answered with what is no list.",
                    retry_after=pause(),
                )
            found += rows
            following = answer.links.get("next", {}).get("url", "")
            if not following:
                return found
            if not following.startswith(f"{self.org.url}/"):
                raise PermanentFailure(
                    f"A list of {self.org.url} goes on at another address: write the org's address"
                    " in the settings as Okta itself writes it.",
                    who_must_act=WHO,
                )
        raise PermanentFailure(
            f"{self.org.url}{urlsplit(path).path} lists more than {MOST_PAGES * PAGE} things: look"
            " at them there.",
            who_must_act=self.org.administrator,
        )

    def _meaning(self, answer: httpx.Response, *, scope: str, anew: bool) -> Exception | None:
        """What Okta means by a refusal; None where its status says it."""
        if answer.status_code == 401:
            return None if anew else _Stale()
        lacks = answer.headers.get("WWW-Authenticate", "")
        if "insufficient_scope" in lacks:
            named = _SCOPE.search(lacks)
            needed = named[1] if named else scope
            return Refused(
                f"Countersign's app {self.org.client_id} lacks the scope {needed}: grant it at"
                f" {self.org.url}.",
                right=needed,
                who_must_act=self.org.administrator,
            )
        code, why = self.error(answer)
        if answer.status_code == 404 and code == NOT_FOUND:
            return _Absent()
        if code == NOT_ALLOWED:
            return Refused(
                f"{self.org.url} answered 403 ({why}): give Countersign's app"
                f" {self.org.client_id} an administrator role that covers this ({scope}).",
                right=scope,
                who_must_act=self.org.administrator,
            )
        if code:
            return PermanentFailure(
                f"{self.org.url} refuses it: {why}", who_must_act=self.org.administrator
            )
        return None

    def error(self, answer: httpx.Response) -> tuple[str, str]:
        """Okta's code and words, its causes last; empty where the answer is none of Okta's API."""
        found = tokens.document(answer)
        code, causes = found.get("errorCode"), found.get("errorCauses")
        told = [found, *(causes if type(causes) is list else ())]
        words = [one.get("errorSummary") for one in told if type(one) is dict]
        said = " ".join(one for one in words if type(one) is str)
        return (code if type(code) is str else ""), self.web.clean(said)


def in_address(name: str) -> str:
    """A login as part of an address."""
    return quote(name, safe="")
