"""A tenant of Entra on loopback, as far as Microsoft documents it: sign-in and Graph v1.0.

Owns its directory (users, applications, service principals, keys), the shapes and codes of its
answers, and what it takes to be let in: the tests change the directory as an administrator would.
Told to, it lies, forbids, or fails at its door.
"""

import json
import secrets
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask, Response, request
from werkzeug.serving import make_server

from tests.identities.enforcers.entra_grants import Grants
from tests.identities.enforcers.oauth_lab import Fault, _Mute

TENANT = "11111111-aaaa-4aaa-8aaa-111111111111"
CLIENT, OURS = "22222222-bbbb-4bbb-8bbb-222222222222", "22222222-0000-4bbb-8bbb-222222222222"
SECRET = "a~very-Secret.Value_of-the/application"
GRAPH, OF_GRAPH = "33333333-0000-4ccc-8ccc-333333333333", "00000003-0000-0000-c000-000000000000"
# Ids of Graph's permissions are made for this tenant; their names are Microsoft's.
ROLES = {
    name: f"44444444-0000-4ddd-8ddd-{number:012d}"
    for number, name in enumerate(
        (
            "Application.ReadWrite.All",
            "AgentIdentity.EnableDisable.All",
            "User.EnableDisableAccount.All",
            "User.RevokeSessions.All",
            "User.Read.All",
            "Application.Read.All",
            "AppRoleAssignment.ReadWrite.All",
            "DelegatedPermissionGrant.ReadWrite.All",
            "RoleManagement.ReadWrite.Directory",
            "Mail.Read",
            "Mail.Send",
        )
    )
}
# What only an application that narrows is given.
NARROWING = {name for name in ROLES if name.startswith(("AppRole", "Delegated", "RoleM", "Mail."))}
ALWAYS = "2026-01-01T00:00:00Z"

type Row = dict[str, Any]


class Lab:
    """The tenant, and the faults that wait at each of its doors."""

    def __init__(self) -> None:
        self.users: dict[str, Row] = {}
        self.principals: dict[str, Row] = {
            GRAPH: _principal(GRAPH, OF_GRAPH)
            | {"appRoles": [{"id": number, "value": name} for name, number in ROLES.items()]},
            OURS: _principal(OURS, CLIENT),
        }
        self.applications: dict[str, Row] = {}
        self.trusts: dict[str, dict[str, Row]] = {}
        self.given = set(ROLES) - NARROWING
        self.grants = Grants()
        self.secret, self.lies = SECRET, False
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
        return [
            (method, path) for method, path, _ in self.seen if method != "GET" and "/v1.0" in path
        ]

    # What an administrator makes

    def user(self, name: str) -> str:
        number = str(uuid4())
        self.users[number] = {
            "id": number,
            "userPrincipalName": name,
            "accountEnabled": True,
            "signInSessionsValidFromDateTime": ALWAYS,
            "onPremisesSyncEnabled": None,
        }
        return number

    def principal(self, kind: str = "Application", owner: str = TENANT) -> tuple[str, str]:
        """An application's service principal: its object id and its client id."""
        number, app = str(uuid4()), str(uuid4())
        self.principals[number] = _principal(number, app, kind, owner)
        if kind == "Application" and owner == TENANT:
            self.applications[str(uuid4())] = _principal("", app)
        return number, app

    def registered(self, app: str) -> Row:
        for number, one in self.applications.items():
            if one["appId"] == app:
                one["id"] = number
                return one
        raise LookupError(app)

    def trust(self, app: str) -> str:
        number = str(uuid4())
        self.registered(app)
        said = {"id": number, "name": "from-ci", "issuer": "https://ci", "subject": "repo:x"}
        self.trusts.setdefault(app, {})[number] = said
        return number

    def _app(self) -> Flask:
        app, lab = Flask("entra-lab"), self

        @app.before_request
        def door() -> Response | None:
            path = request.path
            lab.seen.append((request.method, path, request.headers.get("User-Agent", "")))
            waiting = lab.faults.get(path)
            fault = waiting.pop(0)() if waiting else None
            if fault is not None or path.endswith("/token"):
                return fault
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if token not in lab.tokens:
                return _error(401, "InvalidAuthenticationToken", "Access token is empty.")
            return None

        @app.post(f"/{TENANT}/oauth2/v2.0/token")
        def token() -> Response:
            form = request.form
            scope = f"{lab.url}/.default"
            if form["client_id"] != CLIENT or form["grant_type"] != "client_credentials":
                said = {"error": "unauthorized_client", "error_description": "AADSTS700016: x"}
                return _json(400, said)
            if form.get("client_secret") != lab.secret or form["scope"] != scope:
                said = {
                    "error": "invalid_client",
                    "error_description": "AADSTS7000215: Invalid client secret provided.",
                }
                return _json(401, said)
            made = secrets.token_urlsafe(24)
            lab.tokens.add(made)
            return _json(200, {"token_type": "Bearer", "expires_in": 3599, "access_token": made})

        app.add_url_rule(
            "/v1.0/<path:rest>",
            "graph",
            self._graph,
            methods=["GET", "POST", "PATCH", "DELETE"],
        )
        return app

    # Graph

    def _graph(self, rest: str) -> Response:
        method = request.method
        kind, number, more = _parts(rest)
        if kind == "users":
            return self._user(method, number, more)
        if kind in ("oauth2PermissionGrants", "roleManagement"):
            return _answered(self.grants.answer(self, method, rest))
        if kind not in ("servicePrincipals", "applications"):
            return _error(400, "BadRequest", f"Resource not found for the segment '{kind}'.")
        rows = self.principals if kind == "servicePrincipals" else self.applications
        if kind == "applications":
            for key, one in rows.items():
                one["id"] = key
        row = next((one for one in rows.values() if number in (one["id"], f"app {one['appId']}")), None)  # fmt: skip
        if row is None:
            return _missing(number)
        return self._object(method, row, more)

    def _object(self, method: str, row: Row, more: str) -> Response:
        if row["id"] in (OURS, GRAPH):
            pass
        elif (found := self.grants.of(self, method, row["id"], more)) is not None:
            return _answered(found)
        if more == "appRoleAssignments" and method == "GET":
            at = self.url + "/v1.0/" + f"servicePrincipals/{row['id']}/{more}"
            held = [{"id": "a", "appRoleId": ROLES[name], "resourceId": GRAPH} for name in sorted(self.given)]  # fmt: skip
            # Two pages, as Graph pages what is long.
            first = request.args.get("$skiptoken") is None
            said: Row = {"value": held[:2] if first else held[2:]}
            return _json(200, said | ({"@odata.nextLink": f"{at}?$skiptoken=x"} if first else {}))
        if more.startswith("federatedIdentityCredentials/"):
            return self._trust(method, row, more.partition("/")[2])
        if method == "GET" and not more:
            chosen = request.args.get("$select", "").split(",")
            return _json(200, {name: row[name] for name in chosen if name in row})
        agent = row.get("servicePrincipalType") == "ServiceIdentity"
        needs = "AgentIdentity.EnableDisable.All" if agent else "Application.ReadWrite.All"
        if needs not in self.given:
            return _forbidden()
        if method == "PATCH" and more == ("microsoft.graph.agentIdentity" if agent else ""):
            if not self.lies:
                row.update(request.get_json())
            return _done()
        if method == "POST" and more == "removePassword":
            asked, kept = request.get_json()["keyId"], row["passwordCredentials"]
            rest = [one for one in kept if one["keyId"] != asked]
            if len(rest) == len(kept):
                return _error(400, "Request_BadRequest", "No password credential found with keyId.")
            if not self.lies:
                row["passwordCredentials"] = rest
            return _done()
        return _error(405, "Request_BadRequest", f"Specified HTTP method is not allowed: {more}")

    def _trust(self, method: str, row: Row, number: str) -> Response:
        kept = self.trusts.get(row["appId"], {})
        if number not in kept:
            return _missing(number)
        if method == "GET":
            return _json(200, kept[number])
        if "Application.ReadWrite.All" not in self.given:
            return _forbidden()
        if not self.lies:
            del kept[number]
        return _done()

    def _user(self, method: str, name: str, more: str) -> Response:
        row = next((one for one in self.users.values() if name.lower() in (one["id"], one["userPrincipalName"].lower())), None)  # fmt: skip
        if row is None:
            return _missing(name)
        if method == "GET":
            if "User.Read.All" not in self.given:
                return _forbidden()
            chosen = request.args["$select"].split(",")
            return _json(200, {name: row[name] for name in chosen})
        if more == "revokeSignInSessions":
            if "User.RevokeSessions.All" not in self.given:
                return _forbidden()
            if not self.lies:
                row["signInSessionsValidFromDateTime"] = datetime.now(UTC).isoformat()
            said = {"@odata.context": f"{self.url}/v1.0/$metadata#Edm.Boolean", "value": True}
            return _json(200, said)
        if "User.EnableDisableAccount.All" not in self.given:
            return _forbidden()
        if not self.lies:
            row.update(request.get_json())
        return _done()


def _parts(rest: str) -> tuple[str, str, str]:
    """Which collection, which object (by id, or by `appId='…'`) and what of it."""
    first, _, more = rest.partition("/")
    if first.endswith("')"):
        kind, _, app = first.removesuffix("')").partition("(appId='")
        return kind, f"app {app}", more
    number, _, more = more.partition("/")
    return first, number, more


def _principal(number: str, app: str, kind: str = "Application", owner: str = TENANT) -> Row:
    return {
        "id": number,
        "appId": app,
        "accountEnabled": True,
        "servicePrincipalType": kind,
        "appOwnerOrganizationId": owner,
        "keyCredentials": [],
        "passwordCredentials": [],
    }


def _answered(found: tuple[int, Any]) -> Response:
    """What grants say: an object, nothing, or which of Graph's refusals."""
    status, said = found
    match status:
        case 204:
            return _done()
        case 403:
            return _forbidden()
        case 404:
            return _missing(str(said))
    return _json(status, said)


def _json(status: int, said: Row) -> Response:
    return Response(
        json.dumps(said),
        status=status,
        headers={"Content-Type": "application/json", "request-id": str(uuid4())},
    )


def _done() -> Response:
    return Response(status=204, headers={"request-id": str(uuid4())})


def _error(status: int, code: str, message: str) -> Response:
    about = {"date": "2026-07-01T08:00:00", "request-id": str(uuid4())}
    return _json(status, {"error": {"code": code, "message": message, "innerError": about}})


def _missing(number: str) -> Response:
    said = (
        f"Resource '{number}' does not exist or one of its queried reference-property objects are"
        " not present."
    )
    return _error(404, "Request_ResourceNotFound", said)


def _forbidden() -> Response:
    said = "Insufficient privileges to complete the operation."
    return _error(403, "Authorization_RequestDenied", said)


@pytest.fixture
def entra_lab() -> Iterator[Lab]:
    """A tenant of its own for each test."""
    lab = Lab()
    yield lab
    lab.close()
