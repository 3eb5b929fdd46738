"""The GitHub enforcer: installed Apps, fine-grained tokens, authorised credentials, deploy keys and
members of one organisation.

Owns what each step means for each kind, how it is read back and what is missing for it. Must not
know rows, cases or people of ours; decides nothing about who may ask.

| kind          | hold, suspend | release, resume | revoke                                       |
| app           | suspended     | unsuspended     | uninstalled                                  |
| token         | not possible  | not possible    | its access to the organisation               |
| authorization | not possible  | not possible    | a classic token's or SSH key's, by its sign-on |
| deploy_key    | not possible  | not possible    | deleted                                      |
| member        | not possible  | not possible    | removed from the organisation                |

Only an App itself suspends or removes its installation: its private key has to be at hand. Tokens of
installations and of people are ended by nobody who does not hold them: hold the App.

Sources: docs.github.com, REST: Apps (suspend, unsuspend and delete an installation; get an
organization installation for the authenticated app), Fine-grained personal access tokens of an
organization, SAML SSO authorizations of an organization, Deploy keys, Organization membership;
"Reviewing and revoking personal access tokens in your organization".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from identities.inventory.github import fingerprint

from .contract import (
    KnownSession,
    MissingRight,
    PermanentFailure,
    Permission,
    Residual,
    Seen,
    Sent,
    State,
    Step,
    Target,
    TemporaryFailure,
    plain,
)
from .github_server import NAME, NUMBER, Gone, Organisation, Server, Signer
from .unable import Unable
from .web import pause

EVERY = frozenset({"hold", "release", "suspend", "resume", "revoke"})
# What each kind is called, what may be done, and which permission of ours that needs.
KINDS = {
    "app": ("App", EVERY, ""),
    "token": ("fine-grained token", {"revoke"}, "organization_personal_access_tokens"),
    "authorization": ("authorised credential", {"revoke"}, "organization_administration"),
    "deploy_key": ("deploy key", {"revoke"}, "administration"),
    "member": ("member", {"revoke"}, "members"),
}
MOST_LOOKED_AT = 20


def cannot(target: Target, step: str) -> str:
    """Why GitHub has no such step for this target; "" where it has."""
    words, steps, _ = KINDS.get(target.kind, (target.kind, frozenset(), ""))
    if step in steps:
        return ""
    if step == "narrow":
        return "GitHub narrows nothing from outside: change permissions or teams there."
    article = "an" if words[0] in "Aa" else "a"
    return f"GitHub has no {step} for {article} {words}: revoke it, or hold the identity."


class GitHubEnforcer(Unable):
    """Stops and revocations in one organisation."""

    system = "github"

    def __init__(self, org: Organisation, *, allow_private: bool) -> None:
        self._org, self._allow_private = org, allow_private

    def cannot(self, target: Target, step: str) -> str:
        return cannot(target, step)

    # Steps

    def hold(self, target: Target, *, key: str = "", **_: Any) -> Sent:
        return self._suspended(target, "hold", key)

    def suspend(self, target: Target, *, key: str = "", **_: Any) -> Sent:
        return self._suspended(target, "suspend", key)

    def release(self, target: Target, *, key: str = "", **_: Any) -> Sent:
        return self._let_in(target, "release", key)

    def resume(self, target: Target, *, key: str = "", **_: Any) -> Sent:
        return self._let_in(target, "resume", key)

    def revoke(
        self,
        target: Target,
        *,
        key: str,
        now: datetime,  # noqa: ARG002 -- the contract gives every step the moment
        delete: bool = True,
    ) -> Sent:
        """The end of it at this organisation. `delete=False` suspends an App instead."""
        at = self._at(target, "revoke")
        if target.kind == "app" and not delete:
            return self._suspended(target, "suspend", key)
        reference = ""
        for path, body in self._standing(at, target):
            said: dict[str, Any] = {"json": body} if body else {}
            if target.kind == "app":
                said["signer"] = self._signer(target)
            method, right = ("POST" if body else "DELETE"), _right(target)
            reference = at.change(method, path, right=right, key=key, **said) or reference
        return Sent(reference, f"GitHub was asked to end {_words(target)} at {self._org.owner}.")

    # Looking at it afterwards

    def verify(
        self,
        target: Target,
        *,
        step: Step,
        now: datetime,
        since: datetime | None = None,  # noqa: ARG002 -- each is one thing, whenever issued
        permissions: Sequence[Permission] = (),  # noqa: ARG002 -- nothing is narrowed
    ) -> Seen:
        """What GitHub shows of it when it is read anew."""
        state, said = self._looked(self._at(target, step), target)
        # A suspension is confirmed by what refuses everything.
        shown: State = "denied" if state == "held" and step == "suspend" else state
        return Seen(shown, plain(said), now)

    def residual(
        self,
        target: Target,
        *,
        since: datetime,
        now: datetime,
        sessions: Iterable[KnownSession] = (),
    ) -> list[Residual]:
        """Nothing of it reaches the organisation after that; what evidence shows beside it."""
        self._at(target, "revoke")
        if target.kind == "app":
            return []  # suspended or removed, none of its tokens reaches what is the organisation's
        return [
            Residual(plain(f"token {one.name}, which was issued for this one"), one.expires_at)
            for one in sessions
            if one.issued_at <= since and (one.expires_at is None or one.expires_at > now)
        ]

    def own_rights(self, targets: Sequence[Target] = ()) -> list[MissingRight]:
        """Permissions that our installation lacks for these targets; which of them could not be
        stopped today. Nothing is changed."""
        at = Server(self._org, self._allow_private)
        at.sign_in()
        needed = {KINDS[one.kind][2]: one for one in targets if one.kind in KINDS}
        found = [
            MissingRight(
                name,
                self._org.owner,
                f"Countersign's App lacks the permission {name} (write): add it in the App's"
                f" settings, and have {self._org.administrator} accept the change.",
            )
            for name in sorted(filter(None, needed))
            if at.permissions.get(name) != "write"
        ]
        if found:
            return found
        for target in targets[:MOST_LOOKED_AT]:
            try:
                self._looked(self._at(target, "revoke", at), target)
            except PermanentFailure as problem:
                found.append(MissingRight(f"stop {target.kind}", target.name, problem.reason))
        return found

    # What each kind needs

    def _suspended(self, target: Target, step: str, key: str) -> Sent:
        at, reference = self._at(target, step), ""
        installed = self._installed(at, target)
        if installed is not None and not installed.get("suspended_at"):
            path = f"/app/installations/{_number(installed)}/suspended"
            signer, right = self._signer(target), _right(target)
            reference = at.change("PUT", path, right=right, key=key, signer=signer)
        return Sent(reference, f"GitHub was asked to suspend {_words(target)}.")

    def _let_in(self, target: Target, step: str, key: str) -> Sent:
        at, reference = self._at(target, step), ""
        installed = self._installed(at, target)
        if installed is None:
            raise PermanentFailure(
                f"{_words(target)} is not installed at {self._org.owner} any more: it has to be"
                " installed there anew.",
                who_must_act=self._org.administrator,
            )
        if installed.get("suspended_at"):
            path = f"/app/installations/{_number(installed)}/suspended"
            signer, right = self._signer(target), _right(target)
            reference = at.change("DELETE", path, right=right, key=key, signer=signer)
        return Sent(reference, f"GitHub was asked to let {_words(target)} in again.")

    def _looked(self, at: Server, target: Target) -> tuple[State, str]:
        if target.kind == "app":
            installed = self._installed(at, target)
            if installed is None:
                return "gone", f"{_words(target)} is not installed at {self._org.owner}."
            since = installed.get("suspended_at")
            if since:
                return "held", f"GitHub shows {_words(target)} as suspended since {since}."
            return "active", f"GitHub shows {_words(target)} as installed."
        if self._standing(at, target):
            return "active", f"GitHub lists {_words(target)} at {self._org.owner}."
        return "gone", f"GitHub lists {_words(target)} at {self._org.owner} no more."

    def _standing(self, at: Server, target: Target) -> list[tuple[str, dict[str, str]]]:
        """Where it stands now, and what to send there to end it; nothing where it is gone."""
        org, name, right = self._org.owner, target.name, _right(target)
        match target.kind:
            case "app":
                installed = self._installed(at, target)
                return [(f"/app/installations/{_number(installed)}", {})] if installed else []
            case "token":
                # One page, however many the organisation has.
                asked = {"token_id[]": name} if NUMBER.fullmatch(name) else {}
                rows = at.listed(f"/orgs/{org}/personal-access-tokens", right=right, **asked)
                those = [row for row in rows if _is(row, name, "token_id")]
                path, body = f"/orgs/{org}/personal-access-tokens", {"action": "revoke"}
                return [(f"{path}/{_number(row)}", body) for row in those]
            case "authorization":
                path = f"/orgs/{org}/credential-authorizations"
                names = ("fingerprint", "authorized_credential_id", "credential_id")
                return [
                    (f"{path}/{_number(row, 'credential_id')}", {})
                    for row in at.listed(path, right=right)
                    if _is(row, name, *names)
                ]
            case "deploy_key":
                path = f"/repos/{self._repository(target)}/keys"
                return [
                    (f"{path}/{_number(row)}", {})
                    for row in at.listed(path, right=right)
                    if _is(row, name, "id") or name == fingerprint(str(row.get("key") or "-"))
                ]
        return self._membership(at, target)

    def _membership(self, at: Server, target: Target) -> list[tuple[str, dict[str, str]]]:
        if NAME.fullmatch(target.name) is None:
            raise PermanentFailure(
                f"{plain(target.name)[:100]} is no login of GitHub's: it is not asked for.",
                who_must_act="whoever asked for it",
            )
        path = f"/orgs/{self._org.owner}/memberships/{target.name}"
        try:
            found = at.web.document(at.ask("GET", path, right=_right(target)))
        except Gone:
            return []
        user = found.get("user")
        login = user.get("login") if type(user) is dict else None
        if str(login).lower() != target.name.lower():
            raise TemporaryFailure(
                f"GitHub does not say whose membership {path} is.", retry_after=pause()
            )
        return [(path, {})]

    def _installed(self, at: Server, target: Target) -> dict[str, Any] | None:
        """The installation of an App at the organisation, as the App itself is shown it."""
        path = f"/orgs/{self._org.owner}/installation"
        try:
            answer = at.ask("GET", path, right=_right(target), signer=self._signer(target))
        except Gone:
            return None
        found = at.web.document(answer)
        if found.get("app_slug") != _slug(target) or not _number(found):
            raise PermanentFailure(
                f"The key in the enforcers' settings is not of {_words(target)} but of"
                f" {plain(str(found.get('app_slug')))}.",
                who_must_act="the administrator of Countersign",
            )
        return found

    def _signer(self, target: Target) -> Signer:
        found = self._org.apps.get(_slug(target))
        if found is None:
            raise PermanentFailure(
                f"Only the {_words(target)} itself suspends or removes its installation, and its private"
                f" key is not set up here: suspend it at {self._org.owner} by hand.",
                who_must_act=self._org.administrator,
            )
        return found

    def _repository(self, target: Target) -> str:
        """The repository of a deploy key, which has to be one of the organisation's."""
        owner, _, name = target.extra.get("repository", "").partition("/")
        plain_name = name.replace(".", "a").replace("-", "a").replace("_", "a")
        if (
            owner.lower() != self._org.owner.lower()
            or not (plain_name.isascii() and plain_name.isalnum())
            or name in (".", "..")
            or len(name) > 100
        ):
            raise PermanentFailure(
                f"The deploy key {plain(target.name)[:100]} is of no repository of"
                f" {self._org.owner}: it is not asked for.",
                who_must_act="whoever asked for it",
            )
        return f"{self._org.owner}/{name}"

    def _at(self, target: Target, step: str, at: Server | None = None) -> Server:
        """The organisation, where it is the target's and has this step; nothing is asked before."""
        if target.account != self._org.account:
            raise PermanentFailure(
                f"{plain(target.name)} is of {plain(target.account)}, not of {self._org.account}:"
                " nothing of it is changed here.",
                who_must_act="whoever asked for it",
            )
        if self.cannot(target, step):
            raise self.not_possible(target, step)
        return at or Server(self._org, self._allow_private)


def _slug(target: Target) -> str:
    """Evidence names an App as the log names what acts for it."""
    return target.name.removesuffix("[bot]").lower()


def _is(row: dict[str, Any], name: str, *members: str) -> bool:
    """Whether one of these names of it, which some lack, is this one."""
    return any(str(row[one]) == name for one in members if row.get(one) is not None)


def _number(row: dict[str, Any], name: str = "id") -> str:
    """GitHub's number of a thing, which stands in its address."""
    found = str(row.get(name))
    if NUMBER.fullmatch(found) is None:
        raise TemporaryFailure(
            f"GitHub answers without the number ({name}) of a thing.", retry_after=pause()
        )
    return found


def _right(target: Target) -> str:
    needed = KINDS[target.kind][2]
    return f"{needed} (write)" if needed else "act as that App"


def _words(target: Target) -> str:
    return f"{KINDS[target.kind][0]} {plain(target.name)[:200]}"
