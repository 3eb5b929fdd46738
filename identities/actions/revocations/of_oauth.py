"""OAuth servers in the table of outside systems: which tokens are targets, through which client.

Owns the way from a credential to what the OAuth enforcer takes. Must not know of rows of
revocations.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.conf import settings

from evidence.models import Actor
from identities.enforcers import configured, oauth, oauth_clients
from identities.enforcers.contract import PermanentFailure, Target
from identities.models import Credential

from .owned import live, owned
from .systems import ADMINISTRATOR, NoTarget, System


def servers() -> dict[str, list[oauth_clients.Client]]:
    """The clients at each OAuth server. Raises PermanentFailure when their settings are wrong."""
    found: dict[str, list[oauth_clients.Client]] = {}
    for entry in configured.entries(settings.ENFORCERS, "oauth"):
        one = oauth_clients.client(entry)
        found.setdefault(one.issuer, []).append(one)
    return found


def _enforcer(account: str) -> oauth.OAuthEnforcer:
    those = servers().get(account)
    if those is None:
        raise PermanentFailure(f"No enforcer for {account} is set up.", who_must_act=ADMINISTRATOR)
    return oauth.OAuthEnforcer(those, allow_private=bool(settings.ALLOW_PRIVATE))


def _of_credential(credential: Credential, names: Sequence[Actor], now: datetime) -> Target | None:  # noqa: ARG001 -- the table gives each the same
    actor = credential.actor
    if actor.kind != "token":
        return None
    try:
        known = servers()
    except PermanentFailure as problem:
        raise NoTarget(problem.reason) from None
    those = [one for each in known.values() for one in each if actor.realm in one.realms]
    if len(those) > 1:
        # A server revokes for the client that a token was issued to.
        above = (credential.issued_to, actor.parent, credential.seen_with)
        theirs = {owner.value for owner in above if owner is not None}
        those = [one for one in those if one.client_id in theirs]
        if len(those) != 1:
            raise NoTarget(
                f"To which client {credential.short} was issued cannot be told: several are set"
                f" up for {actor.realm}, and evidence names none of them."
            )
    return next((_token(one, actor) for one in those), None)


def _token(client: oauth_clients.Client, actor: Actor) -> Target:
    return Target("oauth", client.issuer, "token", actor.value, {"client": client.client_id})


def _owned(now: datetime) -> Mapping[str, list[Target]]:
    """The live tokens of each server."""
    known = servers()
    realms = {realm for each in known.values() for one in each for realm in one.realms}
    return owned(known, live(_of_credential, realms, ["token"], now=now))


SYSTEM = System(_enforcer, _of_credential, oauth.cannot, _owned)
