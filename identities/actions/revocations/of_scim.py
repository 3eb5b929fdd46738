"""SCIM service providers in the table of outside systems: which names are their users.

Owns the way from an identity's names to what the SCIM enforcer takes: the settings name realms, and
what each kind of name is there. SCIM knows no credentials. Must not know of rows of revocations.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.conf import settings

from evidence.models import Actor
from identities.enforcers import configured, scim, scim_server
from identities.enforcers.contract import PermanentFailure, Target
from identities.models import Credential

from . import unset
from .owned import bound, owned
from .systems import ADMINISTRATOR, System


def providers() -> list[scim_server.Provider]:
    """Those that are set up. Raises PermanentFailure when their settings are wrong."""
    return [scim_server.provider(one) for one in configured.entries(settings.ENFORCERS, "scim")]


def _enforcer(account: str) -> scim.ScimEnforcer:
    for one in providers():
        if one.url == account:
            return scim.ScimEnforcer(one, allow_private=bool(settings.ALLOW_PRIVATE))
    raise PermanentFailure(f"No enforcer for {account} is set up.", who_must_act=ADMINISTRATOR)


def _of_credential(credential: Credential, names: Sequence[Actor], now: datetime) -> Target | None:  # noqa: ARG001 -- the table gives each the same
    return None


def principals(names: Iterable[Actor]) -> list[Target]:
    """The users that these names are, each once."""
    try:
        known = providers()
    except PermanentFailure:
        return unset.named("scim", names)
    found = {
        (one.url, actor.kind, actor.value)
        for one in known
        for actor in names
        if actor.realm in one.realms and actor.kind in one.principals
    }
    return [Target("scim", *one) for one in sorted(found)]


def _owned(now: datetime) -> Mapping[str, list[Target]]:
    """The users that identities are bound to."""
    known = providers()
    realms = {realm for one in known for realm in one.realms}
    kinds = {kind for one in known for kind in one.principals}
    return owned([one.url for one in known], bound(principals, realms, kinds, now=now))


SYSTEM = System(_enforcer, _of_credential, scim.cannot, _owned, of_names=principals)
