"""Which outside system a thing lives in, and the enforcer that can change it there.

Owns the registry of enforcers and the way from a credential or identity to its targets. Must
not know of rows of revocations.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from django.conf import settings

from evidence.models import Actor
from identities.enforcers import aws
from identities.enforcers.aws_clients import Clients, Credentials, credentials
from identities.enforcers.contract import PermanentFailure, Target
from identities.models import Binding, Credential, Entitlement, Identity

ADMINISTRATOR = "the administrator of Countersign"
PRINCIPAL = re.compile(
    r"arn:aws[a-z-]*:(?:iam|sts)::(?P<account>\d{12}):(?P<kind>user|role|assumed-role)/(?P<path>.+)"
)


class NoTarget(Exception):
    """Nothing outside can be told from this: the sentence says what is missing."""


def clients(account: str) -> Clients:
    """Clients for one AWS account, by the installation's reference and endpoint."""
    reference = getattr(settings, "AWS_CREDENTIALS", "").replace("{account}", account)
    return _clients(reference, settings.AWS_ENDPOINT or "", bool(settings.ALLOW_PRIVATE))


@lru_cache(maxsize=64)
def _clients(reference: str, endpoint: str, allow_private: bool) -> Clients:
    """Kept, because clients cost 50 ms to make."""
    return Clients(
        credentials=credentials(reference), endpoint=endpoint or None, allow_private=allow_private
    )


def _aws(account: str) -> aws.AwsEnforcer:
    return aws.AwsEnforcer(clients(account), account=account)


REGISTRY: dict[str, Callable[[str], aws.AwsEnforcer]] = {"aws": _aws}


def enforcer(system: str, account: str) -> aws.AwsEnforcer:
    """The adapter with write access to this account; PermanentFailure when there is none."""
    make = REGISTRY.get(system)
    if make is None:
        raise PermanentFailure(f"No enforcer for {system} is set up.", who_must_act=ADMINISTRATOR)
    return make(account)


def probe_secret(access_key_id: str) -> Credentials | None:
    """The secret of a key to try it with, where an installation keeps one for that; else None.

    Tests and the demo do; elsewhere Countersign holds no secret of anybody.
    """
    folder = getattr(settings, "PROBE_FOLDER", "")
    if not folder or not access_key_id.isalnum():
        return None
    path = Path(folder) / f"{access_key_id}.json"
    return credentials(f"file:{path}") if path.is_file() else None


def of_credential(credential: Credential, arns: Sequence[Actor], *, now: datetime) -> Target:
    """Where this credential can be changed; NoTarget when evidence does not say.

    `arns`: of its identity (`bound_arns`).
    """
    actor = credential.actor
    if actor.realm != "aws" or actor.kind != "access_key":
        raise NoTarget(f"No enforcer changes a {credential.kind} of {actor.realm}.")
    above = [credential.issued_to, actor.parent, credential.seen_with, *arns]
    for owner in above:
        if owner is None:
            continue
        found = PRINCIPAL.fullmatch(owner.value)
        if found is None:
            continue
        account, name = found["account"], _name(found["kind"], found["path"])
        if credential.standing and found["kind"] == "user":
            return Target("aws", account, "access_key", actor.value, {"user": name})
        if not credential.standing and found["kind"] != "user":
            # AWS cannot end one session: all of the role that were issued until now are denied.
            return Target("aws", account, "role_sessions", name, {"issued_before": now.isoformat()})
        if not credential.standing:
            return Target("aws", account, "user", name, {"of": actor.value})
    raise NoTarget(
        f"Whose key {credential.short} is cannot be told: neither its issue nor a binding names"
        " a user or role."
    )


def of_identity(identity: Identity, *, now: datetime) -> list[Target]:
    """The principals of the identity that an enforcer can change."""
    return principals(bound_arns([identity.pk], now=now)[identity.pk])


def principals(arns: Iterable[Actor]) -> list[Target]:
    """The users and roles that these names stand for, each once."""
    found = {}
    for actor in arns:
        match = PRINCIPAL.fullmatch(actor.value)
        if match is not None:
            kind = "user" if match["kind"] == "user" else "role"
            name = _name(match["kind"], match["path"])
            found[kind, name] = Target("aws", match["account"], kind, name)
    return [found[key] for key in sorted(found)]


def of_entitlement(row: Entitlement) -> Target:
    """The principal whose permissions these are; NoTarget where no enforcer changes them."""
    found = PRINCIPAL.fullmatch(row.principal)
    if row.system not in REGISTRY or found is None or found["kind"] == "assumed-role":
        raise NoTarget(
            f"No enforcer changes what {row.system} allows: have it changed there; the next reading"
            " of its lists shows it."
        )
    kind, name = found["kind"], _name(found["kind"], found["path"])
    return Target(row.system, found["account"], kind, name)


def bound_arns(identities: Iterable[UUID], *, now: datetime) -> dict[UUID, list[Actor]]:
    """The ARNs that are confirmed to be each of these identities now."""
    found: dict[UUID, list[Actor]] = {pk: [] for pk in identities}
    rows = (
        Binding.objects.filter(
            identity__in=found,
            state="confirmed",
            superseded_at__isnull=True,
            during__contains=now,
            actor__kind__in=["arn", "role_session"],
        )
        .select_related("actor")
        .order_by("actor_id")
    )
    for row in rows:
        found[row.identity_id].append(row.actor)
    return found


def _name(kind: str, path: str) -> str:
    """The name in an ARN's last part; a session's ARN has the role before the session."""
    return path.split("/", maxsplit=1)[0] if kind == "assumed-role" else path.rsplit("/", 1)[-1]
