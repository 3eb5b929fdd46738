"""SCIM 2.0 service providers: what an installation says of each, how they are asked and answer.

Owns the settings under `scim` (configured.py), filters, lists in pages, versions, and what SCIM's
errors mean. Must not know which step is made.

Sources: RFC 7643 (schema; 3.1, common attributes; 5, service provider configuration), RFC 7644
(protocol; 3.4.2.2, filtering; 3.4.2.4, pagination; 3.5.1, replacing; 3.5.2, modifying; 3.12,
errors; 3.14, versions).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from evidence.sources import secrets as references
from evidence.sources import tokens
from evidence.sources.failures import Later

from .addresses import WHO
from .configured import Entry, wrong
from .contract import PermanentFailure, TemporaryFailure, plain
from .web import Web, pause

JSON = "application/scim+json"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
PAGE, MOST_PAGES = 100, 50
# What a user may be known by. The id alone is never given to another (RFC 7643, 3.1).
ATTRIBUTES = ("id", "userName", "externalId", "emails.value")

type Resource = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One service provider. `principals`: by the kind of name that evidence has, the attribute it
    is. `token` is a reference."""

    url: str
    token: str
    realms: tuple[str, ...]
    principals: Mapping[str, str] = field(hash=False)
    revoke: str = "deactivate"  # or delete
    # How long what people and apps opened there lives at most; None: nobody knows.
    session_seconds: int | None = None
    ca_file: str = ""

    @property
    def administrator(self) -> str:
        return f"the administrator of {self.url}"


_TEXTS = ("url", "token", "revoke", "ca_file")


def provider(entry: Entry) -> Provider:
    """The provider an entry describes. Raises PermanentFailure with what is wrong."""
    where = f"scim, {entry.get('url', 'an entry without url')}"
    unknown = sorted(str(one) for one in set(entry) - set(Provider.__dataclass_fields__))
    if unknown:
        raise wrong(f"{where}: there is no {unknown[0]}")
    said: dict[str, Any] = dict(entry)
    for name in _TEXTS:
        if not isinstance(said.get(name, ""), str):
            raise wrong(f"{where}: {name} is no text")
    parts = urlsplit(said.get("url", ""))
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise wrong(f"{where}: url is no address")
    said["url"] = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    if problem := references.wrong(said.get("token", "")):
        raise wrong(f"{where}: token: {problem}")
    realms = said.get("realms")
    if not isinstance(realms, list) or not realms or not all(isinstance(r, str) for r in realms):
        raise wrong(f"{where}: realms is no list of the realms whose users it has")
    said["realms"] = tuple(realms)
    kinds = said.get("principals")
    if not isinstance(kinds, dict) or not kinds or not set(kinds.values()) <= set(ATTRIBUTES):
        raise wrong(f"{where}: principals does not say which kinds are {', '.join(ATTRIBUTES)}")
    if said.get("revoke", "deactivate") not in ("deactivate", "delete"):
        raise wrong(f"{where}: revoke is neither deactivate nor delete")
    if said.get("revoke") == "delete" and set(kinds.values()) != {"id"}:
        raise wrong(
            f"{where}: revoke: delete needs principals by id: a name that is not found may have been"
            " changed, so that nothing shows that its user is gone"
        )
    seconds = said.get("session_seconds")
    if seconds is not None and (type(seconds) is not int or seconds < 0):
        raise wrong(f"{where}: session_seconds is no number of seconds")
    return Provider(**said)


class Gone(Exception):
    """The provider itself says that there is no such resource."""


class Changed(TemporaryFailure):
    """Somebody else changed it meanwhile: it is read anew, and nothing is overwritten."""


class Server:
    """One provider, for one step."""

    def __init__(self, of: Provider, allow_private: bool) -> None:
        self.of = of
        self.web = Web(
            allow_private=allow_private, who_must_act=of.administrator, ca_file=of.ca_file
        )
        self._features: Resource | None = None

    def supports(self, feature: str) -> bool | None:
        """What the provider says it can (RFC 7643, 5); None where it does not say."""
        if self._features is None:
            try:
                self._features = self.read("/ServiceProviderConfig", right="read its configuration")
            except (Gone, _NoScim):
                self._features = {}
        found = self._features.get(feature)
        said = found.get("supported") if type(found) is dict else None
        return said if type(said) is bool else None

    def read(self, path: str, *, right: str) -> Resource:
        """One resource, with its version. Raises Gone."""
        answer = self._ask("GET", path, right=right)
        found = self.web.document(answer)
        if answer.headers.get("ETag"):
            meta = found.get("meta")
            found["meta"] = {
                **(meta if type(meta) is dict else {}),
                "version": answer.headers["ETag"],
            }
        return found

    def change(
        self, method: str, path: str, *, right: str, key: str, of: Resource, body: Any = None
    ) -> str:
        """Ask for a change of what was read, and of nothing newer; the provider's own name of the
        request. Raises Gone, Changed."""
        headers, meta = {}, of.get("meta")
        version = meta.get("version") if type(meta) is dict else None
        if isinstance(version, str) and version.isascii() and version.isprintable():
            headers["If-Match"] = version
        said = {} if body is None else {"content": json.dumps(body).encode()}
        answer = self._ask(method, path, right=right, key=key, headers=headers, **said)
        return plain(answer.headers.get("X-Request-Id", ""))

    def found(self, attribute: str, value: str, *, right: str) -> list[Resource]:
        """All users whose attribute is this one: what the filter finds, looked at again here,
        because there are providers that answer a filter with everybody."""
        wanted = f"{attribute} eq {quoted(value)}"
        rows = self.listed("/Users", wanted, right=right)
        return [row for row in rows if _is(row, attribute, value)]

    def listed(self, path: str, wanted: str, *, right: str) -> list[Resource]:
        """All resources that a filter finds, page by page."""
        found: list[Resource] = []
        for _ in range(MOST_PAGES):
            asked = {"filter": wanted, "startIndex": str(len(found) + 1), "count": str(PAGE)}
            try:
                answer = self._ask("GET", path, right=right, params=asked)
            except Gone:
                raise self._elsewhere(path) from None
            said = self.web.document(answer)
            rows, total = said.get("Resources", []), said.get("totalResults")
            good = type(rows) is list and all(type(row) is dict for row in rows)
            if not good or type(total) is not int or (not rows and len(found) < total):
                raise TemporaryFailure(
                    f"{self.of.url} answered {path} with what is no list.", retry_after=pause()
                )
            found += rows
            if len(found) >= total:
                return found
        raise PermanentFailure(
            f"{self.of.url} finds more than {len(found)} at {path} where one is looked for: its"
            " filter does not narrow.",
            who_must_act=self.of.administrator,
        )

    def _ask(
        self, method: str, path: str, *, right: str, key: str = "", **options: Any
    ) -> httpx.Response:
        token = self.web.secret(self.of.token, called="token")
        headers = {
            "Accept": f"{JSON}, application/json",
            "Authorization": f"Bearer {token}",
            **options.pop("headers", {}),
        }
        if "content" in options:
            headers["Content-Type"] = JSON
        return self.web.request(
            method,
            self.of.url + path,
            right=right,
            key=key,
            headers=headers,
            explain=lambda answer: self._meaning(answer, path),
            **options,
        )

    def _meaning(self, answer: httpx.Response, path: str) -> Exception | None:
        """What the provider means by a refusal (RFC 7644, 3.12)."""
        code, said = answer.status_code, _error(answer)
        if code == 404:
            return Gone() if said is not None else self._elsewhere(path)
        if code == 412:
            return Changed(f"{self.of.url}{path} was changed meanwhile.", retry_after=1.0)
        if said is None or code in (401, 403):
            return None
        kind = plain(str(said.get("scimType", "")))[:40]
        detail = self.web.clean(str(said.get("detail", "")))[:300]
        because = " ".join(filter(None, (kind, detail and f"({detail})")))
        return PermanentFailure(
            f"{self.of.url} answered {code} {because}".strip() + ".",
            who_must_act=self.of.administrator,
        )

    def _elsewhere(self, path: str) -> PermanentFailure:
        """No provider says so: a wrong address, or something before it."""
        return _NoScim(
            f"{self.of.url}{path} is not found, and no SCIM provider says so: check url.",
            who_must_act=WHO,
        )


class _NoScim(PermanentFailure):
    """What answers there is no SCIM provider."""


def quoted(value: str) -> str:
    """A value of a filter: written as in JSON (RFC 7644, 3.4.2.2), so that none ends it."""
    return json.dumps(value, ensure_ascii=False)


def of_user(resource: Resource) -> str:
    """The path of a user that was read. Raises TemporaryFailure where it has no id."""
    number = resource.get("id")
    if not isinstance(number, str) or not number or number in (".", ".."):
        raise TemporaryFailure(
            "The provider answers without the id of a user.", retry_after=pause()
        )
    return f"/Users/{quote(number, safe='')}"


def _is(row: Resource, attribute: str, value: str) -> bool:
    """`id` and `externalId` are case-exact; names and addresses are not (RFC 7643, 3.1, 4.1, 8.7)."""
    if attribute == "emails.value":
        mails = row.get("emails")
        known = [one.get("value") for one in mails if type(one) is dict] if mails else []
    else:
        known = [row.get(attribute)]
    if attribute in ("id", "externalId"):
        return value in known
    return any(isinstance(one, str) and one.casefold() == value.casefold() for one in known)


def _error(answer: httpx.Response) -> Resource | None:
    """The body of a SCIM error; None where it is none."""
    try:
        found = tokens.object_of(answer)
    except Later:
        return None
    return found if found is not None and ERROR in (found.get("schemas") or ()) else None
