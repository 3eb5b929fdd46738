"""Repositories in which access is written down: what an installation says of each, and GitHub's files,
branches and pull requests there.

Owns the settings under `pull_request` (configured.py) and the requests. Must not know which step is
made or what an edit removes. The sign-in is github_server.py's.

Sources: docs.github.com, REST: Repository contents, Git references, Pull requests.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

from .configured import Entry, wrong
from .contract import PermanentFailure, TemporaryFailure, plain
from .file_edits import REMOVES, Edit
from .github_server import Gone, Organisation, Server, organisation
from .web import TooMuch, pause

ENTRY = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
REPOSITORY = re.compile(r"[A-Za-z0-9_.-]{1,100}")
BRANCH = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_./-]{0,98}[A-Za-z0-9])?")
CONTENTS, PULLS = "contents", "pull_requests"
WEEK = 7 * 24 * 3600
# GitHub answers with files of up to 1 MB, in base64 with line ends; the rest it names.
LARGEST = 2 << 20
PROOFS = ("target", "file")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What is written down where. `proof`: whether the system that the file describes is looked at
    too, where it can be."""

    realms: tuple[str, ...]
    edit: Edit
    principals: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()
    proof: str = "target"
    session_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """One repository, and Countersign's own App in it."""

    name: str
    app: Organisation
    repository: str
    branch: str
    written: tuple[Written, ...]
    prefix: str = "countersign"
    merge_seconds: int = WEEK
    administrator: str = ""

    @property
    def who(self) -> str:
        return self.administrator or f"whoever merges in {self.full_name}"

    @property
    def full_name(self) -> str:
        return f"{self.app.owner}/{self.repository}"

    @property
    def realms(self) -> frozenset[str]:
        return frozenset(realm for one in self.written for realm in one.realms)


_APP = ("owner", "client_id", "installation", "key", "url", "ca_file")
_OURS = ("name", "repository", "branch", "prefix", "merge_seconds", "administrator", "edits")
_TEXTS = ("name", "repository", "branch", "prefix", "administrator")


def repository(entry: Entry) -> Repository:
    """The repository an entry describes. Raises PermanentFailure with what is wrong."""
    where = f"pull_request, {entry.get('name', 'an entry without name')}"
    unknown = sorted(str(one) for one in set(entry) - {*_APP, *_OURS})
    if unknown:
        raise wrong(f"{where}: there is no {unknown[0]}")
    said = {
        "prefix": "countersign",
        "administrator": "",
        **{n: entry[n] for n in _OURS if n in entry},
    }
    for name in _TEXTS:
        if not isinstance(said.get(name, ""), str):
            raise wrong(f"{where}: {name} is no text")
    for name, shape in (
        ("name", ENTRY), ("repository", REPOSITORY), ("branch", BRANCH), ("prefix", BRANCH),
    ):  # fmt: skip
        text = said.get(name, "")
        if shape.fullmatch(text) is None or ".." in text or text.startswith("."):
            raise wrong(f"{where}: {name} is missing, or no name as GitHub has it")
    seconds = said.setdefault("merge_seconds", WEEK)
    if type(seconds) is not int or not 0 < seconds <= 26 * WEEK:
        raise wrong(f"{where}: merge_seconds is no number of seconds up to half a year")
    edits = said.pop("edits", None)
    if not isinstance(edits, list) or not edits or not all(isinstance(one, dict) for one in edits):
        raise wrong(f"{where}: edits is no list of what is written where")
    written = tuple(_written(f"{where}, edit {number}", one) for number, one in enumerate(edits, 1))
    app = organisation({name: entry[name] for name in _APP if name in entry})
    return Repository(**said, app=app, written=written)


def _written(where: str, one: dict[str, Any]) -> Written:
    known = {"realms", "principals", "credentials", "proof", "session_seconds"}
    unknown = sorted(str(name) for name in set(one) - known - set(Edit.__dataclass_fields__))
    if unknown:
        raise wrong(f"{where}: there is no {unknown[0]}")
    said = dict(one)
    for name in ("realms", "principals", "credentials"):
        found = said.get(name, [])
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise wrong(f"{where}: {name} is no list of texts")
        said[name] = tuple(found)
    for name in Edit.__dataclass_fields__:
        if not isinstance(said.get(name, "-"), str) or not said.get(name, "-").strip():
            raise wrong(f"{where}: {name} is no text")
    parts = said.get("path", "").split("/")
    if not all(part and part not in (".", "..") for part in parts):
        raise wrong(f"{where}: path is missing, or no path from the repository's top")
    if said.get("remove") not in REMOVES:
        raise wrong(f"{where}: remove is none of {', '.join(REMOVES)}")
    if "{name}" not in said.get("match", ""):
        raise wrong(f"{where}: match does not say where {{name}} stands in it")
    if said["remove"] != "block" and "end" in said:
        raise wrong(f"{where}: only a block has an end")
    if not said["realms"] or not (said["principals"] or said["credentials"]):
        raise wrong(f"{where}: realms, and principals or credentials, do not say whom it names")
    if said.get("proof", "target") not in PROOFS:
        raise wrong(f"{where}: proof is none of {', '.join(PROOFS)}")
    seconds = said.get("session_seconds")
    if seconds is not None and (type(seconds) is not int or seconds < 0):
        raise wrong(f"{where}: session_seconds is no number of seconds")
    edit = Edit(**{n: said.pop(n) for n in Edit.__dataclass_fields__ if n in said})
    return Written(**said, edit=edit)


class File(NamedTuple):
    """A file at one branch; `sha` is GitHub's name of these bytes."""

    text: str
    sha: str


class Pull(NamedTuple):
    """A pull request of ours."""

    number: int
    state: str  # open, merged, closed
    url: str
    by: str  # who closed or merged it, where GitHub says it


class Repo:
    """One repository, for one step."""

    def __init__(self, of: Repository, allow_private: bool) -> None:
        self.of, self._at = of, Server(of.app, allow_private)
        self._path = f"/repos/{of.full_name}"

    @property
    def permissions(self) -> dict[str, str]:
        self._at.sign_in()
        return self._at.permissions

    def file(self, path: str, branch: str) -> File:
        """The file as it stands there. Raises PermanentFailure where it is none that can be read."""
        right = f"{CONTENTS} (read)"
        asked = f"{self._path}/contents/{quote(path)}?ref={quote(branch, safe='')}"
        try:
            answer = self._at.ask("GET", asked, right=right, largest=LARGEST)
            found = self._at.web.document(answer)
        except TooMuch:
            raise self._too_large(path) from None
        except Gone:
            raise PermanentFailure(
                f"GitHub shows Countersign's App no file {path} at {branch} of {self.of.full_name}:"
                f" it is gone, or the App lacks the permission {right} there.",
                who_must_act=self.of.who,
            ) from None
        sha, content = found.get("sha"), found.get("content")
        if found.get("type") != "file" or found.get("encoding") != "base64":
            raise self._too_large(path)
        if not isinstance(sha, str) or not isinstance(content, str):
            raise self._unclear(f"without the content of {path}")
        try:
            return File(b64decode("".join(content.split()), validate=True).decode(), sha)
        except (binascii.Error, UnicodeDecodeError):
            raise PermanentFailure(
                f"{path} in {self.of.full_name} is no text in UTF-8: change it there.",
                who_must_act=self.of.who,
            ) from None

    def pulls(self, branch: str) -> list[Pull]:
        """The pull requests from a branch of ours, the newest first."""
        head = quote(f"{self.of.app.owner}:{branch}", safe="")
        base = quote(self.of.branch, safe="")
        asked = f"{self._path}/pulls?head={head}&base={base}&state=all&per_page=100"
        right = f"{PULLS} (read)"
        try:
            answer = self._at.ask("GET", asked, right=right)
        except Gone:
            raise self._hidden(right) from None
        try:
            rows = answer.json()
        except ValueError:
            rows = None
        if type(rows) is not list or not all(type(one) is dict for one in rows):
            raise self._unclear("the pull requests with what is no list")
        # Never somebody's fork, and never all of them where `head` was not looked at.
        label = f"{self.of.app.owner}:{branch}".casefold()
        ours = [_pull(one) for one in rows if _label(one).casefold() == label]
        return sorted(ours, key=lambda one: -one.number)

    def begin(self, branch: str, *, key: str) -> None:
        """Our branch, at where the default branch is now; whatever was left on it goes."""
        right = f"{CONTENTS} (write)"
        base = self._head(self.of.branch, right)
        if base is None:
            raise self._hidden(right)
        if self._head(branch, right) is None:
            body: dict[str, Any] = {"ref": f"refs/heads/{branch}", "sha": base}
            self._changed("POST", "/git/refs", right, key, body)
        else:
            body = {"sha": base, "force": True}
            self._changed("PATCH", f"/git/refs/heads/{quote(branch)}", right, key, body)

    def write(self, path: str, branch: str, text: str, *, of: File, message: str, key: str) -> None:
        """The file on our branch, where it is still what was read."""
        body = {
            "message": message,
            "content": b64encode(text.encode()).decode(),
            "sha": of.sha,
            "branch": branch,
        }
        self._changed("PUT", f"/contents/{quote(path)}", f"{CONTENTS} (write)", key, body)

    def open(self, branch: str, *, title: str, body: str, key: str) -> str:
        """A pull request from our branch; its address."""
        said = {"title": title, "body": body, "head": branch, "base": self.of.branch}
        found = self._changed("POST", "/pulls", f"{PULLS} (write)", key, said)
        return plain(str(found.get("html_url", "")))

    def _head(self, branch: str, right: str) -> str | None:
        path = f"{self._path}/git/ref/heads/{quote(branch)}"
        try:
            found = self._at.web.document(self._at.ask("GET", path, right=right))
        except Gone:
            return None
        of = found.get("object")
        sha = of.get("sha") if type(of) is dict else None
        if not isinstance(sha, str):
            raise self._unclear(f"without where {branch} is")
        return sha

    def _changed(
        self, method: str, path: str, right: str, key: str, body: dict[str, Any]
    ) -> dict[str, Any]:
        try:
            answer = self._at.ask(method, self._path + path, right=right, key=key, json=body)
        except Gone:
            raise self._hidden(right) from None
        except PermanentFailure as problem:
            if " answered 409" in problem.reason:
                raise TemporaryFailure(problem.reason, retry_after=pause()) from None
            raise
        return self._at.web.document(answer)

    def _too_large(self, path: str) -> PermanentFailure:
        return PermanentFailure(
            f"{path} in {self.of.full_name} is no file of up to 1 MB: change it there.",
            who_must_act=self.of.who,
        )

    def _hidden(self, right: str) -> PermanentFailure:
        return PermanentFailure(
            f"GitHub shows Countersign's App no {self.of.branch} of {self.of.full_name}: it is gone,"
            f" or the App lacks the permission {right} there.",
            who_must_act=self.of.who,
        )

    def _unclear(self, what: str) -> TemporaryFailure:
        return TemporaryFailure(f"GitHub answers {what}.", retry_after=pause())


def _label(one: dict[str, Any]) -> str:
    head = one.get("head")
    return str(head.get("label")) if type(head) is dict else ""


def _pull(one: dict[str, Any]) -> Pull:
    number, state = one.get("number"), one.get("state")
    if type(number) is not int or state not in ("open", "closed"):
        raise TemporaryFailure(
            "GitHub answers without the number of a pull request.", retry_after=pause()
        )
    by = one.get("closed_by") or one.get("merged_by")
    login = by.get("login") if type(by) is dict else ""
    shown = "merged" if one.get("merged_at") else state
    return Pull(number, shown, plain(str(one.get("html_url", ""))), plain(str(login or "")))
