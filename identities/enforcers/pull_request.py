"""The enforcer of access that is written down in a repository: one pull request for each revocation.

Owns what is asked of those who merge, and what proves that it happened: merged, the file at the
default branch names it no more, and the system that the file describes shows it gone, where that can
be looked at. Must not know rows: what was asked stands in a `Book`.

A pull request is no stop: until somebody merges it, everything goes on. What stops at once is a hold
at the target, or at our own door.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from .contract import (
    KnownSession,
    MissingRight,
    PermanentFailure,
    Permission,
    Residual,
    Seen,
    Sent,
    Step,
    Target,
    confirms,
    plain,
)
from .file_edits import Edit, Unsure
from .pull_request_repos import CONTENTS, PULLS, File, Pull, Repo, Repository, Written
from .unable import Unable

MOST_LOOKED_AT = 20
# How often an open pull request is looked at: after a quarter of what has been waited already.
SOONEST, LATEST = timedelta(seconds=30), timedelta(minutes=15)
# What is asked again, of a system that has to apply what was merged.
APPLIED = timedelta(minutes=2)


class Asked(NamedTuple):
    """One revocation as it was asked for: where its row stands, and for which case."""

    key: str
    state: str
    sent_at: datetime | None
    case: str


class Book(Protocol):
    """Where it is kept what was asked, and who can look at the system that a file describes."""

    def asked(self, target: Target, *, step: str, now: datetime) -> Asked | None: ...

    def wait(self, asked: Asked, *, until: datetime, why: str, now: datetime) -> None:
        """Leave it alone until then."""
        ...

    def at_target(self, target: Target, *, now: datetime) -> list[Seen]: ...

    def left_at_target(
        self, target: Target, *, since: datetime, now: datetime, sessions: Sequence[KnownSession]
    ) -> list[Residual] | None: ...


def cannot(target: Target, step: str) -> str:
    """Why there is no such step; "" where there is."""
    if step == "revoke":
        return ""
    return (
        f"A pull request is no {step}: until it is merged nothing changes for a"
        f" {target.kind.replace('_', ' ')}. What can be done at once is done at its own system and at"
        " our own door."
    )


class PullRequestEnforcer(Unable):
    """Revocations by pull request in one repository."""

    system = "pull_request"

    def __init__(
        self, repository: Repository, book: Book, *, base: str, allow_private: bool
    ) -> None:
        """`base`: of our own pages."""
        self._of, self._book, self._base = repository, book, base
        self._allow_private = allow_private

    def cannot(self, target: Target, step: str) -> str:
        return cannot(target, step)

    def revoke(
        self,
        target: Target,
        *,
        key: str,
        now: datetime,
        delete: bool = True,  # noqa: ARG002 -- a file has nothing that could be kept held
    ) -> Sent:
        """One pull request that takes it out of its file. One that is open already stands for it."""
        every, repo = self._at(target, "revoke")
        branch, where = self._branch(key), self._of.full_name
        standing = next((one for one in repo.pulls(branch) if one.state == "open"), None)
        if standing is not None:
            return Sent(standing.url, f"#{standing.number} of {where} is open already.")
        files, changed = self._files(repo, every, target.name), dict[str, str]()
        for path, edit in self._edits(every, target.name):
            text = changed.get(path, files[path].text)
            if self._sure(edit.names, text, target.name):
                changed[path] = self._sure(edit.without, text, target.name)
        if not changed:
            return Sent("", f"{_paths(files)} in {where} does not name {target.name}.")
        repo.begin(branch, key=key)
        title = f"Remove {target.name} ({key})"
        for path, text in changed.items():
            repo.write(path, branch, text, of=files[path], message=title, key=key)
        asked = self._book.asked(target, step="revoke", now=now)
        body = self._body(target, _paths(changed), key, "" if asked is None else asked.case)
        url = repo.open(branch, title=title, body=body, key=key)
        return Sent(url, f"A pull request was opened in {where}.")

    # Looking at it afterwards

    def verify(
        self,
        target: Target,
        *,
        step: Step,
        now: datetime,
        since: datetime | None = None,  # noqa: ARG002 -- the book knows when it was sent
        permissions: Sequence[Permission] = (),  # noqa: ARG002 -- nothing is narrowed
    ) -> Seen:
        """Whether it is merged, and gone from the file, and from the system that it describes."""
        every, repo = self._at(target, step)
        name = target.name
        asked = self._book.asked(target, step=step, now=now)
        pull = next(iter(repo.pulls(self._branch(asked.key))), None) if asked else None
        sent = asked is not None and asked.state == "sent"
        paths = self._naming(repo, every, name)
        named = bool(paths)
        shown = paths or [path for path, _ in self._edits(every, name)]
        there = f"{_paths(shown)} at {self._of.branch} of {self._of.full_name}"
        if named and sent and asked is not None and pull is not None and pull.state != "merged":
            return self._waits(asked, pull, there, now)
        merged = f"#{pull.number}" if pull is not None and pull.state == "merged" else ""
        if named:
            again = f" again, after {merged} was merged" if merged else ""
            return Seen("active", plain(f"{there} names {name}{again}."), now)
        by = f", by {merged}" if merged else ""
        said = f"{there} does not name {name} any more{by}"
        if all(one.proof != "target" for one in every):
            return Seen("gone", plain(f"{said}."), now)
        for seen in self._book.at_target(target, now=now):
            if not confirms(seen, step="revoke"):
                return self._not_applied(asked if sent else None, said, seen, now)
            said += f"; {seen.detail}"
        return Seen("gone", plain(said), now)

    def _waits(self, asked: Asked, pull: Pull, there: str, now: datetime) -> Seen:
        called = f"#{pull.number} of {self._of.full_name}"
        if pull.state == "closed":
            by = f" by {pull.by}" if pull.by else ""
            raise PermanentFailure(
                f"{called} was closed{by} without being merged, and {there} still names it: have it"
                " taken out there, or try again, which opens another.",
                who_must_act=self._of.who,
            )
        began = asked.sent_at or now
        ends = began + timedelta(seconds=self._of.merge_seconds)
        if now >= ends:
            raise PermanentFailure(
                f"{called} was merged by nobody until {ends:%Y-%m-%d %H:%M} UTC: merge it, or take it"
                " out of the file.",
                who_must_act=self._of.who,
            )
        why = f"{called} waits to be merged: {pull.url}"
        again = min(max((now - began) / 4, SOONEST), LATEST)
        self._book.wait(asked, until=min(ends, now + again), why=why, now=now)
        return Seen("active", plain(why), now)

    def _not_applied(self, asked: Asked | None, said: str, seen: Seen, now: datetime) -> Seen:
        """Merged is not applied: what applies it has as long as the merging had."""
        why = f"{said}, but its own system still shows it: {seen.detail}"
        if asked is not None:
            began = asked.sent_at or now
            ends = began + timedelta(seconds=self._of.merge_seconds)
            if now >= ends:
                raise PermanentFailure(f"{why} Apply what was merged.", who_must_act=self._of.who)
            self._book.wait(asked, until=min(ends, now + APPLIED), why=plain(why), now=now)
        return Seen("active", plain(why), now)

    def residual(
        self,
        target: Target,
        *,
        since: datetime,
        now: datetime,
        sessions: Iterable[KnownSession] = (),
    ) -> list[Residual]:
        """What its own system says lives on; where that cannot be asked, what a file cannot show."""
        every, _ = self._at(target, "revoke")
        known = list(sessions)
        if any(one.proof == "target" for one in every):
            left = self._book.left_at_target(target, since=since, now=now, sessions=known)
            if left is not None:
                return left
        ends = [one.session_seconds for one in every]
        latest = None
        if None not in ends:
            latest = since + timedelta(seconds=max(one for one in ends if one is not None))
        lives = [Residual("sessions opened before, which no file shows", latest)]
        lives += [
            Residual(plain(f"session {one.name}"), one.expires_at or latest)
            for one in known
            if one.issued_at <= since
        ]
        return [one for one in lives if one.until is None or one.until > now]

    def own_rights(self, targets: Sequence[Target] = ()) -> list[MissingRight]:
        """Permissions that Countersign's App lacks there; which targets could not be taken out of
        their files today. Nothing is changed."""
        repo = Repo(self._of, self._allow_private)
        missing = [
            MissingRight(
                name,
                self._of.full_name,
                f"Countersign's App lacks the permission {name} (write) in {self._of.full_name}: add"
                f" it in the App's settings, and have {self._of.app.administrator} accept it.",
            )
            for name in (CONTENTS, PULLS)
            if repo.permissions.get(name) != "write"
        ]
        for target in () if missing else targets[:MOST_LOOKED_AT]:
            try:
                every = self._written(target)
                files = self._files(repo, every, target.name)
                those = [
                    (path, edit)
                    for path, edit in self._edits(every, target.name)
                    if self._sure(edit.names, files[path].text, target.name)
                ]
                for path, edit in those:
                    self._sure(edit.without, files[path].text, target.name)
            except PermanentFailure as problem:
                missing.append(MissingRight(f"take out {target.kind}", target.name, problem.reason))
        return missing

    # What it is

    def names(self, target: Target) -> bool:
        """Whether the default branch names it now: what was taken out may be written in again."""
        every, repo = self._at(target, "revoke")
        return bool(self._naming(repo, every, target.name))

    def _edits(self, every: Sequence[Written], name: str) -> list[tuple[str, Edit]]:
        return [(self._sure(one.edit.place, name), one.edit) for one in every]

    def _files(self, repo: Repo, every: Sequence[Written], name: str) -> dict[str, File]:
        paths = dict.fromkeys(path for path, _ in self._edits(every, name))
        return {path: repo.file(path, self._of.branch) for path in paths}

    def _naming(self, repo: Repo, every: Sequence[Written], name: str) -> list[str]:
        """The files at the default branch that name it."""
        files = self._files(repo, every, name)
        found = (
            path
            for path, edit in self._edits(every, name)
            if self._sure(edit.names, files[path].text, name)
        )
        return list(dict.fromkeys(found))

    def _body(self, target: Target, paths: str, key: str, case: str) -> str:
        link = f"{self._base}/cases/{case}/" if case else f"{self._base}/revocations/?q={key}"
        return (
            f"{key} of Countersign: `{target.name}` is revoked, and {paths} still names it."
            f" This takes it out, and changes nothing else.\n\nWhy, and who decided: {link}\n\n"
            "Its access stays until this is merged and applied. Closed without merging, the"
            " revocation waits for a person, and says so."
        )

    def _branch(self, key: str) -> str:
        return f"{self._of.prefix}/{key.lower()}"

    def _sure[**P, T](self, do: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
        try:
            return do(*args, **more)
        except Unsure as problem:
            raise PermanentFailure(
                f"Nothing is guessed in {self._of.full_name}: {problem}. Take it out there by hand.",
                who_must_act=self._of.who,
            ) from None

    def _written(self, target: Target) -> list[Written]:
        realm = target.extra.get("realm", "")
        found = [
            one
            for one in self._of.written
            if realm in one.realms and target.kind in (*one.principals, *one.credentials)
        ]
        if found:
            return found
        raise PermanentFailure(
            f"The settings of {self._of.name} do not say where a {target.kind} of"
            f" {plain(realm)} is written down.",
            who_must_act="whoever asked for it",
        )

    def _at(self, target: Target, step: str) -> tuple[list[Written], Repo]:
        """Where it is written down; nothing is asked before that is clear."""
        if target.account != self._of.name:
            raise PermanentFailure(
                f"{plain(target.name)} is of {plain(target.account)}, not of {self._of.name}: nothing"
                " of it is changed here.",
                who_must_act="whoever asked for it",
            )
        if self.cannot(target, step):
            raise self.not_possible(target, step)
        return self._written(target), Repo(self._of, self._allow_private)


def _paths(paths: Iterable[str]) -> str:
    return ", ".join(paths)
