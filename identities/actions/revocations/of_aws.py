"""AWS accounts in the table of outside systems: which keys, sessions, users and roles are targets.

Owns the way from a credential, an identity's ARNs and an entitlement to what the AWS enforcer
takes. Must not know of rows of revocations.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from evidence.models import Actor
from identities.enforcers import aws
from identities.enforcers.aws_clients import Clients, credentials
from identities.enforcers.contract import Enforcer, Seen, Target
from identities.models import Credential, Entitlement, Identity

from .bound import bound_names
from .systems import MOST_CHECKED, NoTarget, System

PRINCIPAL = re.compile(
    r"arn:aws[a-z-]*:(?:iam|sts)::(?P<account>\d{12}):(?P<kind>user|role|assumed-role)/(?P<path>.+)"
)


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


def _enforcer(account: str) -> Enforcer:
    return aws.AwsEnforcer(clients(account), account=account)


def _probe(target: Target, now: datetime) -> Seen | None:
    """A real use of a key, where an installation keeps its secret to try it with; else None.

    Tests and the demo do; elsewhere Countersign holds no secret of anybody.
    """
    folder = getattr(settings, "PROBE_FOLDER", "")
    if target.kind != "access_key" or not folder or not target.name.isalnum():
        return None
    path = Path(folder) / f"{target.name}.json"
    secret = credentials(f"file:{path}") if path.is_file() else None
    if secret is None:
        return None
    return aws.AwsEnforcer(clients(target.account), account=target.account).probe(secret, now=now)


def _of_credential(credential: Credential, names: Sequence[Actor], now: datetime) -> Target | None:
    actor = credential.actor
    if credential.kind in ("user", "role", "service_linked_role", "login_profile"):
        return _of_principal(credential)
    if actor.realm != "aws" or actor.kind != "access_key":
        return None
    above = [credential.issued_to, actor.parent, credential.seen_with, *names]
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
            # AWS cannot end one session: all that were issued until now are denied, of the role or,
            # below, of the user.
            return Target("aws", account, "role_sessions", name, {"issued_before": now.isoformat()})
        if not credential.standing:
            return Target("aws", account, "user_sessions", name, {"issued_before": now.isoformat()})
    raise NoTarget(
        f"Whose key {credential.short} is cannot be told: neither its issue nor a binding names"
        " a user or role."
    )


def _of_principal(credential: Credential) -> Target | None:
    """A user or role that was made with something stopped, or its password."""
    found = PRINCIPAL.fullmatch(credential.actor.value)
    if not credential.actor.realm.startswith("aws:") or found is None:
        return None
    if "/aws-service-role/" in credential.actor.value:
        raise NoTarget(f"AWS lets nobody deny role {credential.short}: delete it in its service.")
    kind = "login_profile" if credential.kind == "login_profile" else found["kind"]
    return Target("aws", found["account"], kind, _name(found["kind"], found["path"]))


def _cannot(target: Target, step: str) -> str:
    if target.kind == "login_profile" and step != "revoke":
        return f"AWS has no {step} for the password of {target.name}: revoke it, or hold the user."
    return ""


def principals(names: Iterable[Actor]) -> list[Target]:
    """The users and roles that these names stand for, each once."""
    found = {}
    for actor in names:
        match = PRINCIPAL.fullmatch(actor.value) if actor.kind in ("arn", "role_session") else None
        if match is not None:
            kind = "user" if match["kind"] == "user" else "role"
            name = _name(match["kind"], match["path"])
            found[kind, name] = Target("aws", match["account"], kind, name)
    return [found[key] for key in sorted(found)]


def _of_entitlement(row: Entitlement) -> Target | None:
    found = PRINCIPAL.fullmatch(row.principal) if row.system == "aws" else None
    if found is None or found["kind"] == "assumed-role":
        return None
    kind, name = found["kind"], _name(found["kind"], found["path"])
    return Target("aws", found["account"], kind, name)


def _owned(now: datetime) -> Mapping[str, list[Target]]:
    """The principals that we may have to act on, by account."""
    found: dict[str, list[Target]] = {}
    identities = (
        Identity.objects.exclude(state="retired")
        .filter(
            bindings__state="confirmed",
            bindings__superseded_at__isnull=True,
            bindings__actor__realm__startswith="aws:",
        )
        .distinct()
        .values_list("pk", flat=True)[:MOST_CHECKED]
    )
    for names in bound_names(identities, now=now).values():
        for target in principals(names):
            found.setdefault(target.account, []).append(target)
    return found


def _name(kind: str, path: str) -> str:
    """The name in an ARN's last part; a session's ARN has the role before the session."""
    return path.split("/", maxsplit=1)[0] if kind == "assumed-role" else path.rsplit("/", 1)[-1]


SYSTEM = System(
    _enforcer,
    _of_credential,
    _cannot,
    _owned,
    of_names=principals,
    of_entitlement=_of_entitlement,
    probe=_probe,
)
