"""A SCIM 2.0 service provider on loopback: it keeps users and groups, and what is done to them.

Owns paths, statuses, bodies and headers as RFC 7643 and RFC 7644 have them, as far as the enforcer
speaks to it: filters, lists in pages, PATCH and PUT, versions, errors. Written against the RFCs.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import pytest

from tests.evidence.sources.server import Answer, Request, There
from tests.identities.enforcers.any_method import METHODS, serving

TOKEN = "scim-token-of-the-tests-0123456789"
CORE = "urn:ietf:params:scim:schemas:core:2.0"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
FILTER = re.compile(r'([A-Za-z.]+) eq ("(?:[^"\\]|\\.)*")')
MEMBER = re.compile(r'members\[value eq ("(?:[^"\\]|\\.)*")\]')
PAGE = 2


@dataclass
class Provider:
    """What is in it. `lies`: changes are answered as done, and not done; `filters`: whether it
    looks at filters, or answers with everybody."""

    there: There
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    config: dict[str, Any] | None = field(
        default_factory=lambda: {"patch": {"supported": True}, "etag": {"supported": True}}
    )
    shows_groups: bool = True
    filters: bool = True
    lies: bool = False
    faults: dict[str, list[Answer]] = field(default_factory=dict)
    version: int = 0

    @property
    def url(self) -> str:
        return f"{self.there.url}/scim/v2"

    def fail(self, path: str, *answers: Answer) -> None:
        """The next requests at this path meet these, one each."""
        self.faults.setdefault(f"/scim/v2{path}", []).extend(answers)

    def changes(self) -> list[tuple[str, str]]:
        return [
            (one.method, one.path.removeprefix("/scim/v2"))
            for one in self.there.asked
            if one.method != "GET"
        ]

    def user(self, number: str, name: str, **more: Any) -> None:
        self.users[number] = {
            "schemas": [f"{CORE}:User"],
            "id": number,
            "userName": name,
            "active": True,
            "meta": {"resourceType": "User"},
            **more,
        }
        self._touch(self.users[number])

    def group(self, number: str, name: str, *members: str) -> None:
        self.groups[number] = {
            "schemas": [f"{CORE}:Group"],
            "id": number,
            "displayName": name,
            "members": [{"value": one} for one in members],
        }

    def _touch(self, user: dict[str, Any]) -> None:
        self.version += 1
        user["meta"] = {**user["meta"], "version": f'W/"{self.version}"'}

    # The door

    def answer(self, asked: Request) -> Answer:
        waiting = self.faults.get(asked.path)
        if waiting:
            return waiting.pop(0)
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return error(401, "", "who asks?")
        path = asked.path.removeprefix("/scim/v2")
        if path == "/ServiceProviderConfig":
            return error(404) if self.config is None else Answer(200, self.config)
        kind, _, number = path.removeprefix("/").partition("/")
        of = {"Users": self.users, "Groups": self.groups}.get(kind)
        if of is None:
            return Answer(404, "<html>nothing here")
        if not number:
            return self._list(asked, kind, list(of.values()))
        found = of.get(unquote(number))
        if found is None:
            return error(404, "", f"Resource {number} not found")
        return self._one(asked, kind, found)

    def _list(self, asked: Request, kind: str, rows: list[dict[str, Any]]) -> Answer:
        said = FILTER.fullmatch(asked.query.get("filter", ""))
        if said is None:
            return error(400, "invalidFilter", "the filter cannot be read")
        if self.filters:
            value = json.loads(said[2])
            rows = [one for one in rows if value in _values(one, said[1])]
        start = int(asked.query["startIndex"])
        shown = [self._shown(kind, one) for one in rows[start - 1 : start - 1 + PAGE]]
        return Answer(
            200,
            {
                "schemas": [LIST],
                "totalResults": len(rows),
                "startIndex": start,
                "itemsPerPage": len(shown),
                "Resources": shown,
            },
        )

    def _one(self, asked: Request, kind: str, found: dict[str, Any]) -> Answer:
        version = found.get("meta", {}).get("version", "")
        if asked.method == "GET":
            return Answer(200, self._shown(kind, found), {"ETag": version} if version else {})
        if asked.headers.get("if-match", version) != version:
            return error(412, "", "Failed to update: version")
        if asked.headers.get("content-type") != "application/scim+json" and asked.body:
            return error(400, "invalidSyntax", "no SCIM")
        if self.lies:
            return Answer(204)
        if asked.method == "DELETE":
            del self.users[found["id"]]
            return Answer(204)
        return self._change(asked, kind, found)

    def _change(self, asked: Request, kind: str, found: dict[str, Any]) -> Answer:
        body = asked.json()
        if asked.method == "PUT":
            if body.get("userName") != found["userName"]:
                return error(400, "mutability", "userName")
            kept = {name: found[name] for name in ("id", "meta")}
            found.clear()
            found.update(body | kept)
        elif not self.config or not self.config["patch"]["supported"]:
            return error(501, "", "no PATCH here")
        else:
            if body.get("schemas") != [PATCH]:
                return error(400, "invalidSyntax", "no PatchOp")
            for one in body["Operations"]:
                member = MEMBER.fullmatch(one["path"])
                if kind == "Groups" and one["op"] == "remove" and member is not None:
                    value = json.loads(member[1])
                    found["members"] = [m for m in found["members"] if m["value"] != value]
                elif one["op"] == "replace" and one["path"] == "active":
                    found["active"] = one["value"]
                else:
                    return error(400, "invalidPath", one["path"])
        if kind == "Users":
            self._touch(found)
        return Answer(200, self._shown(kind, found), {"X-Request-Id": f"r{self.version}"})

    def _shown(self, kind: str, one: dict[str, Any]) -> dict[str, Any]:
        if kind != "Users" or not self.shows_groups:
            return dict(one)
        groups = [
            {"value": group["id"], "display": group["displayName"], "type": "direct"}
            for group in self.groups.values()
            if any(member["value"] == one["id"] for member in group["members"])
        ]
        return {**one, "groups": groups + list(one.get("groups", []))}


def _values(one: dict[str, Any], path: str) -> list[Any]:
    name, _, below = path.partition(".")
    found = one.get(name)
    return [each.get(below) for each in found or []] if below else [found]


def error(status: int, kind: str = "", detail: str = "") -> Answer:
    """A refusal as RFC 7644 (3.12) has it; the status is a text."""
    said = {"schemas": [ERROR], "status": str(status), "detail": detail}
    return Answer(status, said | ({"scimType": kind} if kind else {}))


@pytest.fixture
def scim_lab() -> Iterator[Provider]:
    """A provider of its own for each test."""
    with serving() as there:
        found = Provider(there)
        for method in METHODS:
            there.on(method, "/*", found.answer)
        yield found
