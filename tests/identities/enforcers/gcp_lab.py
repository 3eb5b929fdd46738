"""Google Cloud on loopback, as far as Google documents it: IAM API v1, the token exchange.

Owns its projects (service accounts, keys, who may what), the shapes and codes of its answers, and
what it takes to be let in: a statement whose signature, audience and age are really looked at, or a
token that was exchanged for a platform's. Told to, it lies, forbids, or fails at its door.
"""

import json
import secrets
import threading
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from flask import Flask, Response, request
from joserfc import jwk, jwt
from joserfc.errors import JoseError
from werkzeug.serving import make_server

from tests.identities.enforcers.gcp_policy import Policy
from tests.identities.enforcers.oauth_lab import Fault, _Mute, _pem

PROJECT, NUMBER = "agents-prod", "123456789012"
OURS = f"countersign@{PROJECT}.iam.gserviceaccount.com"
AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x"
SUBJECT_TOKEN = "the-platform-s-own-token-of-this-workload"
VERBS = ("get", "list", "disable", "enable", "delete")
READS = (":testIamPermissions", ":getIamPolicy")
PERMISSIONS = {
    f"iam.{what}.{verb}" for what in ("serviceAccounts", "serviceAccountKeys") for verb in VERBS
}

type Row = dict[str, Any]


class Lab:
    """The project, and the faults that wait at each of its doors."""

    def __init__(self) -> None:
        self.accounts: dict[str, Row] = {}
        self.keys: dict[str, dict[str, Row]] = {}
        self.given = set(PERMISSIONS)
        self.policy = Policy(PROJECT)
        self.lies = self.hides = False
        self.tokens: set[str] = set()
        self.faults: dict[str, list[Fault]] = {}
        self.seen: list[tuple[str, str, str]] = []  # method, path, User-Agent
        self._server = make_server(
            "127.0.0.1", 0, self._app(), threaded=True, request_handler=_Mute
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"
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

    def changes(self) -> list[tuple[str, str]]:
        """What was asked for that would change something."""
        return [
            (method, path)
            for method, path, _ in self.seen
            if method != "GET" and "/v1/projects/" in path and not path.endswith(READS)
        ]

    # What an administrator makes

    def account(self, name: str = "reporter") -> str:
        address = f"{name}@{PROJECT}.iam.gserviceaccount.com"
        self.accounts[address] = {
            "name": f"projects/{PROJECT}/serviceAccounts/{address}",
            "projectId": PROJECT,
            "uniqueId": str(secrets.randbelow(10**20) + 10**20),
            "email": address,
            "etag": "MDEwMjE5MjA=",
        }
        self.keys[address] = {}
        return address

    def key(self, address: str, kind: str = "USER_MANAGED") -> str:
        number = secrets.token_hex(20)
        self.keys[address][number] = {
            "name": f"projects/{PROJECT}/serviceAccounts/{address}/keys/{number}",
            "validAfterTime": "2026-06-01T00:00:00Z",
            "keyAlgorithm": "KEY_ALG_RSA_2048",
            "keyType": kind,
        }
        return number

    def _app(self) -> Flask:
        app, lab = Flask("gcp-lab"), self

        @app.before_request
        def door() -> Response | None:
            path = request.path
            lab.seen.append((request.method, path, request.headers.get("User-Agent", "")))
            waiting = lab.faults.get(path)
            fault = waiting.pop(0)() if waiting else None
            if fault is not None or path == "/v1/token":
                return fault
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            service = "cloudresourcemanager" if f"/{PROJECT}:" in path else "iam"
            if token not in lab.tokens and not _is_ours(token, service):
                said = "Request had invalid authentication credentials."
                return _error(401, "UNAUTHENTICATED", said)
            return None

        @app.post("/v1/token")
        def exchange() -> Response:
            form = request.form
            if form["subject_token"] != SUBJECT_TOKEN or form["audience"] != AUDIENCE:
                return _json(400, {"error": "invalid_grant", "error_description": "no"})
            return _json(200, lab._issued("access_token") | {"expires_in": 3600})

        @app.post("/v1/projects/-/serviceAccounts/<address>:generateAccessToken")
        def borrow(address: str) -> Response:
            assert address == OURS
            return _json(200, lab._issued("accessToken") | {"expireTime": "2099-01-01T00:00:00Z"})

        app.add_url_rule(
            f"/v1/projects/{PROJECT}/<path:rest>",
            "iam",
            self._iam,
            methods=["GET", "POST", "DELETE"],
        )
        app.add_url_rule(
            f"/v1/projects/{PROJECT}:testIamPermissions", "project", self._tested, methods=["POST"]
        )

        @app.post(f"/v1/projects/{PROJECT}:<verb>")
        def policy(verb: str) -> Response:
            right = f"resourcemanager.projects.{verb}"
            if right not in lab.given:
                return _forbidden(right)
            said = lab.policy.answer(verb, request.get_json(), lies=lab.lies)
            return _error(*said) if isinstance(said, tuple) else _json(200, said)

        @app.get("/v1/roles/<name>")
        def role(name: str) -> Response:
            found = lab.policy.roles.get(f"roles/{name}")
            if found is None:
                return _error(404, "NOT_FOUND", f"The role named roles/{name} was not found.")
            return _json(200, {"name": f"roles/{name}", "includedPermissions": found})

        @app.post("/v1/permissions:queryTestablePermissions")
        def testable() -> Response:
            return _json(200, lab.policy.testable(request.get_json()))

        return app

    def _issued(self, member: str) -> Row:
        made = secrets.token_urlsafe(24)
        self.tokens.add(made)
        return {member: made, "token_type": "Bearer"}

    # IAM

    def _tested(self) -> Response:
        asked = request.get_json()["permissions"]
        granted = [one for one in asked if one in self.given]
        # An empty list is left out.
        return _json(200, {"permissions": granted} if granted else {})

    def _iam(self, rest: str) -> Response:
        path, _, verb = rest.removeprefix("serviceAccounts").partition(":")
        address, _, more = path.removeprefix("/").partition("/")
        if not address:
            return self._listed()
        row = self.accounts.get(address) or next(
            (one for one in self.accounts.values() if one["uniqueId"] == address), None
        )
        if verb == "testIamPermissions":
            return self._missing("iam.serviceAccounts.get") if row is None else self._tested()
        if row is None:
            return self._missing("iam.serviceAccounts.get")
        if not more:
            return self._changed("serviceAccounts", self.accounts, row["email"], verb)
        keys, number = self.keys[row["email"]], more.removeprefix("keys").removeprefix("/")
        if not number:
            return _json(200, {"keys": list(keys.values())} if keys else {})
        if number not in keys:
            return self._missing("iam.serviceAccountKeys.get")
        return self._changed("serviceAccountKeys", keys, number, verb)

    def _changed(self, what: str, rows: dict[str, Row], name: str, verb: str) -> Response:
        asked = verb or {"GET": "get", "DELETE": "delete"}[request.method]
        if f"iam.{what}.{asked}" not in self.given:
            return _forbidden(f"iam.{what}.{asked}")
        if asked == "get":
            return _json(200, rows[name])
        if self.lies:
            return _json(200, {})
        match asked:
            case "delete":
                del rows[name]
            case "disable":
                rows[name]["disabled"] = True
            case "enable":
                rows[name].pop("disabled", None)
        return _json(200, {})

    def _listed(self) -> Response:
        if "iam.serviceAccounts.list" not in self.given:
            return _forbidden("iam.serviceAccounts.list")
        rows, begins = list(self.accounts.values()), int(request.args.get("pageToken", "0"))
        said: Row = {"accounts": rows[begins : begins + 1]} if rows[begins:] else {}
        if rows[begins + 1 :]:
            said["nextPageToken"] = str(begins + 1)
        return _json(200, said)

    def _missing(self, right: str) -> Response:
        if self.hides:
            return _forbidden(right, " (or it may not exist)")
        return _error(404, "NOT_FOUND", "Unknown service account")


def _is_ours(statement: str, service: str) -> bool:
    """As Google looks at a statement that stands for a token."""
    try:
        found = jwt.decode(statement, _public(), algorithms=["RS256"])
    except (JoseError, ValueError):
        return False
    claims, now = found.claims, time.time()
    return bool(
        claims["iss"] == claims["sub"] == OURS
        and claims["aud"] == f"https://{service}.googleapis.com/"
        and claims["iat"] <= now < claims["exp"] <= now + 3600
        and found.header["kid"] == "our-key"
    )


@cache
def _public() -> jwk.RSAKey:
    return jwk.RSAKey.import_key(_pem())


def credentials(pem: str = "") -> str:
    """The file of Countersign's own service account key, as Google makes it."""
    said = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "our-key",
        "private_key": pem or _pem(),
        "client_email": OURS,
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return json.dumps(said)


def _json(status: int, said: Row) -> Response:
    return Response(json.dumps(said), status=status, content_type="application/json")


def _error(status: int, code: str, message: str, **info: Any) -> Response:
    about: Row = {"code": status, "message": message, "status": code}
    if info:
        kind = "type.googleapis.com/google.rpc.ErrorInfo"
        about["details"] = [{"@type": kind, "domain": "iam.googleapis.com"} | info]
    return _json(status, {"error": about})


def _forbidden(right: str, more: str = "") -> Response:
    return _error(
        403,
        "PERMISSION_DENIED",
        f"Permission '{right}' denied on resource{more}.",
        reason="IAM_PERMISSION_DENIED",
        metadata={"permission": right},
    )


@pytest.fixture
def gcp_lab() -> Iterator[Lab]:
    """A project of its own for each test."""
    lab = Lab()
    yield lab
    lab.close()
