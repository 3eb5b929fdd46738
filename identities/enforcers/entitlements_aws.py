"""What AWS really allows one user or role, read as dated evidence.

Owns the reading of policies, groups, boundary, trust and keys into one normalised list. Must not
know delegations or usage, and changes nothing. What the list means is in `possible_aws`.

Not read, and always said so: policies of the organisation (SCP, RCP), policies of resources and
session policies. They are kept by others and, but for the first, are not the identity's own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .aws_clients import Clients
from .aws_failures import Absent, Refused, asking
from .aws_policies import statements
from .aws_principals import Kind, Principals, as_document
from .contract import PermanentFailure, plain
from .possible_aws import Beyond, Possible, possible_matches, summary

__all__ = ["Beyond", "Entitlements", "Possible", "ReadKey", "possible_matches", "read", "summary"]

NEVER_READ = "policies of the organisation, of resources and of sessions are not read"


@dataclass(frozen=True, slots=True)
class ReadKey:
    """One access key. `last_used_at` is None where AWS shows no use or may not be asked."""

    access_key_id: str
    status: str
    created_at: datetime | None
    last_used_at: datetime | None
    last_used_service: str
    last_use_read: bool

    def as_json(self) -> dict[str, object]:
        return {
            "access_key_id": self.access_key_id,
            "status": self.status,
            "created_at": _text(self.created_at),
            "last_used_at": _text(self.last_used_at),
            "last_used_service": self.last_used_service,
            "last_use_read": self.last_use_read,
        }


@dataclass(frozen=True, slots=True)
class Entitlements:
    """One reading of one principal.

    `digest` is over everything read but the uses of keys, so that two readings between which
    nothing was granted or taken have the same digest. `raw` is that everything, as JSON text.
    """

    principal: str
    kind: Kind
    read_at: datetime
    possible: tuple[Possible, ...]
    keys: tuple[ReadKey, ...]
    trust: dict[str, Any]
    groups: tuple[str, ...]
    missing: tuple[str, ...]
    digest: str
    raw: str


class _Reading:
    """One pass over one principal; collects what could not be read instead of failing on it."""

    def __init__(self, clients: Clients, principals: Principals) -> None:
        self.iam = clients.iam
        self.principals = principals
        self.raw: dict[str, Any] = {}
        self.possible: list[Possible] = []
        self.missing: list[str] = []

    def try_to[T](
        self, permission: str, resource: str, read: Callable[[], T], via: str
    ) -> T | None:
        """What was read, or None and a possible of unknown effect in its place."""
        try:
            with asking(permission, resource):
                return read()
        except Refused as error:
            self.missing.append(plain(f"{via}: {error.reason}"))
        except Absent:
            # Taken away between the listing and the reading: not there any more.
            return None
        layer = "boundary" if via.startswith("boundary") else "identity"
        self.possible.append(Possible.unread(via=via, layer=layer))
        return None

    def listed(self, permission: str, operation: str, part: str, **arguments: str) -> list[Any]:
        resource = next(iter(arguments.values()))
        via = f"{part} of {resource}"

        def pages() -> list[Any]:
            # The paginator's type differs per operation; one function reads all lists.
            iam: Any = self.iam
            paginator = iam.get_paginator(operation)
            return [entry for page in paginator.paginate(**arguments) for entry in page[part]]

        return self.try_to(permission, resource, pages, via) or []

    def add(self, document: Any, *, via: str, layer: str = "identity") -> None:
        found = as_document(document)
        self.raw[via] = found
        self.possible.extend(possible_of(found, via=via, layer=layer))

    def managed(self, arn: str, *, via: str, layer: str = "identity") -> None:
        policy = self.try_to(
            "iam:GetPolicy", arn, lambda: self.iam.get_policy(PolicyArn=arn)["Policy"], via
        )
        if policy is None:
            return
        version = policy["DefaultVersionId"]
        found = self.try_to(
            "iam:GetPolicyVersion",
            arn,
            lambda: self.iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"][
                "Document"
            ],
            via,
        )
        if found is not None:
            self.add(found, via=via, layer=layer)


def possible_of(
    document: str | dict[str, Any], *, via: str, layer: str = "identity"
) -> list[Possible]:
    """A policy document as possibles, in the order of its statements.

    A statement that says neither Allow nor Deny, or names no actions, is kept as one of unknown
    effect: leaving it out would read as "grants nothing".
    """
    found = statements(document)
    if not found and not (isinstance(document, dict) and document.get("Statement") == []):
        return [Possible.unread(via=via, layer=layer)]
    result = []
    for statement in found:
        effect = statement.get("Effect")
        actions, not_actions = _texts(statement, "Action"), _texts(statement, "NotAction")
        if effect not in ("Allow", "Deny") or not (actions or not_actions):
            result.append(Possible.unread(via=via, layer=layer))
            continue
        conditions = statement.get("Condition")
        result.append(
            Possible(
                effect="allow" if effect == "Allow" else "deny",
                actions=actions,
                not_actions=not_actions,
                resources=_texts(statement, "Resource"),
                not_resources=_texts(statement, "NotResource"),
                conditions=conditions if isinstance(conditions, dict) else {},
                via=via,
                layer=layer,
            )
        )
    return result


def read(clients: Clients, *, account: str, kind: Kind, name: str, now: datetime) -> Entitlements:
    """Everything IAM shows for one user or role of the account.

    Raises PermanentFailure when the principal itself may not be read or is not there, and
    TemporaryFailure as the enforcer does; a part that may not be read is listed in `missing`.
    """
    with asking("sts:GetCallerIdentity", "*"):
        caller = clients.sts.get_caller_identity()
    if caller["Account"] != account:
        raise PermanentFailure(
            f"The credentials belong to account {caller['Account']}, not to {account}.",
            who_must_act="the administrator of Countersign",
        )
    principals = Principals(clients, account=account, partition=caller["Arn"].split(":")[1])
    entity, _ = principals.look(kind, name)
    reading = _Reading(clients, principals)
    groups: tuple[str, ...] = ()
    if kind == "user":
        _user_policies(reading, name)
        groups = _groups(reading, name)
    else:
        _role_policies(reading, name)
    boundary = entity.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    if boundary:
        reading.managed(boundary, via=f"boundary {boundary}", layer="boundary")
    trust = as_document(entity.get("AssumeRolePolicyDocument", {}))
    keys = _keys(reading, name) if kind == "user" else ()
    arn = str(entity["Arn"])
    raw = {
        "arn": arn,
        "boundary": boundary,
        "groups": groups,
        "keys": [(k.access_key_id, k.status, _text(k.created_at)) for k in keys],
        "policies": reading.raw,
        "trust": trust,
        "missing": sorted(reading.missing),
    }
    text = json.dumps(raw, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return Entitlements(
        principal=arn,
        kind=kind,
        read_at=now,
        possible=tuple(reading.possible),
        keys=keys,
        trust=trust,
        groups=groups,
        missing=(*reading.missing, NEVER_READ),
        digest=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        raw=text,
    )


def _user_policies(reading: _Reading, name: str) -> None:
    iam = reading.iam
    arn = reading.principals.arn("user", name)
    for policy in reading.listed(
        "iam:ListUserPolicies", "list_user_policies", "PolicyNames", UserName=name
    ):
        via = f"inline {policy}"
        found = reading.try_to(
            "iam:GetUserPolicy",
            arn,
            lambda policy=policy: iam.get_user_policy(UserName=name, PolicyName=policy)[  # type: ignore[misc]  # a default binds the loop's value, and mypy infers no type for it
                "PolicyDocument"
            ],
            via,
        )
        if found is not None:
            reading.add(found, via=via)
    for attached in reading.listed(
        "iam:ListAttachedUserPolicies",
        "list_attached_user_policies",
        "AttachedPolicies",
        UserName=name,
    ):
        reading.managed(attached["PolicyArn"], via=f"managed {attached['PolicyArn']}")


def _role_policies(reading: _Reading, name: str) -> None:
    iam = reading.iam
    arn = reading.principals.arn("role", name)
    for policy in reading.listed(
        "iam:ListRolePolicies", "list_role_policies", "PolicyNames", RoleName=name
    ):
        via = f"inline {policy}"
        found = reading.try_to(
            "iam:GetRolePolicy",
            arn,
            lambda policy=policy: iam.get_role_policy(RoleName=name, PolicyName=policy)[  # type: ignore[misc]  # a default binds the loop's value, and mypy infers no type for it
                "PolicyDocument"
            ],
            via,
        )
        if found is not None:
            reading.add(found, via=via)
    for attached in reading.listed(
        "iam:ListAttachedRolePolicies",
        "list_attached_role_policies",
        "AttachedPolicies",
        RoleName=name,
    ):
        reading.managed(attached["PolicyArn"], via=f"managed {attached['PolicyArn']}")


def _groups(reading: _Reading, name: str) -> tuple[str, ...]:
    iam = reading.iam
    found = reading.listed("iam:ListGroupsForUser", "list_groups_for_user", "Groups", UserName=name)
    for group in found:
        title = group["GroupName"]
        for policy in reading.listed(
            "iam:ListGroupPolicies", "list_group_policies", "PolicyNames", GroupName=title
        ):
            via = f"group {title}, inline {policy}"
            document = reading.try_to(
                "iam:GetGroupPolicy",
                group["Arn"],
                lambda title=title, policy=policy: iam.get_group_policy(  # type: ignore[misc]  # defaults bind the loops' values, and mypy infers no type for them
                    GroupName=title, PolicyName=policy
                )["PolicyDocument"],
                via,
            )
            if document is not None:
                reading.add(document, via=via)
        for attached in reading.listed(
            "iam:ListAttachedGroupPolicies",
            "list_attached_group_policies",
            "AttachedPolicies",
            GroupName=title,
        ):
            arn = attached["PolicyArn"]
            reading.managed(arn, via=f"group {title}, managed {arn}")
    return tuple(sorted(group["GroupName"] for group in found))


def _keys(reading: _Reading, name: str) -> tuple[ReadKey, ...]:
    try:
        found = reading.principals.keys(name)
    except Refused as error:
        reading.missing.append(f"access keys: {error.reason}")
        return ()
    result = []
    for key in found:
        used_at, service, told = None, "", True
        try:
            use = reading.principals.last_use(key.access_key_id)
            used_at, service = use.used_at, "" if use.service == "N/A" else use.service
        except Absent:
            continue  # deleted since the listing
        except Refused as error:
            told = False
            reading.missing.append(f"last use of {key.access_key_id}: {error.reason}")
        result.append(
            ReadKey(
                access_key_id=key.access_key_id,
                status=key.status,
                created_at=key.created_at,
                last_used_at=used_at,
                last_used_service=service,
                last_use_read=told,
            )
        )
    return tuple(sorted(result, key=lambda key: key.access_key_id))


def _texts(statement: dict[str, Any], name: str) -> tuple[str, ...]:
    found = statement.get(name)
    values: Iterable[Any] = found if isinstance(found, list) else [found]
    return tuple(value for value in values if isinstance(value, str) and value)


def _text(when: datetime | None) -> str | None:
    return when.astimezone(UTC).isoformat() if when else None
