"""A real OAuth server on loopback (Authlib's), whose door can be made to fail.

Owns its clients, tokens and the protected resource on which a token is really tried. What the
server does with a request is Authlib's; what happens at its door, for tests of faults, is ours.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import httpx
import pytest
from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask, Response, current_app, jsonify, request
from joserfc import jwk, jwt
from werkzeug.serving import WSGIRequestHandler, make_server

METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
# How long an access token lives that says so itself.
LIFE = 300
SECRET = "s&cret of+the agent/client"


@dataclass
class Client(ClientMixin):
    client_id: str
    secret: str = SECRET
    methods: tuple[str, ...] = tuple(METHODS)
    may: tuple[str, ...] = ("revocation", "introspection", "token")

    def get_client_id(self) -> str:
        return self.client_id

    def get_allowed_scope(self, scope: str) -> str:
        return scope or ""

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == self.secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in self.methods and endpoint in self.may

    def check_grant_type(self, _: str) -> bool:
        return True


@dataclass
class Token(TokenMixin):
    client: Client
    access_token: str
    refresh_token: str
    expires_in: int
    issued_at: float = field(default_factory=time.time)
    revoked: bool = False

    def check_client(self, client: Client) -> bool:
        return client is self.client

    def get_scope(self) -> str:
        return ""

    def get_expires_in(self) -> int:
        return self.expires_in

    def is_expired(self) -> bool:
        return time.time() > self.issued_at + self.expires_in

    def is_revoked(self) -> bool:
        return self.revoked

    def get_user(self) -> str:
        return "agent"

    def get_client(self) -> Client:
        return self.client


type Fault = Callable[[], Response | None]


class Lab:
    """The server, what it knows, and the faults that wait at each of its doors."""

    def __init__(self) -> None:
        self.clients = {one.client_id: one for one in (Client("agent"), Client("other"))}
        self.tokens: list[Token] = []
        self.faults: dict[str, list[Fault]] = {}
        self.seen: list[tuple[str, str]] = []  # path, User-Agent
        self.lies = False
        self.self_contained = False
        self.pem = _pem()
        self._server = make_server(
            "127.0.0.1", 0, self._app(), threaded=True, request_handler=_Mute
        )
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fail(self, path: str, *faults: Fault) -> None:
        """The next requests at this path meet these, one each."""
        self.faults.setdefault(path, []).extend(faults)

    def issue(self, client: str = "agent") -> dict[str, Any]:
        """An answer of the token endpoint, as a platform would keep it."""
        answer = httpx.post(
            f"{self.issuer}/token",
            data={"grant_type": "password", "username": "agent", "password": "x"},
            auth=_basic(client, self.clients[client].secret),
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def uses(self, access_token: str) -> int:
        """A real use of a token: what the protected resource answers."""
        header = {"Authorization": f"Bearer {access_token}"}
        return httpx.get(f"{self.issuer}/resource", headers=header).status_code

    def refreshes(self, refresh_token: str, client: str = "agent") -> int:
        """A real use of a refresh token: what the token endpoint answers."""
        said = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        auth = _basic(client, self.clients[client].secret)
        return httpx.post(f"{self.issuer}/token", data=said, auth=auth).status_code

    def made(self, path: str) -> int:
        """How many requests came to this path."""
        return sum(one == path for one, _ in self.seen)

    def find(self, text: str) -> Token | None:
        return next(
            (one for one in self.tokens if text in (one.access_token, one.refresh_token)), None
        )

    def _keep(self, token: dict[str, Any], asked: Any) -> None:
        self.tokens.append(
            Token(
                asked.client,
                token["access_token"],
                token.get("refresh_token", ""),
                token["expires_in"],
            )
        )

    def _access_token(self, **_: Any) -> str:
        if not self.self_contained:
            return secrets.token_urlsafe(32)
        claims = {"iss": self.issuer, "exp": int(time.time()) + LIFE, "jti": secrets.token_hex(8)}
        return jwt.encode({"alg": "RS256"}, claims, jwk.RSAKey.import_key(self.pem))

    def _app(self) -> Flask:
        app, lab = Flask("oauth-lab"), self
        app.config["LAB"] = self
        app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
        app.config["OAUTH2_ACCESS_TOKEN_GENERATOR"] = self._access_token
        server = AuthorizationServer(app, query_client=self.clients.get, save_token=self._keep)
        for part in (Password, Refresh):
            server.register_grant(part)
        for endpoint in (Revocation, Introspection):
            server.register_endpoint(endpoint)
        server.register_client_auth_method("private_key_jwt", Assertion())
        protect = ResourceProtector()
        protect.register_token_validator(Validator())

        @app.before_request
        def door() -> Response | None:
            lab.seen.append((request.path, request.headers.get("User-Agent", "")))
            waiting = lab.faults.get(request.path)
            return waiting.pop(0)() if waiting else None

        @app.get("/.well-known/oauth-authorization-server")
        def metadata() -> Response:
            said = AuthorizationServerMetadata(
                issuer=lab.issuer,
                token_endpoint=f"{lab.issuer}/token",
                revocation_endpoint=f"{lab.issuer}/revoke",
                introspection_endpoint=f"{lab.issuer}/introspect",
            )
            return jsonify(said)

        app.post("/token")(server.create_token_response)
        for path, name in (("/revoke", "revocation"), ("/introspect", "introspection")):
            answer = partial(server.create_endpoint_response, name)
            app.add_url_rule(path, name, answer, methods=["POST"])
        app.add_url_rule("/resource", "resource", protect()(lambda: jsonify(works=True)))
        return app


def _lab() -> Lab:
    lab: Lab = current_app.config["LAB"]
    return lab


class Password(grants.ResourceOwnerPasswordCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def authenticate_user(self, username: str, *_: Any) -> str:
        return username


class Refresh(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        found = _lab().find(refresh_token)
        return found if found and not found.revoked else None

    def authenticate_user(self, *_: Any) -> str:
        return "agent"

    def revoke_old_credential(self, *_: Any) -> None:
        """An old refresh token stays good here, as at many servers."""


class Revocation(RevocationEndpoint):
    CLIENT_AUTH_METHODS = METHODS

    def query_token(self, token_string: str, *_: Any) -> Token | None:
        return _lab().find(token_string)

    def revoke_token(self, token: Token, *_: Any) -> None:
        token.revoked = not _lab().lies


class Introspection(IntrospectionEndpoint):
    CLIENT_AUTH_METHODS = METHODS

    def query_token(self, token_string: str, *_: Any) -> Token | None:
        return _lab().find(token_string)

    def check_permission(self, token: Token, client: Client, *_: Any) -> bool:
        return token.check_client(client)

    def introspect_token(self, token: Token) -> dict[str, Any]:
        return {"active": True, "client_id": token.client.client_id}


class Assertion(JWTBearerClientAssertion):
    CLIENT_AUTH_METHOD = "private_key_jwt"

    def __init__(self) -> None:
        super().__init__()
        self.used: set[str] = set()

    def get_audiences(self) -> list[str]:
        return [f"{_lab().issuer}/token"]

    def validate_jti(self, _claims: Any, jti: str) -> bool:
        fresh = jti not in self.used
        self.used.add(jti)
        return fresh

    def resolve_client_public_key(self, *_: Any) -> Any:
        return jwk.RSAKey.import_key(_pem())

    def authenticate_client(self, client: Client) -> Client:
        """Which endpoint was asked for is not told to an assertion."""
        return client


class Validator(BearerTokenValidator):
    def authenticate_token(self, token_string: str) -> Token | None:
        return _lab().find(token_string)


@cache
def _pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


class _Mute(WSGIRequestHandler):
    def log(self, *_: Any, **__: Any) -> None:
        """A test's output is its own."""


def _basic(name: str, secret: str) -> httpx.BasicAuth:
    return httpx.BasicAuth(name, secret)


def answering(status: int, body: str = "", **headers: str) -> Fault:
    """A door that answers by itself, and lets nothing through."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda: Response(body, status=status, headers=named)


def quiet(seconds: float) -> Fault:
    """A door that says nothing for so long, and then lets it through."""

    def wait() -> None:
        time.sleep(seconds)

    return wait


@pytest.fixture
def oauth_lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A server of its own for each test; over plain http, which Authlib wants to be told."""
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    lab = Lab()
    yield lab
    lab.close()
