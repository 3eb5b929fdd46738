"""Which outside system a thing lives in, and the enforcer that can change it there.

Owns the table of systems, a row each, and the way from a credential or identity to its targets.
Must not know of rows of revocations.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from django.conf import settings

from evidence.models import Actor
from identities.enforcers import aws, configured, oauth, oauth_clients
from identities.enforcers.aws_clients import Clients, credentials
from identities.enforcers.contract import Enforcer, PermanentFailure, Seen, Target
from identities.models import Binding, Credential, Entitlement, Identity

ADMINISTRATOR = "the administrator of Countersign"
PRINCIPAL = re.compile(
    r"arn:aws[a-z-]*:(?:iam|sts)::(?P<account>\d{12}):(?P<kind>user|role|assumed-role)/(?P<path>.+)"
)


# Of what may have to be acted on, so many are looked at in one check.
MOST_CHECKED = 200


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


def _aws(account: str) -> Enforcer:
    return aws.AwsEnforcer(clients(account), account=account)


def _aws_key(target: Target, now: datetime) -> Seen | None:
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


def _of_aws(credential: Credential, arns: Sequence[Actor], now: datetime) -> Target | None:
    actor = credential.actor
    if actor.realm != "aws" or actor.kind != "access_key":
        return None
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


def _not_aws(target: Target, step: str) -> str:
    if target.kind == "role_sessions" and step != "revoke":
        return f"AWS has no {step} for one session: hold the identity, or revoke its sessions."
    return ""


def oauth_servers() -> dict[str, list[oauth_clients.Client]]:
    """The clients at each OAuth server. Raises PermanentFailure when their settings are wrong."""
    found: dict[str, list[oauth_clients.Client]] = {}
    for entry in configured.entries(settings.ENFORCERS, "oauth"):
        one = oauth_clients.client(entry)
        found.setdefault(one.issuer, []).append(one)
    return found


def _oauth(account: str) -> oauth.OAuthEnforcer:
    those = oauth_servers().get(account)
    if those is None:
        raise PermanentFailure(f"No enforcer for {account} is set up.", who_must_act=ADMINISTRATOR)
    return oauth.OAuthEnforcer(those, allow_private=bool(settings.ALLOW_PRIVATE))


def _of_oauth(credential: Credential, arns: Sequence[Actor], now: datetime) -> Target | None:  # noqa: ARG001 -- the table gives each the same
    actor = credential.actor
    if actor.kind != "token":
        return None
    try:
        servers = oauth_servers()
    except PermanentFailure as problem:
        raise NoTarget(problem.reason) from None
    those = [one for each in servers.values() for one in each if actor.realm in one.realms]
    if len(those) > 1:
        # A server revokes for the client that a token was issued to.
        above = (credential.issued_to, actor.parent, credential.seen_with)
        names = {owner.value for owner in above if owner is not None}
        those = [one for one in those if one.client_id in names]
        if len(those) != 1:
            raise NoTarget(
                f"To which client {credential.short} was issued cannot be told: several are set"
                f" up for {actor.realm}, and evidence names none of them."
            )
    return next((_token(one, actor) for one in those), None)


def _token(client: oauth_clients.Client, actor: Actor) -> Target:
    return Target("oauth", client.issuer, "token", actor.value, {"client": client.client_id})


def _aws_owned(now: datetime) -> Mapping[str, list[Target]]:
    """The principals that we may have to act on, by account."""
    found: dict[str, list[Target]] = {}
    for identity in (
        Identity.objects.exclude(state="retired")
        .filter(
            bindings__state="confirmed",
            bindings__superseded_at__isnull=True,
            bindings__actor__realm__startswith="aws:",
        )
        .distinct()[:MOST_CHECKED]
    ):
        for target in of_identity(identity, now=now):
            found.setdefault(target.account, []).append(target)
    return found


def _oauth_owned(now: datetime) -> Mapping[str, list[Target]]:
    """The live tokens of each server, also of one that has none."""
    servers = oauth_servers()
    found: dict[str, list[Target]] = {issuer: [] for issuer in servers}
    realms = {realm for each in servers.values() for one in each for realm in one.realms}
    rows = Credential.objects.filter(
        state="active", actor__kind="token", actor__realm__in=realms
    ).select_related("actor", "actor__parent", "issued_to", "seen_with")
    for row in rows.order_by("-number")[:MOST_CHECKED]:
        try:
            target = of_credential(row, [], now=now)
        except NoTarget:
            continue
        found[target.account].append(target)
    return found


class System(NamedTuple):
    """One outside system, in the words of this table alone.

    `of_credential`: the target a credential is there, given the ARNs of its identity; None when it
    is another system's, NoTarget when evidence does not say enough. `cannot`: why a step cannot
    even be asked for. `owned`: what we may have to act on, by account. `probe`: a real use.
    """

    enforcer: Callable[[str], Enforcer]
    of_credential: Callable[[Credential, Sequence[Actor], datetime], Target | None]
    cannot: Callable[[Target, str], str]
    owned: Callable[[datetime], Mapping[str, list[Target]]]
    probe: Callable[[Target, datetime], Seen | None] = lambda _target, _now: None


REGISTRY: dict[str, System] = {
    "aws": System(_aws, _of_aws, _not_aws, _aws_owned, _aws_key),
    "oauth": System(_oauth, _of_oauth, oauth.cannot, _oauth_owned),
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


def of_credential(credential: Credential, arns: Sequence[Actor], *, now: datetime) -> Target:
    """Where this credential can be changed; NoTarget when evidence does not say.

    `arns`: of its identity (`bound_arns`).
    """
    for row in REGISTRY.values():
        target = row.of_credential(credential, arns, now)
        if target is not None:
            return target
    raise NoTarget(f"No enforcer changes a {credential.kind} of {credential.actor.realm}.")


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
