"""GitHub organisations: what an installation says of each, how they are asked, and by whom.

Owns the settings under `github` (configured.py), the statements and tokens of GitHub Apps, lists in
pages, and what GitHub's refusals mean. Must not know which step is made.

Sources: docs.github.com, REST: Authenticating as a GitHub App; Authenticating as a GitHub App
installation; Rate limits; Using pagination. A missing right on what is private is answered 404.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx

from evidence.sources import secrets as references
from evidence.sources import tokens
from evidence.sources.failures import Later, Stopped
from evidence.sources.github import VERSION

from .addresses import WHO
from .configured import Entry, wrong
from .contract import PermanentFailure, TemporaryFailure, plain
from .web import Web, pause

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98}[A-Za-z0-9_])?")
SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,98}")
NUMBER = re.compile(r"[0-9]{1,20}")
API = "https://api.github.com"
PAGE = 100
MOST_PAGES = 50
# As GitHub advises for clocks that differ: a minute back; at most ten minutes ahead.
BACK, AHEAD = 60, 540


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A GitHub App whose private key is at hand; `key` is a reference."""

    client_id: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """One organisation, Countersign's own App in it, and the Apps that it may stop there."""

    owner: str
    client_id: str
    installation: str
    key: str
    url: str = API
    realms: tuple[str, ...] = ()
    apps: Mapping[str, Signer] = field(default_factory=dict, hash=False)
    ca_file: str = ""

    @property
    def account(self) -> str:
        return f"{self.url}/orgs/{self.owner}"

    @property
    def administrator(self) -> str:
        return f"an owner of the GitHub organisation {self.owner}"


_TEXTS = ("owner", "client_id", "installation", "key", "url", "ca_file")
_NEEDED = ("owner", "client_id", "installation", "key")


def organisation(entry: Entry) -> Organisation:
    """The organisation an entry describes. Raises PermanentFailure with what is wrong."""
    where = f"github, {entry.get('owner', 'an entry without owner')}"
    unknown = sorted(str(one) for one in set(entry) - set(Organisation.__dataclass_fields__))
    if unknown:
        raise wrong(f"{where}: there is no {unknown[0]}")
    said = {name: value for name, value in entry.items() if name in _TEXTS}
    if type(said.get("installation")) is int:
        said["installation"] = str(said["installation"])
    for name, value in said.items():
        if not isinstance(value, str):
            raise wrong(f"{where}: {name} is no text")
    for name in _NEEDED:
        if not said.get(name):
            raise wrong(f"{where}: {name} is missing")
    if NAME.fullmatch(said["owner"]) is None:
        raise wrong(f"{where}: owner is no name of GitHub's, as in addresses")
    if NUMBER.fullmatch(said["installation"]) is None:
        raise wrong(f"{where}: installation is not the number at the end of its address")
    _check(where, "key", said["key"])
    parts = urlsplit(said.get("url", API))
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise wrong(f"{where}: url is no address")
    said["url"] = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    realms = entry.get("realms", [f"github:{said['owner'].lower()}"])
    if not isinstance(realms, list) or not all(
        isinstance(one, str) and one.startswith("github:") for one in realms
    ):
        raise wrong(f"{where}: realms is no list of realms, as github:example")
    apps = _apps(where, entry.get("apps", {}), own=said["client_id"])
    return Organisation(**said, realms=tuple(realms), apps=apps)


def _apps(where: str, given: Any, *, own: str) -> dict[str, Signer]:
    if not isinstance(given, dict):
        raise wrong(f"{where}: apps does not say which Apps, by their slug")
    found = {}
    for slug, one in given.items():
        if not isinstance(slug, str) or SLUG.fullmatch(slug) is None:
            raise wrong(f"{where}: apps: {slug!r} is no slug of an App")
        if not isinstance(one, dict) or set(one) != {"client_id", "key"}:
            raise wrong(f"{where}: apps, {slug}: say client_id and key")
        if not all(isinstance(value, str) and value for value in one.values()):
            raise wrong(f"{where}: apps, {slug}: client_id or key is no text")
        if one["client_id"] == own:
            raise wrong(f"{where}: apps, {slug} is Countersign's own App, which stops nothing then")
        _check(f"{where}: apps, {slug}", "key", one["key"])
        found[slug.lower()] = Signer(**one)
    return found


def _check(where: str, name: str, reference: str) -> None:
    said = references.wrong(reference)
    if said:
        raise wrong(f"{where}: {name}: {said}")


class Gone(Exception):
    """GitHub shows no such thing: there is none, or we may not see it."""


class Server:
    """One organisation, for one step."""

    def __init__(self, org: Organisation, allow_private: bool) -> None:
        self.org = org
        self.web = Web(
            allow_private=allow_private, who_must_act=org.administrator, ca_file=org.ca_file
        )
        self._token, self.permissions = "", dict[str, str]()

    def sign_in(self) -> None:
        """Get a token of Countersign's own installation, and what it may do."""
        if self._token:
            return
        org = self.org
        path = f"/app/installations/{org.installation}/access_tokens"
        try:
            answer = self.ask(
                "POST",
                path,
                right="act as its installation",
                signer=Signer(client_id=org.client_id, key=org.key),
            )
        except Gone:
            raise PermanentFailure(
                f"GitHub knows no installation {org.installation} of Countersign's App: take the"
                " number at the end of its address.",
                who_must_act=WHO,
            ) from None
        found = self.web.document(answer)
        token, may = found.get("token"), found.get("permissions")
        if type(token) is not str or not token.isascii() or not token.isprintable():
            raise TemporaryFailure(f"{org.url} answers without a token.", retry_after=pause())
        self._token = self.web.discreet(token)
        self.permissions = {
            str(name): str(level) for name, level in (may if type(may) is dict else {}).items()
        }

    def ask(
        self,
        method: str,
        path: str,
        *,
        right: str,
        key: str = "",
        signer: Signer | None = None,
        **options: Any,
    ) -> httpx.Response:
        """The answer to Countersign's installation, or to an App itself. Raises Gone on 404."""
        if signer is None:
            self.sign_in()
        said = self._token if signer is None else self._statement(signer)
        return self.web.request(
            method,
            path if path.startswith(f"{self.org.url}/") else self.org.url + path,
            right=right,
            key=key,
            explain=_absent,
            headers={**VERSION, "Authorization": f"Bearer {said}"},
            **options,
        )

    def change(self, method: str, path: str, *, right: str, key: str, **options: Any) -> str:
        """Ask for a change; GitHub's own name of the request. What is gone is success."""
        try:
            answer = self.ask(method, path, right=right, key=key, **options)
        except Gone:
            return ""
        return plain(answer.headers.get("X-GitHub-Request-Id", ""))

    def listed(self, path: str, *, right: str, **where: str) -> list[dict[str, Any]]:
        """All objects of a list, page by page. One that is not shown proves nothing. `where`: what
        it is asked to leave out, which older servers do not do."""
        found: list[dict[str, Any]] = []
        following = f"{path}?{urlencode({**where, 'per_page': PAGE})}"
        for _ in range(MOST_PAGES):
            try:
                answer = self.ask("GET", following, right=right)
            except Gone:
                raise PermanentFailure(
                    f"GitHub shows Countersign's App no {path}: it is gone, or the App lacks the"
                    f" permission {right} there.",
                    who_must_act=self.org.administrator,
                ) from None
            found += _rows(answer, path)
            following = answer.links.get("next", {}).get("url", "")
            if not following:
                return found
            if not following.startswith(f"{self.org.url}/"):
                raise PermanentFailure(
                    f"The list {path} goes on at another address than {self.org.url}: check url.",
                    who_must_act=WHO,
                )
        raise PermanentFailure(
            f"GitHub lists more than {MOST_PAGES * PAGE} at {path}: look at them there.",
            who_must_act=self.org.administrator,
        )

    def _statement(self, signer: Signer) -> str:
        now = int(self.web.now().timestamp())
        claims = {"iat": now - BACK, "exp": now + AHEAD, "iss": signer.client_id}
        key = self.web.secret(signer.key, called="key")
        try:
            return self.web.discreet(tokens.signed(claims, key=key, called="key"))
        except Stopped as problem:
            raise PermanentFailure(f"{problem.what} {problem.fix}", who_must_act=WHO) from None


def _absent(answer: httpx.Response) -> Exception | None:
    return Gone() if answer.status_code == 404 else None


def _rows(answer: httpx.Response, path: str) -> list[dict[str, Any]]:
    try:
        rows = tokens.parsed(answer)
    except Later:
        rows = None
    if type(rows) is not list or not all(type(row) is dict for row in rows):
        raise TemporaryFailure(f"GitHub answered {path} with what is no list.", retry_after=pause())
    return rows
