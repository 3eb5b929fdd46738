"""The OAuth enforcer: tokens of any server that speaks RFC 7009 and RFC 7662.

Owns what each step means for a token, how it is read back and what lives on. Must not know rows,
cases or people; decides nothing about who may ask.

| kind  | hold, release | narrow       | suspend, resume | revoke                                 |
| token | not possible  | not possible | not possible    | what is held of it, the refresh token first |

A token is shown by its server to be dead (introspection says that it is not active), which is not
what the server answered when asked to revoke it: RFC 7009 lets it answer 200 to anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

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
    plain,
)
from .oauth_clients import Client, Kind, contained, held, only
from .oauth_server import INTROSPECT, Server
from .unable import Unable

WORDS: dict[Kind, str] = {"access_token": "access token", "refresh_token": "refresh token"}
MOST_LOOKED_AT = 20


def cannot(target: Target, step: str) -> str:
    """Why OAuth has no such step for this target; "" where it has."""
    if target.kind == "token" and step == "revoke":
        return ""
    return f"OAuth has no {step} for a {target.kind}: revoke the token, or hold the identity."


class OAuthEnforcer(Unable):
    """Revocation at one OAuth server, through the clients that tokens were issued to."""

    system = "oauth"

    def __init__(self, clients: Sequence[Client], *, allow_private: bool) -> None:
        """`clients`: all of one server."""
        self._clients, self._allow_private = list(clients), allow_private

    def cannot(self, target: Target, step: str) -> str:
        return cannot(target, step)

    # Steps

    def revoke(
        self,
        target: Target,
        *,
        key: str,
        now: datetime,  # noqa: ARG002 -- the contract gives every step the moment
        delete: bool = True,  # noqa: ARG002 -- the same: there is nothing to keep held
    ) -> Sent:
        """The end of a token, and of what its refresh token would still fetch."""
        at = self._at(target)
        found, reference = held(at.web, at.client, target.name), ""
        for kind, token in found.each():
            reference = at.revoke(token, kind, key=key)
        said = " and ".join(WORDS[kind] for kind, _ in found.each())
        return Sent(reference, f"{at.client.issuer} was shown the {said} of {target.name}.")

    # Looking at it afterwards

    def verify(
        self,
        target: Target,
        *,
        step: Step,
        now: datetime,
        since: datetime | None = None,  # noqa: ARG002 -- a token is one thing, whenever issued
        permissions: Sequence[Permission] = (),  # noqa: ARG002 -- the same
    ) -> Seen:
        """What introspection says of everything that is held of the token."""
        if self.cannot(target, step):
            raise self.not_possible(target, step)
        at = self._at(target)
        if not at.endpoints().introspection:
            said = f"{at.client.issuer} names no introspection endpoint: nothing shows it."
            return Seen("unknown", said, now)
        found = held(at.web, at.client, target.name).each()
        lives = [WORDS[kind] for kind, token in found if at.is_active(token, kind)]
        if lives:
            said = f"The {' and '.join(lives)} of {target.name} is active by introspection."
            return Seen("active", said, now)
        said = " and ".join(WORDS[kind] for kind, _ in found)
        return Seen("gone", f"The {said} of {target.name} is not active by introspection.", now)

    def residual(
        self,
        target: Target,
        *,
        since: datetime,
        now: datetime,
        sessions: Iterable[KnownSession] = (),
    ) -> list[Residual]:
        """What lives on after a token was revoked at `since`; ends that have passed are left out."""
        at = self._at(target)
        found = held(at.web, at.client, target.name)
        # Beyond the first of them, each is one that lives.
        lives = [
            Residual(plain(f"token {one.name}, which was issued for this one"), one.expires_at)
            for place, one in enumerate(one for one in sessions if one.issued_at <= since)
            if place >= MOST_LOOKED_AT or not at.is_seen_dead(one.name)
        ]
        seconds = at.client.access_token_seconds or found.seconds
        latest = None if seconds is None else since + timedelta(seconds=seconds)
        token = contained(found.access)
        if token.itself:
            what = "the access token, wherever it is taken without asking its server"
            lives.append(Residual(what, token.until or latest))
        if found.refresh:
            # RFC 7009, section 2.1: the server may end them with it, and may not.
            what = "other access tokens fetched with this refresh token, unless they ended with it"
            lives.append(Residual(what, latest))
        return [one for one in lives if one.until is None or one.until > now]

    def own_rights(self, targets: Sequence[Target] = ()) -> list[MissingRight]:
        """What is missing to revoke and to look, tried with a token that nobody has; and which of
        these targets could not be stopped today."""
        missing: list[MissingRight] = []
        for client in self._clients:
            missing += Server(client, self._allow_private).missing()
        if missing:
            return missing
        for target in targets[:MOST_LOOKED_AT]:
            at = self._at(target)
            try:
                found = held(at.web, at.client, target.name)
            except PermanentFailure as problem:
                missing.append(MissingRight("revoke what is not held", target.name, problem.reason))
                continue
            for kind, token in found.each():
                ends = contained(token).until
                # A server also says so of what it does not show to this client.
                if ends and ends > at.web.now() and not at.is_active(token, kind):
                    sentence = (
                        f"{at.client.issuer} says that the {WORDS[kind]} of {target.name} is not"
                        " active, which has not ended: allow Countersign's client to introspect"
                        " it, unless somebody has revoked it."
                    )
                    missing.append(MissingRight(INTROSPECT, target.name, plain(sentence)))
        return missing

    def _at(self, target: Target) -> Server:
        if target.kind != "token":
            raise PermanentFailure(
                f"The OAuth enforcer does not know the kind {target.kind}.",
                who_must_act="whoever asked for it",
            )
        return Server(only(self._clients, target.extra.get("client", "")), self._allow_private)
