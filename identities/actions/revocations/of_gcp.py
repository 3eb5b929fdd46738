"""Projects of Google Cloud in the table of outside systems: which accounts and keys are targets.

Owns the way from a credential and an identity's names to what the Google Cloud enforcer takes. Must
not know of rows of revocations.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.conf import settings

from evidence.formats.gcp.names import named
from evidence.models import Actor
from identities.enforcers import configured, gcp, gcp_projects
from identities.enforcers.contract import PermanentFailure, Target
from identities.enforcers.gcp_entitled import Reading
from identities.models import Credential, Entitlement

from .owned import bound, owned
from .systems import ADMINISTRATOR, NoTarget, System

REALM = "gcp:"
KEY = re.compile(r"serviceAccounts/(?P<account>[^/]+)/keys/(?P<key>[^/]+)")


def projects() -> dict[str, gcp_projects.Projects]:
    """The projects that are set up, each with its settings. Raises PermanentFailure when these are
    wrong."""
    found = map(gcp_projects.projects, configured.entries(settings.ENFORCERS, "gcp"))
    return {project: one for one in found for project in one.projects}


def _enforcer(account: str) -> gcp.GcpEnforcer:
    those = projects().get(account)
    if those is None:
        raise PermanentFailure(f"No enforcer for {account} is set up.", who_must_act=ADMINISTRATOR)
    return gcp.GcpEnforcer(those, account, allow_private=bool(settings.ALLOW_PRIVATE))


def _of_credential(credential: Credential, names: Sequence[Actor], now: datetime) -> Target | None:  # noqa: ARG001 -- the table gives each the same
    actor = credential.actor
    if actor.realm != "gcp" and not actor.realm.startswith(REALM):
        return None
    project = actor.realm.removeprefix(REALM)
    try:
        if actor.realm != "gcp" and project not in projects():
            return None
    except PermanentFailure as problem:
        raise NoTarget(problem.reason) from None
    if actor.kind == "session":
        raise NoTarget(
            "Google has nothing that ends one token of a service account: hold the identity."
        )
    found = KEY.fullmatch(actor.value) if actor.kind == "key" else None
    if found is None:
        return None
    if actor.realm == "gcp":
        raise NoTarget(
            f"In which project {credential.short} is cannot be told: evidence names its account by"
            " number alone."
        )
    account = found["account"].lower()
    return Target("gcp", project, "key", found["key"], {"account": account})


def principals(names: Iterable[Actor]) -> list[Target]:
    """The service accounts that these names stand for, each once."""
    theirs = [
        (one.realm.removeprefix(REALM), one.value.lower())
        for one in names
        if one.realm.startswith(REALM) and one.kind == "service_account"
    ]
    if not theirs:
        return []
    try:
        known: Iterable[str] = projects()
    except PermanentFailure:
        # The row says what is wrong with the settings; our own door is closed all the same.
        known = {project for project, _ in theirs}
    return [
        Target("gcp", project, "service_account", name)
        for project, name in sorted(set(theirs))
        if project in known and gcp.ADDRESS.fullmatch(name)
    ]


def _owned(now: datetime) -> Mapping[str, list[Target]]:
    """The accounts that we may have to act on in each project."""
    known = projects()
    realms = [REALM + project for project in known]
    return owned(known, bound(principals, realms, ["service_account"], now=now))


def _of_entitlement(row: Entitlement) -> Target | None:
    """The account whose bindings in its project these are, where they are changed from here."""
    if row.system != "gcp":
        return None
    name = named(row.principal)
    (found,) = principals([Actor(realm=name.realm, kind=name.kind, value=name.value)]) or (None,)
    return None if found is None or _cannot(found, "narrow") else found


def _cannot(target: Target, step: str) -> str:
    try:
        those = projects().get(target.account)
    except PermanentFailure:
        those = None  # the row says what is wrong with the settings
    said = gcp.not_set_up(target, step) if those is None or not those.entitlements else ""
    return said or gcp.cannot(target, step)


def readable() -> list[str]:
    """The realms whose accounts are read by their enforcer, and not by a list."""
    try:
        return [REALM + project for project, one in projects().items() if one.entitlements]
    except PermanentFailure:
        return []


def read(target: Target) -> Reading | None:
    """What an account is allowed in its project; None where the settings do not say that this is
    for us to change. Raises TemporaryFailure, PermanentFailure."""
    if target.kind != "service_account" or _cannot(target, "narrow"):
        return None
    return _enforcer(target.account).reading(target)


SYSTEM = System(
    _enforcer, _of_credential, _cannot, _owned, of_names=principals, of_entitlement=_of_entitlement
)
