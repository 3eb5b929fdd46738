"""A server that speaks Vault's documented API on loopback and keeps state, for tests of its enforcer.

Owns tokens with children and leases, entities, an AppRole and policies; held to the statuses and
texts of OpenBao's own source (token_store.go, logical_system.go, approle/path_role.go,
identity/store_entities.go, response_util.go). `uses` is a real use of a token there.
"""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from identities.enforcers import vault, vault_server
from identities.enforcers.contract import Target
from tests.evidence.sources.server import Answer, Request, There, serving

PREFIX = "database/creds/reporting/"
KINDS = ("token", "lease", "lease_prefix", "secret_id", "entity")
OURS = "hvs.countersign-own-token"
ROLE = "auth/approle/role/reporting"
EVERYTHING = {
    "auth/token/lookup-accessor": ["update"],
    "auth/token/revoke-accessor": ["update"],
    "sys/leases/lookup": ["update"],
    "sys/leases/revoke": ["update"],
    "sys/leases/lookup/database/creds/reporting/": ["list", "sudo"],
    "sys/leases/revoke-prefix/database/creds/reporting/": ["update", "sudo"],
    ROLE: ["read"],
    f"{ROLE}/secret-id-accessor/lookup": ["update"],
    f"{ROLE}/secret-id-accessor/destroy": ["update"],
}


class Lab:
    """What the server holds. `lies`: it answers that it did what it did not do."""

    def __init__(self, there: There) -> None:
        self.there, self.lies = there, False
        self.tokens: dict[str, dict[str, Any]] = {}  # by accessor
        self.leases: dict[str, dict[str, Any]] = {}
        self.secret_ids: dict[str, dict[str, Any]] = {}
        self.entities: dict[str, dict[str, Any]] = {}
        self.roles: dict[str, dict[str, Any]] = {
            ROLE: {"token_ttl": 600, "token_max_ttl": 3600, "token_period": 0}
        }
        self.policy = {path: list(may) for path, may in EVERYTHING.items()}
        self.ours, self.namespace = OURS, ""
        for method in ("GET", "POST"):
            there.on(method, "/v1/*", self._door)

    @property
    def address(self) -> str:
        return self.there.url

    # What others do there

    def login(self, *, entity: str = "", parent: str = "") -> str:
        """A token's accessor."""
        accessor = uuid4().hex[:24]
        self.tokens[accessor] = {"token": uuid4().hex, "entity": entity, "parent": parent}
        return accessor

    def entity(self, **metadata: str) -> str:
        name = str(uuid4())
        self.entities[name] = {"id": name, "disabled": False, "metadata": metadata}
        self.policy[f"identity/entity/id/{name}"] = ["read", "update"]
        return name

    def lease(self, path: str = "database/creds/reporting", *, token: str = "") -> str:
        name = f"{path}/{uuid4().hex[:24]}"
        self.leases[name] = {"token": token}
        return name

    def secret_id(self, role: str = ROLE) -> str:
        accessor = str(uuid4())
        self.secret_ids[accessor] = {"role": role}
        return accessor

    def uses(self, accessor: str) -> int:
        """What a request with this token is answered."""
        found = self.tokens.get(accessor)
        entity = self.entities.get(found["entity"]) if found else None
        return 403 if found is None or (entity and entity["disabled"]) else 200

    def asked(self, path: str) -> int:
        return sum(one.path == f"/v1/{path}" for one in self.there.asked)

    # What it answers

    def _door(self, request: Request) -> Answer:
        path = request.path.removeprefix("/v1/")
        if request.headers.get("x-vault-token") != self.ours:
            return _refused(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n")
        if request.headers.get("x-vault-namespace", "").strip("/") != self.namespace:
            return _refused(404, f'no handler for route "{path}". route entry not found.')
        if path == "sys/capabilities-self":
            data = {one: self.policy.get(one, ["deny"]) for one in request.json()["paths"]}
            return _data(data, **data)
        verb = "read" if request.method == "GET" else "update"
        wanted = "list" if request.query.get("list") else verb
        if wanted not in self.policy.get(path, []):
            return _refused(403, "1 error occurred:\n\t* permission denied\n\n")
        return self._routed(path, request)

    def _routed(self, path: str, request: Request) -> Answer:
        body = request.json() if request.body else {}
        routes: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "auth/token/lookup-accessor": self._look_up,
            "auth/token/revoke-accessor": self._revoke,
            "sys/leases/lookup": self._lease,
            "sys/leases/revoke": self._revoke_lease,
        }
        if path in routes:
            return routes[path](body)
        if path.startswith("sys/leases/lookup/"):
            under = path.removeprefix("sys/leases/lookup/")
            keys = [one.removeprefix(under) for one in self.leases if one.startswith(under)]
            return _data({"keys": keys}) if keys else _refused(404)
        if path.startswith("sys/leases/revoke-prefix/"):
            under = path.removeprefix("sys/leases/revoke-prefix/")
            if not self.lies:
                self.leases = {k: v for k, v in self.leases.items() if not k.startswith(under)}
            return Answer(204)
        if path.startswith("identity/entity/id/"):
            return self._entity(path.rsplit("/", 1)[-1], request.method, body)
        return self._approle(path, body)

    def _look_up(self, body: dict[str, Any]) -> Answer:
        found = self.tokens.get(body["accessor"])
        if found is None:
            return _refused(400, "invalid accessor")
        said = {"accessor": body["accessor"], "id": "", "entity_id": found["entity"]}
        return _data({**said, "type": "service", "ttl": 600})

    def _revoke(self, body: dict[str, Any]) -> Answer:
        if body["accessor"] not in self.tokens:
            return Answer(200, {"warnings": ["No token found with this accessor"], "data": None})
        if not self.lies:
            self._end(body["accessor"])
        return Answer(204)

    def _end(self, accessor: str) -> None:
        self.tokens.pop(accessor)
        self.leases = {k: v for k, v in self.leases.items() if v["token"] != accessor}
        for child in [k for k, v in self.tokens.items() if v["parent"] == accessor]:
            self._end(child)

    def _lease(self, body: dict[str, Any]) -> Answer:
        found = self.leases.get(body["lease_id"])
        if found is None:
            return _refused(400, "invalid lease")
        more = {"revoke_error": found["failed"]} if "failed" in found else {}
        return _data({"id": body["lease_id"], "renewable": True, "ttl": 600, **more})

    def _revoke_lease(self, body: dict[str, Any]) -> Answer:
        assert body["sync"] is True
        if not self.lies:
            self.leases.pop(body["lease_id"], None)
        return Answer(204)

    def _entity(self, name: str, method: str, body: dict[str, Any]) -> Answer:
        found = self.entities.get(name)
        if method == "GET":
            return _refused(404) if found is None else _data({**found, "aliases": []})
        if found is None:
            return _refused(400, "entity not found from id")
        if not self.lies:
            found |= body  # metadata as a whole, as the server replaces it
        return Answer(204)

    def _approle(self, path: str, body: dict[str, Any]) -> Answer:
        role = path.split("/secret-id-accessor/", maxsplit=1)[0]
        if role not in self.roles:
            return _refused(404) if path == role else _refused(500, "role does not exist")
        if path == role:
            return _data(self.roles[role])
        accessor = body["secret_id_accessor"]
        if accessor not in self.secret_ids:
            code = 404 if path.endswith("/lookup") else 500
            said = f'failed to find accessor entry for secret_id_accessor: "{accessor}"'
            return _refused(code, said)
        if path.endswith("/lookup"):
            ends = self.secret_ids[accessor].get("ends", "0001-01-01T00:00:00Z")
            return _data({"secret_id_accessor": accessor, "expiration_time": ends})
        if not self.lies:
            self.secret_ids.pop(accessor)
        return Answer(204)


def _data(data: Any, **more: Any) -> Answer:
    head = {"request_id": str(uuid4()), "lease_id": "", "renewable": False, "lease_duration": 0}
    return Answer(200, {**head, "data": data, "warnings": None, "auth": None, **more})


def _refused(status: int, *errors: str) -> Answer:
    return Answer(status, json.dumps({"errors": list(errors)}))


def slow(seconds: float) -> Callable[[Request], Answer]:
    """A route that says nothing for so long."""

    def wait(_: Request) -> Answer:
        time.sleep(seconds)
        return Answer(204)

    return wait


@pytest.fixture
def vault_lab() -> Iterator[Lab]:
    with serving() as there:
        yield Lab(there)


type Set = Callable[..., vault.VaultEnforcer]


@pytest.fixture
def vault_enforcer(vault_lab: Lab, tmp_path: Path) -> Set:
    (tmp_path / "token").write_text(OURS)

    def make(**said: Any) -> vault.VaultEnforcer:
        entry = {
            "address": vault_lab.address,
            "realms": ["vault:lab"],
            "token": f"file:{tmp_path}/token",
        }
        return vault.VaultEnforcer(vault_server.server(entry | said), allow_private=True)

    return make


def target(lab: Lab, kind: str, name: str) -> Target:
    extra = {"role": ROLE} if kind == "secret_id" else {}
    return Target("vault", lab.address, kind, name, extra)


def made(lab: Lab, kind: str) -> Target:
    """One of the kind, alive."""
    names: dict[str, Callable[[], str]] = {
        "token": lab.login,
        "lease": lab.lease,
        "lease_prefix": lambda: lab.lease() and PREFIX,
        "secret_id": lab.secret_id,
        "entity": lab.entity,
    }
    return target(lab, kind, names[kind]())


def now() -> datetime:
    return datetime.now(UTC)


def revoke(at: vault.VaultEnforcer, one: Target) -> str:
    return at.revoke(one, key="REV-7", now=now()).detail


def state(at: vault.VaultEnforcer, one: Target, step: Any = "revoke") -> str:
    return at.verify(one, step=step, now=now()).state
