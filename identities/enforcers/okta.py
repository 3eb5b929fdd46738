"""The Okta enforcer: people, apps, AI agents, their secrets and keys, API and refresh tokens.

Owns what each step means for each kind, how it is read back and what lives on. Must not know rows,
cases or people of ours; decides nothing about who may ask.

| kind          | hold, suspend          | release, resume | revoke                            |
| user          | suspend, sign out      | unsuspend       | deactivate, sign out              |
| app           | deactivate, end tokens | activate        | the same, then delete             |
| agent         | deactivate             | activate        | deactivate, then delete           |
| secret, key   | deactivate (hold)      | activate        | deactivate, then delete           |
| api_token     | not possible           | not possible    | revoke                            |
| refresh_token | not possible           | not possible    | revoke, with what it fetched      |
| app_grant     | not possible           | not possible    | one person's tokens and consents  |

What an app or a person is allowed is narrowed for good (okta_entitled.py), where the settings say so.

Sources: the pages named in okta_orgs.py, okta_server.py, okta_things.py and okta_people.py;
developer.okta.com, API tokens (a token works as long as its person is active) and Application
tokens; support.okta.com, Understanding the Okta for AI Agents kill switch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from . import okta_entitled, okta_rights
from .addresses import WHO
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
    plain,
)
from .okta_orgs import Org
from .okta_people import Person, client_of, person
from .okta_server import Server, identifier
from .okta_things import APPS_MANAGE, APPS_READ, KINDS, Thing, thing
from .unable import Unable

EVERY = frozenset({"hold", "release", "suspend", "resume", "revoke"})
NARROWED = ("app", "user")
STEPS: dict[str, frozenset[str]] = {
    "user": EVERY | {"narrow"},
    "app": EVERY | {"narrow"},
    "agent": EVERY,
    "secret": frozenset({"hold", "release", "revoke"}),
    "key": frozenset({"hold", "release", "revoke"}),
    "api_token": frozenset({"revoke"}),
    "refresh_token": frozenset({"revoke"}),
    "app_grant": frozenset({"revoke"}),
}
A = {
    "user": "a person",
    "app": "an app",
    "agent": "an AI agent",
    "secret": "a client secret",
    "key": "a key",
    "api_token": "an API token",
    "refresh_token": "a refresh token",
    "app_grant": "what somebody let an app do",
}
INSTEAD = {
    "api_token": "revoke it, or hold the person it acts as",
    "refresh_token": "revoke it, or hold the app",
    "app_grant": "revoke it, or hold the app or the person",
}


def cannot(target: Target, step: str) -> str:
    """Why Okta has no such step for this target; "" where it has."""
    if step in STEPS.get(target.kind, ()):
        return ""
    if step == "narrow":
        instead = "take groups, administrator roles or scopes away there, or hold it"
    else:
        instead = INSTEAD.get(target.kind, "hold or revoke it")
    if target.kind.endswith("_entitlement"):
        instead = "narrow it for good, or hold whoever is allowed it"
    kind = A.get(target.kind, f"what {target.kind.removesuffix('_entitlement')}s are allowed")
    return f"Okta has no {step} for {kind}: {instead}."


def not_set_up(target: Target, step: str) -> str:
    """Why what somebody is allowed is not changed from here, where the settings do not say so."""
    if step == "narrow" and target.kind in NARROWED:
        return (
            f"Okta has no narrow for {A[target.kind]}: take groups, administrator roles or scopes"
            " away there, or hold it. With entitlements: true in the enforcers' settings that is"
            " done from here, for good."
        )
    return ""


class OktaEnforcer(Unable):
    """Stops and revocations in one org."""

    system = "okta"

    def __init__(self, org: Org, *, allow_private: bool) -> None:
        self._org, self._allow_private = org, allow_private

    def cannot(self, target: Target, step: str) -> str:
        return cannot(target, step)

    # Steps

    def hold(self, target: Target, *, key: str = "", **_: Any) -> Sent:
        """A stop that can be undone; sessions and tokens that it ends are opened anew later."""
        return self._stopped(self._at(target, "hold"), target, key)

    def suspend(self, target: Target, *, key: str = "", **_: Any) -> Sent:
        return self._stopped(self._at(target, "suspend"), target, key)

    def release(self, target: Target, *, key: str = "", **_: Any) -> Sent:
        return self._started(self._at(target, "release"), target, key)

    def resume(self, target: Target, *, key: str = "", **_: Any) -> Sent:
        return self._started(self._at(target, "resume"), target, key)

    def narrow(self, target: Target, *, key: str = "", **said: Any) -> Sent:
        """Scopes, roles and memberships beyond what is left are taken away, for good."""
        at = self._at(target, "narrow")
        if not self._org.entitlements:
            raise PermanentFailure(not_set_up(target, "narrow"), who_must_act=WHO)
        return okta_entitled.narrow(okta_entitled.Holder(at, target), said["permissions"], key=key)

    def revoke(
        self,
        target: Target,
        *,
        key: str,
        now: datetime,  # noqa: ARG002 -- the contract gives every step the moment
        delete: bool = True,
    ) -> Sent:
        """The end of it. `delete=False` keeps what can be kept: suspended, or deactivated."""
        at = self._at(target, "revoke")
        if target.kind in KINDS:
            return self._removed(at, target, key, delete=delete)
        if target.kind == "user":
            return self._deactivated(at, target, key) if delete else self._stopped(at, target, key)
        if target.kind == "app_grant":
            return self._ungranted(at, target, key)
        path, _, manage = _token(target)
        reference = at.change("DELETE", path, scope=manage, key=key)
        return Sent(reference, f"Okta was asked to revoke {_words(target)}.")

    # Looking at it afterwards

    def verify(
        self,
        target: Target,
        *,
        step: Step,
        now: datetime,
        since: datetime | None = None,  # noqa: ARG002 -- each is one thing, whenever issued
        permissions: Sequence[Permission] = (),
    ) -> Seen:
        """What Okta shows of it when it is read anew."""
        at = self._at(target, step)
        if step == "narrow":
            return okta_entitled.seen(okta_entitled.Holder(at, target), permissions, now=now)
        state, said = self._looked(at, target)
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
        """What lives on after a stop at `since`; ends that have passed are left out."""
        at, org = self._at(target, "revoke"), self._org
        if target.kind == "api_token":
            return []  # Okta looks each time
        latest = since + timedelta(seconds=org.access_token_seconds)
        lives = [
            Residual("access tokens issued before, wherever they are taken without asking", latest)
        ]
        lives += [
            Residual(plain(f"token {one.name}, which was issued for this one"), one.expires_at)
            for one in sessions
            if one.issued_at <= since and (one.expires_at is None or one.expires_at > latest)
        ]
        if target.kind == "user":
            seconds = org.app_session_seconds
            until = None if seconds is None else since + timedelta(seconds=seconds)
            lives.append(Residual("sessions at the apps that they were signed in to", until))
        if target.kind == "agent":
            agent = thing(at, target)
            agent.look()
            if app := agent.linked():
                what = f"new tokens by way of the app {app}, until that is deactivated as well"
                lives.append(Residual(what, None))
        return [one for one in lives if one.until is None or one.until > now]

    def own_rights(self, targets: Sequence[Target] = ()) -> list[MissingRight]:
        """Scopes and roles that are missing; which of these targets could not be stopped today."""
        at = Server(self._org, self._allow_private)
        return okta_rights.missing(at, targets, look=self._looked)

    # What each kind needs

    def _stopped(self, at: Server, target: Target, key: str) -> Sent:
        if target.kind == "user":
            return self._suspended(person(at, target.name), key)
        one = thing(at, target)
        one.look()
        reference = ""
        if one.state == "ACTIVE":
            if one.only_one():
                raise _only_secret(one)
            reference = one.move("deactivate", key=key)
        if one.state:
            one.end_tokens(key=key)
        return Sent(reference, f"Okta was asked to deactivate {one.words}.")

    def _suspended(self, who: Person, key: str) -> Sent:
        reference = ""
        if who.state == "ACTIVE":
            reference = who.move("suspend", key=key)
        if who.found:
            reference = who.sign_out(key=key) or reference
        if who.state not in ("ACTIVE", "SUSPENDED", "DEPROVISIONED"):
            raise PermanentFailure(
                f"{who.name} was signed out, but is {who.state}, and Okta suspends only who is"
                " ACTIVE: revoke the identity, or have the account deactivated there.",
                who_must_act=self._org.administrator,
            )
        return Sent(reference, f"Okta was asked to suspend {who.name} and to sign them out.")

    def _started(self, at: Server, target: Target, key: str) -> Sent:
        if target.kind == "user":
            who = person(at, target.name)
            if who.state == "DEPROVISIONED":
                raise self._over(target)
            reference = who.move("unsuspend", key=key) if who.state == "SUSPENDED" else ""
            return Sent(reference, f"Okta was asked to let {who.name} in again.")
        one = thing(at, target)
        one.look()
        if one.state in ("", "STAGED"):
            raise self._over(target)
        reference = one.move("activate", key=key) if one.state == "INACTIVE" else ""
        return Sent(reference, f"Okta was asked to activate {one.words}.")

    def _removed(self, at: Server, target: Target, key: str, *, delete: bool) -> Sent:
        sent = self._stopped(at, target, key)
        if not delete:
            return sent
        one = thing(at, target)
        one.look()
        if one.state == "ACTIVE":
            raise one.being_deactivated()
        reference = one.delete(key=key) if one.state else sent.reference
        return Sent(reference, f"Okta was asked to delete {one.words}.")

    def _deactivated(self, at: Server, target: Target, key: str) -> Sent:
        who, reference = person(at, target.name), ""
        if who.found:
            reference = who.sign_out(key=key)
        if "DEPROVISIONED" not in (who.state, who.moving):
            reference = who.move("deactivate", key=key)
        return Sent(reference, f"Okta was asked to deactivate {who.name}.")

    def _ungranted(self, at: Server, target: Target, key: str) -> Sent:
        who, client, reference = person(at, target.name), client_of(target), ""
        if who.found:
            # Consents first: with one, a new token would be had without asking.
            for what in ("grants", "tokens"):
                reference = who.revoke(client, what, key=key) or reference
        return Sent(reference, f"Okta was asked to end what {_words(target)}.")

    def _looked(self, at: Server, target: Target) -> tuple[State, str]:
        if target.kind in KINDS:
            return _of_thing(thing(at, target))
        if target.kind == "user":
            return _of_person(person(at, target.name))
        if target.kind == "app_grant":
            who, client = person(at, target.name), client_of(target)
            lives = {
                what: who.living(client, what) if who.found else 0 for what in ("tokens", "grants")
            }
            said = f"Okta lists {lives['tokens']} refresh tokens and {lives['grants']} consents of"
            return ("active" if any(lives.values()) else "gone"), f"{said} {_words(target)}."
        path, read, _ = _token(target)
        found = at.read(path, scope=read)
        if found is not None and found.get("status") != "REVOKED":
            return "active", f"Okta lists {_words(target)}."
        return "gone", f"Okta lists no {_words(target)} any more."

    def _over(self, target: Target) -> PermanentFailure:
        return PermanentFailure(
            f"{_words(target)} cannot be let in again from here: it is gone, or was never active.",
            who_must_act=self._org.administrator,
        )

    def _at(self, target: Target, step: str) -> Server:
        """The org, where it is the target's and has this step; nothing is asked before that."""
        if target.account != self._org.url:
            raise PermanentFailure(
                f"{plain(target.name)} is of {plain(target.account)}, not of {self._org.url}:"
                " nothing of it is changed here.",
                who_must_act="whoever asked for it",
            )
        if self.cannot(target, step):
            raise self.not_possible(target, step)
        return Server(self._org, self._allow_private)


def _of_thing(one: Thing) -> tuple[State, str]:
    one.look()
    if not one.state:
        return "gone", f"Okta has no {one.words} any more."
    said = f"Okta shows {one.words} as {one.state}"
    if one.state == "ACTIVE":
        return "active", f"{said}."
    if lives := one.living_tokens():
        return "active", f"{said}, and {lives} refresh tokens of it that live."
    return "held", f"{said}."


def _of_person(who: Person) -> tuple[State, str]:
    said = f"Okta shows {who.name} as {who.state}"
    if who.moving:
        return "active", f"{said}, on the way to {who.moving}."
    if clients := who.clients_with_tokens():
        return "active", f"{said}, and refresh tokens of theirs live at {', '.join(clients)}."
    if who.state == "DEPROVISIONED":
        return "gone", f"{said}, without a refresh token."
    if who.state == "SUSPENDED":
        return "held", f"{said}, without a refresh token."
    return "active", f"{said}."


def _token(target: Target) -> tuple[str, str, str]:
    """Where a token stands, and the scopes to read and to revoke it."""
    number = identifier(target.kind, target.name)
    if target.kind == "api_token":
        return f"/api/v1/api-tokens/{number}", "okta.apiTokens.read", "okta.apiTokens.manage"
    return f"/api/v1/apps/{client_of(target)}/tokens/{number}", APPS_READ, APPS_MANAGE


def _words(target: Target) -> str:
    if target.kind == "app_grant":
        return f"{plain(target.name)} let {plain(target.extra.get('app', ''))} do"
    return f"{target.kind.replace('_', ' ')} {plain(target.name)}"


def _only_secret(one: Thing) -> PermanentFailure:
    return PermanentFailure(
        f"{one.words} is the only active secret of its app, which Okta does not deactivate: make"
        " another there first, or hold the app.",
        who_must_act=one.server.org.administrator,
    )
