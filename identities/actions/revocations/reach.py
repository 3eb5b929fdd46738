"""Which outside system a thing lives in, and the enforcer that can change it there.

Owns the table of systems, a row each. What a row holds is systems.py's; what one system makes of
credentials and names is its own module's. Must not know of rows of revocations.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from evidence.models import Actor
from identities.enforcers.contract import Enforcer, PermanentFailure, Seen, Target
from identities.models import Credential, Entitlement, Identity

from . import (
    of_aws,
    of_entra,
    of_gcp,
    of_github,
    of_kubernetes,
    of_oauth,
    of_okta,
    of_pull_request,
    of_scim,
    of_vault,
    of_webhook,
)
from .bound import bound_names
from .systems import ADMINISTRATOR, NoTarget, System

# What else those who carry steps out need of it.
__all__ = ["ADMINISTRATOR", "NoTarget", "bound_names"]

REGISTRY: dict[str, System] = {
    "aws": of_aws.SYSTEM,
    "kubernetes": of_kubernetes.SYSTEM,
    "oauth": of_oauth.SYSTEM,
    "entra": of_entra.SYSTEM,
    "gcp": of_gcp.SYSTEM,
    "vault": of_vault.SYSTEM,
    "okta": of_okta.SYSTEM,
    "github": of_github.SYSTEM,
    "scim": of_scim.SYSTEM,
    "webhook": of_webhook.SYSTEM,
    "pull_request": of_pull_request.SYSTEM,
}


def enforcer(system: str, account: str) -> Enforcer:
    """The adapter with write access to this account; PermanentFailure when there is none."""
    row = REGISTRY.get(system)
    if row is None:
        raise PermanentFailure(f"No enforcer for {system} is set up.", who_must_act=ADMINISTRATOR)
    return row.enforcer(account)


def probe(target: Target, *, now: datetime) -> Seen | None:
    """What a real use was answered; None where there is nothing to try it with."""
    return REGISTRY[target.system].probe(target, now)


def cannot(target: Target, step: str) -> str:
    """Why this step cannot be asked for there; "" where it can."""
    return REGISTRY[target.system].cannot(target, step)


def of_credential(credential: Credential, names: Sequence[Actor], *, now: datetime) -> Target:
    """Where this credential can be changed; NoTarget when evidence does not say.

    `names`: of its identity (`bound_names`).
    """
    for row in REGISTRY.values():
        target = row.of_credential(credential, names, now)
        if target is not None:
            return target
    raise NoTarget(f"No enforcer changes a {credential.kind} of {credential.actor.realm}.")


def credentials_in(system: str, identity: Identity, *, now: datetime) -> list[UUID]:
    """The identity's credentials that may work and stop with its principals in this system."""
    names = bound_names([identity.pk], now=now)[identity.pk]
    rows = identity.credentials.exclude(state__in=["revoked", "expired"]).select_related(
        "actor", "actor__parent", "issued_to", "seen_with"
    )
    return [one.pk for one in rows if _is_in(system, one, names, now)]


def _is_in(system: str, credential: Credential, names: Sequence[Actor], now: datetime) -> bool:
    try:
        return of_credential(credential, names, now=now).system == system
    except NoTarget:
        # Of which system it is can be told by nothing else than the name that it has there.
        realms = REGISTRY[system].realms or system
        return credential.actor.realm.partition(":")[0] == realms


def of_identity(identity: Identity, *, now: datetime) -> list[Target]:
    """The principals of the identity that an enforcer can change."""
    return principals(bound_names([identity.pk], now=now)[identity.pk])


def principals(names: Iterable[Actor]) -> list[Target]:
    """What these names stand for in the systems that can be changed, each once."""
    known = list(names)
    return [target for row in REGISTRY.values() for target in row.of_names(known)]


def of_entitlement(row: Entitlement) -> Target:
    """The principal whose permissions these are; NoTarget where no enforcer changes them."""
    for system in REGISTRY.values():
        target = system.of_entitlement(row)
        if target is not None:
            return target
    raise NoTarget(
        f"No enforcer changes what {row.system} allows: have it changed there; the next reading"
        " of its lists shows it."
    )
