"""A GitHub organisation on loopback, as far as the enforcer speaks to it: it keeps what is done to it.

Owns paths, statuses, bodies and headers as docs.github.com documents them for REST (Apps, personal
access tokens and SAML authorizations of an organisation, deploy keys, memberships, rate limits).
Statements of Apps are verified with each App's public key. What may not be seen is answered 404.
"""

import re
import secrets
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from tests.evidence.sources.server import Answer, Request, There, serving

OWNER, OURS, NUMBER = "acme", "Iv1.countersign", "77"
METHODS = ("GET", "POST", "PUT", "DELETE")
# Countersign's App and another that is the organisation's own, by their client ids.
APPS = {OURS: "countersign", "Iv1.deployer": "deployer"}
WRITE = {
    "organization_personal_access_tokens": "write",
    "organization_administration": "write",
    "administration": "write",
    "members": "write",
}

type Do = Callable[..., Answer]


@dataclass
class Organisation:
    """What is in it. `lies`: changes are answered as done, and not done."""

    there: There
    filters: bool = True  # older servers list everything, whatever is asked for
    installed: dict[str, dict[str, Any]] = field(default_factory=dict)  # by slug
    tokens: list[dict[str, Any]] = field(default_factory=list)
    authorizations: list[dict[str, Any]] = field(default_factory=list)
    keys: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by repository
    members: dict[str, dict[str, Any]] = field(default_factory=dict)
    permissions: dict[str, str] = field(default_factory=lambda: dict(WRITE))
    issued: set[str] = field(default_factory=set)
    lies: bool = False
    faults: dict[str, list[Answer]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.there.url

    def fail(self, path: str, *answers: Answer) -> None:
        """The next requests at this path meet these, one each."""
        self.faults.setdefault(path, []).extend(answers)

    def changes(self) -> list[tuple[str, str]]:
        """What it was asked to change, without the asking for access tokens."""
        return [
            (one.method, one.path)
            for one in self.there.asked
            if one.method != "GET" and not one.path.endswith("/access_tokens")
        ]

    def install(self, slug: str, number: int) -> None:
        self.installed[slug] = {
            "id": number,
            "app_slug": slug,
            "account": {"login": OWNER},
            "suspended_at": None,
            "suspended_by": None,
        }

    def token(self, number: int, token_id: int) -> None:
        grant = {"id": number, "token_id": token_id, "token_name": "reports"}
        self.tokens.append(grant | {"owner": {"login": "ana"}, "token_expired": False})

    def authorize(self, number: int, **more: Any) -> None:
        self.authorizations.append({"login": "ana", "credential_id": number, **more})

    def deploy_key(self, repository: str, number: int, body: bytes = b"body") -> None:
        text = f"ssh-ed25519 {b64encode(body).decode()}"
        one = {"id": number, "key": text, "title": "deploys", "read_only": False}
        self.keys.setdefault(repository, []).append(one)

    def join(self, login: str) -> None:
        self.members[login.lower()] = {
            "state": "active",
            "role": "member",
            "user": {"login": login},
            "organization": {"login": OWNER},
        }

    # The door

    def answer(self, asked: Request) -> Answer:
        waiting = self.faults.get(asked.path)
        if waiting:
            return waiting.pop(0)
        done = self._asked(asked)
        reset = str(int(time.time()) + 3600)
        limits = {
            "X-GitHub-Request-Id": f"AAAA:{len(self.there.asked):04X}",
            "X-RateLimit-Limit": "5000",
            "X-RateLimit-Remaining": "4999",
            "X-RateLimit-Reset": reset,
        }
        return Answer(done.status, done.body, {**limits, **done.headers})

    def _asked(self, asked: Request) -> Answer:
        scheme, _, text = asked.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not asked.headers.get("x-github-api-version"):
            return error(401, "Requires authentication")
        one = "([^/]+)"
        for path, do in (
            (rf"/app/installations/{one}/access_tokens", self._access),
            (rf"/app/installations/{one}(/suspended)?", self._installation),
            (rf"/orgs/{one}/installation", self._own),
        ):
            found = re.fullmatch(path, asked.path)
            if found is not None:
                slug = self._app(text)
                if not slug:
                    return error(401, "A JSON web token could not be decoded")
                return do(asked, slug, *found.groups())
        if text not in self.issued:
            return error(401, "Bad credentials")
        for path, needed, do_ in self._routes():
            found = re.fullmatch(path, asked.path)
            if found is None:
                continue
            level = self.permissions.get(needed, "")
            if not level:
                return error(403, "Resource not accessible by integration")
            if asked.method != "GET" and level != "write":
                return error(403, "Resource not accessible by integration")
            return do_(asked, *found.groups())
        return error(404, "Not Found")

    def _routes(self) -> list[tuple[str, str, Do]]:
        org, one = f"/orgs/{OWNER}", "([^/]+)"
        tokens, people = "organization_personal_access_tokens", "organization_administration"
        return [
            (f"{org}/personal-access-tokens", tokens, self._tokens),
            (f"{org}/personal-access-tokens/{one}", tokens, self._token),
            (f"{org}/credential-authorizations", people, self._authorizations),
            (f"{org}/credential-authorizations/{one}", people, self._authorization),
            (f"/repos/({one[1:-1]}/{one[1:-1]})/keys", "administration", self._keys),
            (f"/repos/({one[1:-1]}/{one[1:-1]})/keys/{one}", "administration", self._key),
            (f"{org}/memberships/{one}", "members", self._member),
        ]

    def _app(self, statement: str) -> str:
        """The App that signed this, if it holds now and for ten minutes at most."""
        for client, slug in APPS.items():
            try:
                said = jwt.decode(statement, RSAKey.import_key(pem(slug)), algorithms=["RS256"])
            except (JoseError, ValueError):
                continue
            claims, now = said.claims, time.time()
            fits = claims["iat"] <= now and now < claims["exp"] <= now + 600
            return slug if fits and claims.get("iss") == client else ""
        return ""

    def _access(self, _: Request, slug: str, number: str) -> Answer:
        if (slug, number) != (APPS[OURS], NUMBER):
            return error(404, "Not Found")
        text = f"ghs_{secrets.token_hex(18)}"
        self.issued.add(text)
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        said = {"token": text, "expires_at": ends, "permissions": self.permissions}
        return Answer(201, said | {"repository_selection": "all"})

    def _own(self, _: Request, slug: str, owner: str) -> Answer:
        found = self.installed.get(slug) if owner == OWNER else None
        return Answer(200, found) if found else error(404, "Not Found")

    def _installation(self, asked: Request, slug: str, number: str, suspended: str) -> Answer:
        found = self.installed.get(slug)
        if found is None or str(found["id"]) != number:
            return error(404, "Not Found")
        if self.lies:
            return Answer(204)
        if not suspended:
            del self.installed[slug]
        else:
            at = "2026-11-27T04:00:00Z" if asked.method == "PUT" else None
            found["suspended_at"] = at
        return Answer(204)

    # Lists, two a page, so that whoever reads one page alone is found out

    def _page(self, asked: Request, rows: list[dict[str, Any]]) -> Answer:
        page = int(asked.query.get("page", 1))
        more = {"Link": f'<{self.url}{asked.path}?per_page=100&page={page + 1}>; rel="next"'}
        return Answer(200, rows[page * 2 - 2 : page * 2], more if rows[page * 2 :] else {})

    def _end(self, rows: list[dict[str, Any]], number: str, name: str = "id") -> Answer:
        those = [one for one in rows if str(one[name]) == number]
        if not those:
            return error(404, "Not Found")
        if not self.lies:
            rows.remove(those[0])
        return Answer(204)

    def _tokens(self, asked: Request) -> Answer:
        wanted = asked.query.get("token_id[]")
        rows = [one for one in self.tokens if wanted in (None, str(one["token_id"]))]
        return self._page(asked, rows if self.filters else self.tokens)

    def _token(self, asked: Request, number: str) -> Answer:
        if asked.method != "POST" or asked.json() != {"action": "revoke"}:
            return error(422, "Validation Failed")
        return self._end(self.tokens, number)

    def _authorizations(self, asked: Request) -> Answer:
        return self._page(asked, self.authorizations)

    def _authorization(self, _: Request, number: str) -> Answer:
        return self._end(self.authorizations, number, "credential_id")

    def _keys(self, asked: Request, repository: str) -> Answer:
        if repository not in self.keys:
            return error(404, "Not Found")
        return self._page(asked, self.keys[repository])

    def _key(self, _: Request, repository: str, number: str) -> Answer:
        return self._end(self.keys.get(repository, []), number)

    def _member(self, asked: Request, login: str) -> Answer:
        found = self.members.get(login.lower())
        if found is None:
            return error(404, "Not Found")
        if asked.method == "GET":
            return Answer(200, found)
        if not self.lies:
            del self.members[login.lower()]
        return Answer(204)


def error(status: int, message: str) -> Answer:
    """A refusal as GitHub's REST API states one."""
    where = "https://docs.github.com/rest"
    return Answer(status, {"message": message, "documentation_url": where, "status": str(status)})


def limited(status: int) -> Answer:
    """The primary limit is used up: 403 or 429, and the moment from which there is more."""
    found = error(status, "API rate limit exceeded for installation ID 77.")
    reset = str(int(time.time()) + 40)
    return Answer(status, found.body, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset})


@cache
def pem(_: str) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@pytest.fixture
def github_lab() -> Iterator[Organisation]:
    """An organisation of its own for each test."""
    with serving() as there:
        org = Organisation(there)
        for method in METHODS:
            there.on(method, "/*", org.answer)
        yield org
