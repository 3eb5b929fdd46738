"""A receiver of signals as somebody else would write it: it finds the transmitter by its issuer,
manages its streams, checks every SET with the published keys, and keeps what it was told.

Owns what SSF 1.0, RFC 8417, RFC 8935 and RFC 8936 ask of a receiver; it imports nothing of the app.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from joserfc import jws, jwt
from joserfc.errors import BadSignatureError, DecodeError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from tests.evidence.sources.server import Answer, Request, There

PUSH, POLL = "urn:ietf:rfc:8935", "urn:ietf:rfc:8936"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"
HEADER = "Bearer what-the-receiver-wants-to-hear"


class Refusal(Exception):
    """Why a SET is refused: err and description of RFC 8935."""


@dataclass
class Receiver:
    """`taken`: claims by jti, in the order of their coming; `times`: how often each came."""

    there: There
    issuer: str
    audience: str
    token: str
    taken: dict[str, dict[str, Any]] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    sessions: dict[str, bool] = field(default_factory=dict)  # by subject: whether they live
    risk: dict[str, str] = field(default_factory=dict)
    poison: Callable[[dict[str, Any]], Answer | None] = lambda _: None
    statuses: list[str] = field(default_factory=list)
    authorization: str = HEADER

    def __post_init__(self) -> None:
        self.there.on("POST", "/signals", self.pushed)
        self.http = httpx.Client(base_url=self.issuer, trust_env=False, timeout=30)
        self.keys = KeySet([])

    # --- the transmitter, as it describes itself

    def metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get("/.well-known/ssf-configuration").json()
        assert found["issuer"] == self.issuer
        return found

    def fetch_keys(self) -> None:
        self.keys = KeySet.import_key_set(self.http.get(self.metadata()["jwks_uri"]).json())

    def asks(self, method: str, endpoint: str, **said: Any) -> httpx.Response:
        """One request to an endpoint that the metadata names."""
        url = self.metadata()[f"{endpoint}_endpoint"]
        return self.http.request(
            method, url, headers={"Authorization": f"Bearer {self.token}"}, **said
        )

    def creates(self, **said: Any) -> str:
        answer = self.asks("POST", "configuration", json=said)
        assert answer.status_code == 201, answer.text
        found = answer.json()
        assert (found["iss"], found["aud"]) == (self.issuer, self.audience)
        self.stream = found
        return str(found["stream_id"])

    def pushes_to_me(self, **more: Any) -> str:
        delivery = {"method": PUSH, "endpoint_url": f"{self.there.url}/signals"}
        if self.authorization:
            delivery["authorization_header"] = self.authorization
        return self.creates(delivery=delivery, **more)

    # --- what it is told

    def checked(self, token: str) -> dict[str, Any]:
        """The claims of a SET. Raises Refusal."""
        if self.kid(token) not in {key.kid for key in self.keys.keys}:
            self.fetch_keys()  # they may have been rotated
        found = self._decoded(token)
        claims = dict(found.claims)
        if found.header.get("typ") != "secevent+jwt":
            raise Refusal("invalid_request", "typ")
        if claims.get("iss") != self.issuer:
            raise Refusal("invalid_issuer", "iss")
        if claims.get("aud") != self.audience:
            raise Refusal("invalid_audience", "aud")
        if "sub" in claims or "exp" in claims or len(claims["events"]) != 1:
            raise Refusal("invalid_request", "claims")
        if abs(time.time() - claims["iat"]) > 366 * 86_400:
            raise Refusal("invalid_request", "iat")
        return claims

    @staticmethod
    def kid(token: str) -> Any:
        try:
            return jws.extract_compact(token.encode()).headers().get("kid")
        except (JoseError, ValueError):
            return None

    def _decoded(self, token: str) -> jwt.Token:
        try:
            return jwt.decode(token, self.keys, algorithms=["ES256", "RS256"])
        except (BadSignatureError, DecodeError, InvalidKeyIdError) as problem:
            raise Refusal("invalid_key", str(problem)) from None
        except (JoseError, ValueError) as problem:
            raise Refusal("invalid_request", str(problem)) from None

    def pushed(self, asked: Request) -> Answer:
        if self.authorization and asked.headers.get("authorization") != self.authorization:
            return self._error("authentication_failed", "who are you?")
        assert asked.headers["content-type"] == "application/secevent+jwt"
        assert asked.headers["accept"] == "application/json"
        assert asked.headers["accept-language"] == "en"
        try:
            claims = self.checked(asked.body.decode())
        except Refusal as problem:
            self.refused.append(problem.args[0])
            return self._error(*problem.args)
        answer = self.poison(claims)
        if answer is None:
            self.told(claims)
        return answer or Answer(202)

    @staticmethod
    def _error(err: str, description: str) -> Answer:
        return Answer(400, {"err": err, "description": description}, {"Content-Language": "en"})

    def told(self, claims: dict[str, Any]) -> None:
        """Do what it says, once."""
        jti = claims["jti"]
        self.times[jti] = self.times.get(jti, 0) + 1
        if jti in self.taken:
            assert self.taken[jti] == claims
            return
        self.taken[jti] = claims
        ((kind, event),) = claims["events"].items()
        subject = str(claims["sub_id"])
        if kind == f"{CAEP}session-revoked":
            self.sessions[subject] = False
        if kind == f"{CAEP}risk-level-change":
            self.risk[subject] = event["current_level"]
        if kind == f"{SSF}stream-updated":
            self.statuses.append(event["status"])

    def polls(self, *, settle: bool = True, **said: Any) -> list[dict[str, Any]]:
        """Ask for what waits until there is no more, and acknowledge it."""
        found: list[dict[str, Any]] = []
        ack: list[str] = []
        url = self.stream["delivery"]["endpoint_url"]
        while True:
            body = {"returnImmediately": True, "ack": ack, **said}
            answer = self.http.post(
                url, json=body, headers={"Authorization": f"Bearer {self.token}"}
            )
            assert answer.status_code == 200, answer.text
            sets, more = answer.json()["sets"], answer.json()["moreAvailable"]
            claims = {jti: self.checked(token) for jti, token in sets.items()}
            assert all(one["jti"] == jti for jti, one in claims.items())
            for one in claims.values():
                self.told(one)
            found += claims.values()
            ack = list(claims) if settle else []
            if not (ack or (more and settle)):
                return found

    def kinds(self) -> list[str]:
        """The short names of the events it was told, in order."""
        return [next(iter(one["events"])).rpartition("/")[2] for one in self.taken.values()]
