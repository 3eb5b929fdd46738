"""A transmitter of signals as somebody else would write it: it publishes its keys, keeps what it
has not been told to be taken, hands it out and pushes it.

Owns what SSF 1.0, RFC 8417, RFC 8935 and RFC 8936 ask of a transmitter; it imports nothing of the
app. `lies`: the header, claims or key of what it makes are changed before it signs.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from tests.evidence.sources.server import Answer, Request, There

CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"
AUDIENCE = "https://countersign.example.com/us"
EMAIL = {"format": "email", "email": "ana@example.org"}


def new_key(kid: str, kind: str = "EC") -> ECKey | RSAKey:
    if kind == "RSA":
        return RSAKey.generate_key(2048, {"kid": kid})
    return ECKey.generate_key("P-256", {"kid": kid})


@dataclass
class Transmitter:
    """`waiting`: SETs by jti that were not taken; `settled`: what became of the others."""

    there: There
    path: str = ""
    waiting: dict[str, str] = field(default_factory=dict)
    settled: dict[str, str] = field(default_factory=dict)
    published: list[Any] = field(default_factory=lambda: [new_key("k1")])
    asked_keys: int = 0
    page: int = 100
    says: dict[str, Any] = field(default_factory=dict)  # more of its metadata

    def __post_init__(self) -> None:
        self.there.on("GET", f"/.well-known/ssf-configuration{self.path}", self._metadata)
        self.there.on("GET", "/jwks.json", self._jwks)
        self.there.on("POST", "/poll", self._poll)
        self.there.on("POST", "/verify", self._verify)

    @property
    def issuer(self) -> str:
        return f"{self.there.url}{self.path}"

    @property
    def key(self) -> Any:
        return self.published[0]

    def settings(self, **said: str) -> dict[str, str]:
        own = {"issuer": self.issuer, "audience": AUDIENCE, "poll_url": f"{self.there.url}/poll"}
        return own | {"token": "SIGNALS_TOKEN"} | said

    def _metadata(self, _: Request) -> Answer:
        return Answer(
            200,
            {
                "spec_version": "1_0",
                "issuer": self.issuer,
                "jwks_uri": f"{self.there.url}/jwks.json",
                "verification_endpoint": f"{self.there.url}/verify",
            }
            | self.says,
        )

    def _jwks(self, _: Request) -> Answer:
        self.asked_keys += 1
        keys = [one.as_dict(private=False) | {"use": "sig"} for one in self.published]
        return Answer(200, {"keys": [*keys, {"kty": "oct", "k": "eA"}, {"kty": "OKP"}, 7]})

    def _poll(self, asked: Request) -> Answer:
        if asked.headers.get("authorization") != "Bearer s3cret-token":
            return Answer(401, {"error": "invalid_token"})
        body = asked.json()
        assert asked.headers["content-type"] == "application/json"
        # RFC 8936, 2.6: whoever describes errors says in which language.
        assert not body.get("setErrs") or asked.headers.get("content-language") == "en"
        for jti in body.get("ack", []):
            if self.waiting.pop(jti, None):
                self.settled[jti] = "taken"
        for jti, why in body.get("setErrs", {}).items():
            if self.waiting.pop(jti, None):
                self.settled[jti] = why["err"]
        some = dict(list(self.waiting.items())[: min(body.get("maxEvents", 100), self.page)])
        return Answer(200, {"sets": some, "moreAvailable": len(some) < len(self.waiting)})

    def _verify(self, asked: Request) -> Answer:
        body = asked.json()
        if body["stream_id"] != "stream-1":
            return Answer(404)
        subject = {"format": "opaque", "id": body["stream_id"]}
        state = {name: body[name] for name in ("state",) if name in body}
        self.keep(f"v{len(self.there.asked)}", f"{SSF}verification", state, sub_id=subject)
        return Answer(204)

    # --- what it says

    def made(
        self,
        jti: str,
        uri: str = f"{CAEP}session-revoked",
        event: Mapping[str, Any] | None = None,
        *,
        key: Any = None,
        header: Mapping[str, Any] | None = None,
        without: tuple[str, ...] = (),
        **said: Any,
    ) -> str:
        """A SET; what is said more stands in its claims, or in place of them."""
        key = key or self.key
        claims = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "jti": jti,
            "iat": int(time.time()),
            "txn": f"txn-{jti}",
            "sub_id": EMAIL,
            "events": {uri: dict(event or {})},
        } | said
        claims = {name: value for name, value in claims.items() if name not in without}
        alg = "RS256" if isinstance(key, RSAKey) else "ES256"
        head = {"alg": alg, "typ": "secevent+jwt", "kid": key.kid} | dict(header or {})
        return jwt.encode(head, claims, key, algorithms=[head["alg"]])

    def keep(self, jti: str, *said: Any, **more: Any) -> str:
        """Put a SET on the stream."""
        token = self.made(jti, *said, **more)
        self.waiting[jti] = token
        return token
