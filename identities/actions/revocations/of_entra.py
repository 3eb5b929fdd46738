"""Entra tenants in the table of outside systems: which keys, users and principals are targets.

Owns the way from a credential and an identity's names to what the Entra enforcer takes. Must not
know of rows of revocations.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from django.conf import settings
from django.db.models import Q

from evidence.models import Actor
from identities.enforcers import configured, entra, entra_graph
from identities.enforcers.contract import PermanentFailure, Target
from identities.models import Binding, Credential, Entitlement

from .owned import bound, owned
from .systems import ADMINISTRATOR, NoTarget, System

REALM = "entra:"
KEYS = {"key": "key", "certificate": "key", "federated": "federated"}
PRINCIPALS = ("service_principal", "managed_identity", "agent_id")
KINDS = (*PRINCIPALS, "app", "user")


def tenants() -> dict[str, entra_graph.Tenant]:
    """The tenants that are set up. Raises PermanentFailure when their settings are wrong."""
    found = map(entra_graph.tenant, configured.entries(settings.ENFORCERS, "entra"))
    return {one.tenant: one for one in found}


def _enforcer(account: str) -> entra.EntraEnforcer:
    tenant = tenants().get(account)
    if tenant is None:
        raise PermanentFailure(f"No enforcer for {account} is set up.", who_must_act=ADMINISTRATOR)
    return entra.EntraEnforcer(tenant, allow_private=bool(settings.ALLOW_PRIVATE))


def _of_credential(credential: Credential, names: Sequence[Actor], now: datetime) -> Target | None:  # noqa: ARG001 -- the table gives each the same
    actor = credential.actor
    kind = KEYS.get(actor.kind)
    if kind is None or not actor.realm.startswith(REALM):
        return None
    try:
        if actor.realm.removeprefix(REALM) not in tenants():
            return None
    except PermanentFailure as problem:
        raise NoTarget(problem.reason) from None
    around: dict[str, str] = {}
    for owner in (credential.issued_to, actor.parent, credential.seen_with, *names):
        if owner is not None and owner.realm == actor.realm:
            around = _around(owner) | around
    if around:
        return Target("entra", actor.realm.removeprefix(REALM), kind, actor.value, around)
    raise NoTarget(
        f"Whose key {credential.short} is cannot be told: neither its issue nor a binding names an"
        " application or service principal."
    )


def _around(owner: Actor) -> dict[str, str]:
    """Where a key of this owner is looked for: at its principal, or at its application."""
    if entra_graph.GUID.fullmatch(owner.value) is None:
        return {}
    if owner.kind in PRINCIPALS:
        return {"principal": owner.value}
    return {"app": owner.value} if owner.kind == "app" else {}


def principals(names: Iterable[Actor]) -> list[Target]:
    """The users and service principals that these names stand for, each once."""
    found: dict[tuple[str, str], Target] = {}
    for actor, account in _in_ours(names):
        around, kind, name = _around(actor), "", actor.value
        if "principal" in around:
            kind = "service_principal"
        elif "app" in around:
            kind = "application"
        elif actor.kind == "user":
            # A login name can be given to somebody else; what stands above it is the object's id.
            kind, name = "user", actor.value if actor.parent is None else actor.parent.value
        if kind:
            found[account, name] = Target("entra", account, kind, name)
    return [found[key] for key in sorted(found)]


def _in_ours(names: Iterable[Actor]) -> Iterator[tuple[Actor, str]]:
    """Those of a tenant that is set up, each with its tenant. Of every tenant while the settings
    are wrong: the row then says so, and our own door is closed all the same."""
    theirs = [(one, one.realm.removeprefix(REALM)) for one in names if one.realm.startswith(REALM)]
    if not theirs:
        return
    try:
        known: Iterable[str] = tenants()
    except PermanentFailure:
        known = {account for _, account in theirs}
    yield from (one for one in theirs if one[1] in known)


def _owned(now: datetime) -> Mapping[str, list[Target]]:
    """The principals that we may have to act on in each tenant."""
    known = tenants()
    realms = [REALM + tenant for tenant in known]
    return owned(known, bound(principals, realms, KINDS, now=now))


def _cannot(target: Target, step: str) -> str:
    try:
        tenant = tenants().get(target.account)
    except PermanentFailure:
        tenant = None  # the row says what is wrong with the settings
    if tenant is None or not tenant.entitlements:
        return entra.not_set_up(target, step) or entra.cannot(target, step)
    return entra.cannot(target, step)


def _any_set_up() -> bool:
    """Whether what somebody is allowed is changed from here in any tenant: nobody is asked for else."""
    try:
        return any(one.entitlements for one in tenants().values())
    except PermanentFailure:
        return False  # the row says what is wrong with the settings


def _of_entitlement(row: Entitlement) -> Target | None:
    """The principal whose grants these are, where they are changed from here. A reading names it by
    its object id; the identity may be bound to what stands above that, its application."""
    if row.system != "entra" or not _any_set_up():
        return None
    bound = Binding.objects.filter(
        Q(actor__value=row.principal) | Q(actor__children__value=row.principal),
        identity=row.identity_id,
        superseded_at=None,
        state="confirmed",
        actor__realm__startswith=REALM,
    )
    names = [one.actor for one in bound.select_related("actor__parent").distinct()]
    found = [one for one in principals(names) if not _cannot(one, "narrow")]
    return found[0] if len(found) == 1 else None


SYSTEM = System(
    _enforcer, _of_credential, _cannot, _owned, of_names=principals, of_entitlement=_of_entitlement
)
