"""Vault and OpenBao in the table of outside systems: tokens, leases, secret ids and entities.

Owns the way from a credential and an identity's entities to what the Vault enforcer takes. Must not
know of rows of revocations.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.conf import settings

from evidence.models import Actor, Event, Term
from identities.enforcers import configured, vault
from identities.enforcers.contract import PermanentFailure, Target
from identities.enforcers.vault_server import NAMES, Server, server
from identities.models import Credential

from .owned import bound, live, owned
from .systems import ADMINISTRATOR, NoTarget, System

# The path of a secret id's issue: a namespace's, its AppRole, and what was asked of that.
ISSUED = re.compile(r"(?:(?P<space>.*?)/)?(?P<role>auth/.+/role/[^/]+)/(?:custom-)?secret-id")


def servers() -> list[Server]:
    """Each server and namespace. Raises PermanentFailure when their settings are wrong."""
    return [server(entry) for entry in configured.entries(settings.ENFORCERS, "vault")]


def _enforcer(account: str) -> vault.VaultEnforcer:
    for one in servers():
        if one.account == account:
            return vault.VaultEnforcer(one, allow_private=bool(settings.ALLOW_PRIVATE))
    raise PermanentFailure(f"No enforcer for {account} is set up.", who_must_act=ADMINISTRATOR)


def _of_credential(credential: Credential, names: Sequence[Actor], now: datetime) -> Target | None:  # noqa: ARG001 -- the table gives each the same
    actor = credential.actor
    if actor.kind not in ("token", "secret") or not actor.realm.startswith("vault"):
        return None
    try:
        those = [one for one in servers() if actor.realm in one.realms]
    except PermanentFailure as problem:
        raise NoTarget(problem.reason) from None
    if not those:
        return None
    name, kind = actor.value, "token"
    if actor.kind == "secret":
        kind = "secret_id" if "/" not in name else "lease_prefix" if name[-1] == "/" else "lease"
    if kind != "secret_id":
        at = _one(those, name.rsplit("/", 1)[-1], credential.short)
        return Target("vault", at.account, kind, name)
    space, role = _approle(credential)
    those = [one for one in those if one.namespace == space]
    if len(those) != 1:
        raise NoTarget(f"The namespace {space or 'root'} of {credential.short} is not set up.")
    return Target("vault", those[0].account, kind, name, {"role": role})


def _one(those: Sequence[Server], name: str, called: str) -> Server:
    """The server of this name. What is not of the root namespace has its id behind a point."""
    if len(those) > 1:
        those = [one for one in those if bool(one.namespace) == ("." in name)]
    if len(those) != 1:
        raise NoTarget(
            f"Of which namespace {called} is cannot be told: several are set up for its realm."
        )
    return those[0]


def _approle(credential: Credential) -> tuple[str, str]:
    """(namespace, path of the role) by the event that issued the secret id."""
    path = ""
    if credential.issued_at is not None and credential.issued_event is not None:
        event = Event.objects.filter(at=credential.issued_at, id=credential.issued_event)
        named = Term.objects.filter(pk__in=event.values("resource_id"))
        path = named.values_list("value", flat=True).first() or ""
    found = ISSUED.fullmatch(path)
    if found is None:
        raise NoTarget(
            f"Of which AppRole {credential.short} is cannot be told: its issue is not in evidence."
        )
    return found["space"] or "", found["role"]


def entities(names: Iterable[Actor]) -> list[Target]:
    """The entities that these names are, each once."""
    known = [one for one in names if one.kind == "account" and one.realm.startswith("vault")]
    found = {}
    for actor in known:
        if NAMES["entity"].fullmatch(actor.value) is None:
            continue
        try:
            those = [one for one in servers() if actor.realm in one.realms]
            accounts = [_one(those, actor.value, actor.value).account] if those else []
        except (NoTarget, PermanentFailure):
            # Nobody can act on it there, and its row says why; our own door is closed all the same.
            accounts = [actor.realm]
        for at in accounts:
            found[at, actor.value] = Target("vault", at, "entity", actor.value)
    return [found[key] for key in sorted(found)]


def _owned(now: datetime) -> Mapping[str, list[Target]]:
    """The entities and live credentials of each server."""
    known = servers()
    realms = {realm for one in known for realm in one.realms}
    those = bound(entities, realms, ["account"], now=now)
    credentials = live(_of_credential, realms, ["token", "secret"], now=now)
    return owned([one.account for one in known], [*those, *credentials])


SYSTEM = System(_enforcer, _of_credential, vault.cannot, _owned, of_names=entities)
