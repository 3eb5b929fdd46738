"""One OAuth server: where it takes what, and what its answers mean.

Owns metadata (RFC 8414), the requests of RFC 7009 and RFC 7662, and the errors of RFC 6749. Must
not know which step they are made for.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from time import monotonic
from urllib.parse import urlsplit

import httpx

from evidence.sources import tokens as answers
from evidence.sources.failures import Later

from .addresses import WHO
from .contract import MissingRight, PermanentFailure, TemporaryFailure, plain
from .oauth_clients import Client, Kind, authenticated, contained, held
from .web import Refused, Web, pause

REVOKE = "revoke its tokens (RFC 7009)"
INTROSPECT = "introspect its tokens (RFC 7662)"
# RFC 8414, section 3: between host and path; OpenID Connect Discovery: after the path.
WELL_KNOWN = ("oauth-authorization-server", "openid-configuration")
FRESH_SECONDS = 600.0
# What a server says about us, and not about the token (RFC 6749, section 5.2).
NOT_OURS = frozenset({"unauthorized_client", "invalid_grant", "access_denied"})


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a server takes what, by its own word or the settings'."""

    revocation: str
    introspection: str
    audience: str


_known: dict[tuple[Client, bool], tuple[float, Endpoints]] = {}


class Server:
    """One client at its server, for one step."""

    def __init__(self, client: Client, allow_private: bool) -> None:
        self.client, self._allow_private = client, allow_private
        self.web = Web(
            allow_private=allow_private,
            who_must_act=client.administrator,
            ca_file=client.ca_file,
        )

    def revoke(self, token: str, kind: Kind, *, key: str) -> str:
        """Show the server what shall end. A token that it does not know is success (RFC 7009)."""
        where = self.endpoints().revocation
        if not where:
            raise PermanentFailure(
                f"{self.client.issuer} names no revocation endpoint (RFC 7009): revoke its tokens"
                " there by hand.",
                who_must_act=self.client.administrator,
            )
        answer = self._ask(where, token, kind, right=REVOKE, key=key)
        return plain(answer.headers.get("X-Request-Id", ""))

    def is_active(self, token: str, kind: Kind) -> bool:
        """What introspection says. An answer that does not say it is no answer."""
        where = self.endpoints().introspection
        found = self.web.document(self._ask(where, token, kind, right=INTROSPECT)).get("active")
        if type(found) is not bool:
            raise TemporaryFailure(
                f"{self.client.issuer} does not say whether the token is active.",
                retry_after=pause(),
            )
        return found

    def is_seen_dead(self, name: str) -> bool:
        """Whether a token that evidence names is held, and dead for everybody."""
        try:
            found = held(self.web, self.client, name)
        except PermanentFailure:
            return False
        if not self.endpoints().introspection or contained(found.access).itself:
            return False
        return not any(self.is_active(token, kind) for kind, token in found.each())

    def missing(self) -> list[MissingRight]:
        """Rights, tried on a token that nobody has: it cannot succeed in ending anything."""
        issuer, where = self.client.issuer, self.endpoints()
        nobodys = secrets.token_urlsafe(32)
        found = []
        for endpoint, right in ((where.revocation, REVOKE), (where.introspection, INTROSPECT)):
            if not endpoint:
                sentence = f"{issuer} names no endpoint to {right}: name it in the settings."
                found.append(MissingRight(right, issuer, plain(sentence)))
                continue
            try:
                self._ask(endpoint, nobodys, "access_token", right=right)
            except Refused as problem:
                found.append(MissingRight(problem.right, issuer, problem.reason))
        return found

    def _ask(
        self, endpoint: str, token: str, kind: Kind, *, right: str, key: str = ""
    ) -> httpx.Response:
        form = {"token": token, "token_type_hint": kind}
        said = authenticated(self.web, self.client, form, audience=self.endpoints().audience)
        said["headers"] = {"Accept": "application/json", **said.get("headers", {})}
        return self.web.request(
            "POST",
            endpoint,
            right=right,
            key=key,
            explain=lambda answer: self._meaning(answer, right),
            **said,
        )

    def _meaning(self, answer: httpx.Response, right: str) -> Exception | None:
        """What the server means by the errors of RFC 6749 (5.2) and RFC 7009 (2.2.1)."""
        try:
            error = answers.document(answer).get("error")
        except Later:
            return None
        issuer, name = self.client.issuer, self.client.client_id
        if error == "unsupported_token_type":
            return PermanentFailure(
                f"{issuer} does not revoke tokens of this type: shorten their life there.",
                who_must_act=self.client.administrator,
            )
        if error in NOT_OURS:
            return Refused(
                f"{issuer} refuses {name} ({error}): mostly a server lets only the client that a"
                f" token was issued to {right}. Set that client up, or allow this one there.",
                right=right,
                who_must_act=self.client.administrator,
            )
        if error == "invalid_client" and answer.status_code != 401:
            return Refused(
                f"{issuer} does not accept Countersign's own credentials as {name}. Renew them"
                " where the enforcer's settings refer to.",
                right=right,
                who_must_act=WHO,
            )
        return None

    def endpoints(self) -> Endpoints:
        """By the settings, else by the server's metadata, which is kept for a while."""
        client = self.client
        if client.revocation_endpoint and client.introspection_endpoint:
            return Endpoints(
                client.revocation_endpoint, client.introspection_endpoint, client.issuer
            )
        at, found = _known.get((client, self._allow_private), (0.0, None))
        if found is None or monotonic() - at > FRESH_SECONDS:
            found = self._read()
            _known[client, self._allow_private] = monotonic(), found
        return found

    def _read(self) -> Endpoints:
        client, parts = self.client, urlsplit(self.client.issuer)
        host, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
        places = (
            f"{host}/.well-known/{WELL_KNOWN[0]}{path}",
            f"{host}{path}/.well-known/{WELL_KNOWN[1]}",
        )
        for place in places:
            try:
                answer = self.web.request("GET", place, right="read its metadata", explain=_absent)
            except _Absent:
                continue
            said = self.web.document(answer)
            if said.get("issuer") != client.issuer:
                # RFC 8414, section 3.3: then it must not be used.
                raise PermanentFailure(
                    f"The metadata at {place} is not of {client.issuer}: write the issuer in the"
                    " settings as the server itself writes it.",
                    who_must_act=WHO,
                )
            ours = (client.revocation_endpoint, client.introspection_endpoint)
            theirs = (said.get(f"{one}_endpoint") for one in ("revocation", "introspection"))
            revocation, introspection = (
                mine or (their if isinstance(their, str) else "")
                for mine, their in zip(ours, theirs, strict=True)
            )
            token = said.get("token_endpoint")
            audience = token if isinstance(token, str) else client.issuer
            return Endpoints(revocation, introspection, audience)
        raise PermanentFailure(
            f"{client.issuer} has no metadata (RFC 8414): name revocation_endpoint and"
            " introspection_endpoint in the settings.",
            who_must_act=WHO,
        )


class _Absent(Exception):
    """There is no metadata at this address."""


def _absent(answer: httpx.Response) -> Exception | None:
    return _Absent() if answer.status_code in (400, 404, 405, 410) else None
