"""Okta orgs in the table of outside systems: which people, apps, agents and credentials are targets.

Owns the way from a credential and an identity's names to what the Okta enforcer takes. Must not
know of rows of revocations.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.conf import settings

from evidence.models import Actor
from identities.enforcers import configured, okta, okta_orgs
from identities.enforcers.contract import PermanentFailure, Target
from identities.enforcers.okta_server import is_id
from identities.models import Binding, Credential, Entitlement

from .owned import bound, live, owned
from .systems import ADMINISTRATOR, NoTarget, System

# What evidence calls a name, and what the enforcer calls it.
PRINCIPALS = {"user": "user", "app": "app", "agent_id": "agent"}
OWNED = ("api_token", "key", "secret")


def orgs() -> list[okta_orgs.Org]:
    """The orgs that are set up. Raises PermanentFailure when their settings are wrong."""
    return [okta_orgs.org(entry) for entry in configured.entries(settings.ENFORCERS, "okta")]


def _enforcer(account: str) -> okta.OktaEnforcer:
    for one in orgs():
        if one.url == account:
            return okta.OktaEnforcer(one, allow_private=bool(settings.ALLOW_PRIVATE))
    raise PermanentFailure(f"No enforcer for {account} is set up.", who_must_act=ADMINISTRATOR)


def _of_credential(credential: Credential, names: Sequence[Actor], now: datetime) -> Target | None:  # noqa: ARG001 -- the table gives each the same
    actor = credential.actor
    if not actor.realm.startswith("okta:"):
        return None
    try:
        org = next((one for one in orgs() if one.realm == actor.realm), None)
    except PermanentFailure as problem:
        raise NoTarget(problem.reason) from None
    if org is None or actor.kind not in (*OWNED, "token"):
        return None
    if actor.kind == "api_token":
        return Target("okta", org.url, "api_token", actor.value)
    whose = _holders(credential, [] if actor.kind == "token" else names)
    if actor.kind in ("key", "secret"):
        of = {kind: name for kind, name in whose.items() if kind != "user"}
        if not of:
            raise NoTarget(f"Whose {actor.kind} {credential.short} is cannot be told at {org.url}.")
        return Target("okta", org.url, actor.kind, actor.value, of)
    return _of_token(credential, whose, org.url)


def _of_token(credential: Credential, whose: Mapping[str, str], url: str) -> Target:
    """Okta ends a refresh token by its id, and no access token: only all that somebody's consent
    gave an app."""
    name = credential.actor.value
    if "app" not in whose:
        raise NoTarget(
            f"Which app was given {credential.short} cannot be told: hold whoever it is for."
        )
    if is_id("refresh_token", name):
        return Target("okta", url, "refresh_token", name, {"app": whose["app"]})
    if "user" not in whose:
        raise NoTarget(
            f"Okta ends no access token by its id, and {credential.short} was given to an app for"
            " itself: hold the app; the token ends by itself within a day."
        )
    return Target("okta", url, "app_grant", whose["user"], {"app": whose["app"]})


def _holders(credential: Credential, names: Sequence[Actor]) -> dict[str, str]:
    """Whose it is, by kind: what its issue says, then what it was seen with, then its identity."""
    found: dict[str, str] = {}
    above = (credential.issued_to, credential.actor.parent, credential.seen_with, *names)
    for owner in above:
        if owner is None or owner.realm != credential.actor.realm:
            continue
        kind = PRINCIPALS.get(owner.kind, "")
        if kind and (kind == "user" or is_id(kind, owner.value)):
            found.setdefault(kind, owner.value)
    return found


def principals(names: Iterable[Actor]) -> list[Target]:
    """The people, apps and agents that these names are, each once."""
    known = [one for one in names if one.realm.startswith("okta:") and one.kind in PRINCIPALS]
    if not known:
        return []
    try:
        urls = {one.realm: one.url for one in orgs()}
    except PermanentFailure:
        # Nobody can act there, and the row says why; our own door is closed all the same.
        urls = {actor.realm: actor.realm for actor in known}
    found = {
        (urls[actor.realm], PRINCIPALS[actor.kind], actor.value)
        for actor in known
        if actor.realm in urls
    }
    return [Target("okta", *one) for one in sorted(found)]


def _owned(now: datetime) -> Mapping[str, list[Target]]:
    """The principals and standing credentials of each org."""
    known = orgs()
    realms = [one.realm for one in known]
    those = bound(principals, realms, PRINCIPALS, now=now)
    return owned(
        [one.url for one in known], [*those, *live(_of_credential, realms, OWNED, now=now)]
    )


def _cannot(target: Target, step: str) -> str:
    try:
        org = next((one for one in orgs() if one.url == target.account), None)
    except PermanentFailure:
        org = None  # the row says what is wrong with the settings
    said = okta.not_set_up(target, step) if org is None or not org.entitlements else ""
    return said or okta.cannot(target, step)


def _any_set_up() -> bool:
    """Whether what somebody is allowed is changed from here at any org: nobody is asked for else."""
    try:
        return any(one.entitlements for one in orgs())
    except PermanentFailure:
        return False  # the row says what is wrong with the settings


def _of_entitlement(row: Entitlement) -> Target | None:
    """Who is allowed this, where it is changed from here."""
    if row.system != "okta" or not _any_set_up():
        return None
    bound = Binding.objects.filter(
        identity=row.identity_id,
        superseded_at=None,
        state="confirmed",
        actor__value=row.principal,
        actor__realm__startswith="okta:",
    )
    names = principals(one.actor for one in bound.select_related("actor"))
    found = [one for one in names if not _cannot(one, "narrow")]
    return found[0] if len(found) == 1 else None


SYSTEM = System(
    _enforcer, _of_credential, _cannot, _owned, of_names=principals, of_entitlement=_of_entitlement
)
