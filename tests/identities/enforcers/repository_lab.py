"""A repository at GitHub on loopback: branches, files and pull requests, as the enforcer asks for them.

Owns paths, statuses and bodies as docs.github.com documents them for REST (repository contents, Git
references, pull requests). The sign-in of Apps is that of the organisation beside it.
"""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.evidence.sources.server import Answer, Request, There
from tests.identities.enforcers.any_method import METHODS, serving
from tests.identities.enforcers.github_lab import OWNER, Organisation, error

REPOSITORY = "infrastructure"
TOP = f"/repos/{OWNER}/{REPOSITORY}"
type Files = dict[str, str]


@dataclass
class Repository:
    """What is in it. A commit is all of its files; `lies`: changes are answered and not made."""

    there: There
    signing: Organisation
    commits: dict[str, Files] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    permissions: dict[str, str] = field(
        default_factory=lambda: {"contents": "write", "pull_requests": "write"}
    )
    lies: bool = False
    faults: dict[tuple[str, str], list[Answer]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.there.url

    def fail(self, method: str, path: str, *answers: Answer) -> None:
        self.faults.setdefault((method, TOP + path), []).extend(answers)

    def changes(self) -> list[tuple[str, str]]:
        return [
            (one.method, one.path.removeprefix(TOP))
            for one in self.there.asked
            if one.method != "GET" and one.path.startswith(TOP)
        ]

    def commit(self, branch: str, files: Files) -> None:
        """These files on top of what the branch has."""
        whole = self.commits.get(self.branches.get(branch, ""), {}) | files
        sha = hashlib.sha256(repr((len(self.commits), whole)).encode()).hexdigest()
        self.commits[sha] = whole
        self.branches[branch] = sha

    def files(self, branch: str = "main") -> Files:
        return self.commits[self.branches[branch]]

    def merge(self, number: int) -> None:
        """As the one who merges does it."""
        pull = self.pulls[number - 1]
        self.commit("main", self.files(pull["branch"]))
        pull.update(state="closed", merged_at="2026-11-27T08:00:00Z", merged_by={"login": "mia"})

    def close(self, number: int) -> None:
        self.pulls[number - 1].update(state="closed", closed_by={"login": "otto"})

    # The door

    def answer(self, asked: Request) -> Answer:
        waiting = self.faults.get((asked.method, asked.path))
        if waiting:
            return waiting.pop(0)
        if not asked.path.startswith(TOP):
            self.signing.permissions = self.permissions
            return self.signing.answer(asked)
        if (
            asked.headers.get("authorization", "").removeprefix("Bearer ")
            not in self.signing.issued
        ):
            return error(401, "Bad credentials")
        path = asked.path.removeprefix(TOP)
        needed = "pull_requests" if path.startswith("/pulls") else "contents"
        level = self.permissions.get(needed, "")
        if not level or (asked.method != "GET" and level != "write"):
            return error(403 if level else 404, "Resource not accessible by integration")
        if path == "/pulls":
            return self._pulls(asked)
        if path.startswith("/contents/"):
            return self._contents(asked, path.removeprefix("/contents/"))
        return self._refs(asked, path)

    def _contents(self, asked: Request, path: str) -> Answer:
        body = asked.json() if asked.body else {}
        branch = asked.query.get("ref", body.get("branch", "main"))
        if branch not in self.branches or path not in self.files(branch):
            return error(404, "Not Found")
        text = self.files(branch)[path]
        sha = hashlib.sha256(text.encode()).hexdigest()
        if asked.method == "GET":
            coded = b64encode(text.encode()).decode()
            lines = "\n".join(coded[at : at + 60] for at in range(0, len(coded), 60)) + "\n"
            said = {"type": "file", "encoding": "base64", "path": path, "sha": sha}
            return Answer(200, said | {"content": lines})
        if body["sha"] != sha:
            return error(409, f"{path} does not match {body['sha']}")
        if not self.lies:
            self.commit(branch, {path: b64decode(body["content"]).decode()})
        return Answer(200, {"content": {"path": path}, "commit": {"sha": self.branches[branch]}})

    def _refs(self, asked: Request, path: str) -> Answer:
        if path == "/git/refs":
            body = asked.json()
            branch = body["ref"].removeprefix("refs/heads/")
            if branch in self.branches:
                return error(422, "Reference already exists")
            self.branches[branch] = body["sha"]
            return Answer(201, {"ref": body["ref"], "object": {"sha": body["sha"]}})
        branch = path.partition("/heads/")[2]
        if branch not in self.branches:
            return error(404, "Not Found")
        if asked.method == "PATCH":
            self.branches[branch] = asked.json()["sha"]
        sha = self.branches[branch]
        return Answer(
            200, {"ref": f"refs/heads/{branch}", "object": {"type": "commit", "sha": sha}}
        )

    def _pulls(self, asked: Request) -> Answer:
        if asked.method == "GET":
            branch = asked.query["head"].partition(":")[2]
            rows = [one for one in self.pulls if one["branch"] == branch]
            return Answer(200, rows[::-1])
        body = asked.json()
        if any(one["branch"] == body["head"] and one["state"] == "open" for one in self.pulls):
            return error(422, "Validation Failed")
        number = len(self.pulls) + 1
        pull = {
            "number": number,
            "state": "open",
            "html_url": f"https://github.example/{OWNER}/{REPOSITORY}/pull/{number}",
            "merged_at": None,
            "head": {"ref": body["head"], "label": f"{OWNER}:{body['head']}"},
            "base": {"ref": body["base"]},
            "title": body["title"],
            "body": body["body"],
            "branch": body["head"],
        }
        if not self.lies:
            self.pulls.append(pull)
        return Answer(201, pull)


@pytest.fixture
def repository_lab() -> Iterator[Repository]:
    """A repository of its own for each test."""
    with serving() as there:
        found = Repository(there, Organisation(there))
        for method in METHODS:
            there.on(method, "/*", found.answer)
        yield found
